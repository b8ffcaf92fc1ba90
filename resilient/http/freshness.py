"""How long an answer is fresh, and how old it is (RFC 9111 section 4.2)."""

from __future__ import annotations

import re
from math import inf
from typing import Literal, TypeAlias

from msgspec import Struct

from resilient.entry import MAX_CLOCK_SKEW
from resilient.http.dates import parse_date
from resilient.http.directives import ResponseControl
from resilient.http.fields import Fields, whole_number

HEURISTIC_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
"""Complete answers that may be kept without a word of the origin's (RFC 9110 section 15.1)."""

FRACTION = 0.1
"""Of the time since an answer last changed, the part that it is taken to stay as it is (RFC 9111 section 4.2.2)."""
HEURISTIC_CAP = 86_400.0
"""Seconds; no answer is taken to be fresh for longer."""

Source: TypeAlias = Literal["ttl", "age", "max-age", "expires", "heuristic", "none"]


class Lifetime(Struct, frozen=True):
    """How long an answer is fresh.

    Attributes:
        seconds: from the moment at which the origin made or confirmed it.
        source: what says so: a configured ``ttl``; an ``age`` that cannot be read, which makes the answer stale; the
            answer's own ``max-age`` or ``expires``; a ``heuristic``; ``none`` if nothing does.
    """

    seconds: float
    source: Source

    @property
    def is_explicit(self) -> bool:
        """Whether somebody said it."""
        return self.source not in ("heuristic", "none")


def lifetime(
    status: int,
    fields: Fields,
    control: ResponseControl,
    received_at: float,
    *,
    heuristic_cap: float = HEURISTIC_CAP,
    ttl: float | None = None,
) -> Lifetime:
    """How long an answer is fresh; the first that applies counts (RFC 9111 section 4.2.1).

    Args:
        status: of the answer.
        fields: of the answer.
        control: what it says of itself.
        received_at: when it came, seconds since the epoch.
        heuristic_cap: seconds for which a heuristic holds at most; 0 for no heuristic.
        ttl: seconds that were configured in place of all the answer says.
    """
    if ttl is not None:
        return Lifetime(ttl, "ttl")
    if not _is_sound(fields.get("age")):
        return Lifetime(0.0, "age")
    if control.max_age is not None:
        return Lifetime(float(control.max_age), "max-age")
    date = parse_date(fields.get("date"))
    made_at = received_at if date is None else date
    if "expires" in fields and not control.targeted:
        # What is no date, or twice one, is in the past (RFC 9111 section 5.3).
        expires = parse_date(fields.get("expires"))
        return Lifetime(0.0 if expires is None else max(0.0, expires - made_at), "expires")
    changed_at = parse_date(fields.get("last-modified"))
    if changed_at is None or heuristic_cap <= 0 or not (status in HEURISTIC_STATUSES or control.public):
        return Lifetime(0.0, "none")
    return Lifetime(min(heuristic_cap, max(0.0, FRACTION * (made_at - changed_at))), "heuristic")


_AGE = re.compile("[0-9]++(?:,[0-9]++)*+")


def _is_sound(age: str | None) -> bool:
    """Whether an Age can be believed.

    One that is no number says that a cache on the way counts wrongly, and two lines that two caches do not agree: such
    an answer counts as stale (RFC 9111 section 4.2.1), although section 5.1 allows to pass over the field. Of a list
    on one line the first number counts.
    """
    return age is None or _AGE.fullmatch(age) is not None


def initial_age(fields: Fields, requested_at: float, received_at: float) -> float:
    """Seconds that an answer was old when it came, with the way that it took (RFC 9111 section 4.2.3).

    Args:
        fields: of the answer.
        requested_at: when it was asked for, seconds since the epoch.
        received_at: when its head came.
    """
    date = parse_date(fields.get("date"))
    apparent = 0.0 if date is None else max(0.0, received_at - date)
    # Of several the first counts, and what is no number counts nothing (section 5.1).
    told = whole_number((fields.get("age") or "0").partition(",")[0].strip(" \t")) or 0
    return max(apparent, told + max(0.0, received_at - requested_at))


def resident(wall_then: float, wall_now: float, elapsed: float | None) -> float:
    """Seconds that an answer has been kept, by the clock that says more (RFC 9111 section 4.2.3).

    A wall clock that was put back must not make anything fresh: an answer from a future that no difference of clocks
    explains has been kept for ever.

    Args:
        wall_then: when it came, seconds since the epoch.
        wall_now: the time now.
        elapsed: the seconds since then by a clock that only runs forward, None if it came in another process.
    """
    by_wall = wall_now - wall_then
    if elapsed is None:
        return inf if by_wall < -MAX_CLOCK_SKEW else max(0.0, by_wall)
    return max(0.0, by_wall, elapsed)
