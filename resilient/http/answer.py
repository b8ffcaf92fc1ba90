"""A kept answer, as the rules see it: what they need of it, read once."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from resilient.http.dates import parse_date
from resilient.http.directives import ResponseControl, response_control
from resilient.http.etags import ETag, parse_etag
from resilient.http.fields import Fields
from resilient.http.freshness import HEURISTIC_CAP, Lifetime, initial_age, lifetime
from resilient.http.vary import Selecting


class Answer(Struct, frozen=True):
    """A kept answer, or one that may be.

    Attributes:
        status: its status.
        fields: its header fields.
        control: what it says to caches.
        lifetime: how long it is fresh.
        initial_age: seconds that it was old when it came.
        received_at: when it came, seconds since the epoch.
        date: when the origin made it: its Date, else ``received_at``.
        last_modified: when it last changed, None if it does not say.
        etag: its entity tag.
        selecting: the fields of its request that selected it.
    """

    status: int
    fields: Fields
    control: ResponseControl
    lifetime: Lifetime
    initial_age: float
    received_at: float
    date: float
    last_modified: float | None
    etag: ETag | None
    selecting: Selecting

    def age(self, resident: float) -> float:
        """Seconds since the origin made or confirmed it, after ``resident`` seconds here (RFC 9111 section 4.2.3)."""
        return self.initial_age + resident

    def ttl(self, resident: float) -> float:
        """Seconds that it stays fresh after ``resident`` seconds here; stale from 0 on (RFC 9111 section 4.2)."""
        return self.lifetime.seconds - self.initial_age - resident

    @property
    def has_validator(self) -> bool:
        """Whether the origin can be asked if it still holds."""
        return self.etag is not None or self.last_modified is not None


def answer(
    status: int,
    fields: Fields,
    *,
    requested_at: float,
    received_at: float,
    selecting: Selecting = (),
    targets: Sequence[str] = (),
    heuristic_cap: float = HEURISTIC_CAP,
    ttl: float | None = None,
    control: ResponseControl | None = None,
) -> Answer:
    """Read an answer.

    Args:
        status: its status.
        fields: its header fields.
        requested_at: when it was asked for, seconds since the epoch.
        received_at: when it came.
        selecting: the fields of its request that its Vary names.
        targets: fields that are read in place of Cache-Control, names in lower case.
        heuristic_cap: seconds for which a heuristic holds at most; 0 for no heuristic.
        ttl: seconds that were configured in place of the lifetime that it states.
        control: what was configured in place of what it says to caches.
    """
    said = response_control(fields, targets) if control is None else control
    date = parse_date(fields.get("date"))
    return Answer(
        status=status,
        fields=fields,
        control=said,
        lifetime=lifetime(status, fields, said, received_at, heuristic_cap=heuristic_cap, ttl=ttl),
        initial_age=initial_age(fields, requested_at, received_at),
        received_at=received_at,
        date=received_at if date is None else date,
        last_modified=parse_date(fields.get("last-modified")),
        etag=parse_etag(fields.get("etag")),
        selecting=selecting,
    )
