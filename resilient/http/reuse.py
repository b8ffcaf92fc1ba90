"""Whether a kept answer may be served (RFC 9111 section 4)."""

from __future__ import annotations

from math import inf
from typing import Literal, TypeAlias

from msgspec import Struct

from resilient.http.answer import Answer
from resilient.http.directives import RequestControl

FAILED = frozenset({500, 502, 503, 504})
"""Statuses of an origin that failed (RFC 5861 section 4)."""

Use: TypeAlias = Literal["fresh", "stale", "behind", "validate", "unavailable"]


class Verdict(Struct, frozen=True):
    """What to do with a kept answer.

    Attributes:
        use: serve it, as it is ``fresh``, or ``stale`` and the request allows that; serve it and have it asked for
            anew ``behind`` the caller's back; ``validate`` it first; or answer 504, since the origin may not be asked
            and it is ``unavailable`` without.
        why: where it may not be served: it is ``stale``, or the ``request`` wants a newer one (RFC 9211 section 2.2).
    """

    use: Use
    why: Literal["stale", "request"] | None = None


_FRESH, _STALE, _BEHIND = Verdict("fresh"), Verdict("stale"), Verdict("behind")
_VALIDATE = {why: Verdict("validate", why) for why in ("stale", "request")}
_UNAVAILABLE = {why: Verdict("unavailable", why) for why in ("stale", "request")}


def verdict(answer: Answer, asked: RequestControl, resident: float, cap: float = inf) -> Verdict:
    """What to do with ``answer`` for a request that it matches.

    Args:
        answer: the kept answer.
        asked: what the request wants.
        resident: seconds that it has been kept.
        cap: seconds that it may be stale at most, whoever allows it.
    """
    why = _objection(answer, asked, resident)
    if why is None:
        return _FRESH
    if _may_be_late(answer, asked, resident, cap):
        return _STALE
    if _may_be_late_behind(answer, asked, resident, cap):
        return _BEHIND
    return (_UNAVAILABLE if asked.only_if_cached else _VALIDATE)[why]


def must_be_validated(answer: Answer) -> bool:
    """Whether it must never be served stale (RFC 9111 sections 5.2.2.2 and 5.2.2.4)."""
    return answer.control.must_revalidate or answer.control.no_cache


def stands_in(answer: Answer, asked: RequestControl, resident: float, cap: float = inf) -> bool:
    """Whether origin or request allow that it is served because the origin failed (RFC 5861 section 4).

    Args:
        answer: the kept answer.
        asked: what the request wants.
        resident: seconds that it has been kept.
        cap: seconds that it may be stale at most, whatever they allow.
    """
    if must_be_validated(answer) or asked.no_cache or asked.no_store:
        return False
    allowed = min(cap, max(answer.control.stale_if_error or 0, asked.stale_if_error or 0))
    return allowed > 0 and -answer.ttl(resident) <= allowed


def _objection(answer: Answer, asked: RequestControl, resident: float) -> Literal["stale", "request"] | None:
    """Why it may not be served as a fresh one."""
    if asked.no_cache or asked.no_store:  # sections 5.2.1.4 and 5.2.1.5
        return "request"
    if answer.control.no_cache:  # section 5.2.2.4
        return "stale"
    ttl = answer.ttl(resident)
    if ttl <= 0:  # section 4.2
        return "stale"
    if asked.min_fresh is not None and ttl < asked.min_fresh:  # section 5.2.1.3
        return "request"
    return "request" if _is_too_old(answer, asked, resident) else None


def _is_too_old(answer: Answer, asked: RequestControl, resident: float) -> bool:
    """Section 5.2.1.1; with 0 a caller wants it confirmed, which is useless for what never changes (RFC 8246)."""
    if asked.max_age is None:
        return False
    if asked.max_age == 0:
        return not (answer.control.immutable and answer.ttl(resident) > 0)
    return answer.age(resident) > asked.max_age


def _may_be_late(answer: Answer, asked: RequestControl, resident: float, cap: float) -> bool:
    """Whether the request wants it though it is stale (section 5.2.1.2)."""
    if asked.max_stale is None or asked.min_fresh is not None or asked.no_cache or asked.no_store:
        return False
    if must_be_validated(answer) or _is_too_old(answer, asked, resident):
        return False
    return -answer.ttl(resident) <= min(asked.max_stale, cap)


def _may_be_late_behind(answer: Answer, asked: RequestControl, resident: float, cap: float) -> bool:
    """Whether the origin allows it to be served while it is asked for anew (RFC 5861 section 3)."""
    allowed = answer.control.stale_while_revalidate
    # Who names an age or forbids the store has said more than the origin.
    picky = asked.no_cache or asked.no_store or asked.max_age is not None or asked.min_fresh is not None
    if allowed is None or picky or must_be_validated(answer):
        return False
    return -answer.ttl(resident) <= min(allowed, cap)
