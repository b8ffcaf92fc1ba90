"""Making a cache forget answers, so that none comes back whose asking began before.

What is forgotten leaves marks for a while. Whoever asks the origin looks at them first, and what came is kept only
together with the marks being still the same: the store sees to it that nothing happens in between. So it holds for all
processes that share the store, and nobody who is answered from it has to look at a mark.

A store may let go of a mark as of any other entry. So each process also remembers which it left itself.

A cluster has a resource's mark where its answers are, but not those of its origin and of everywhere: these are looked
at before and after.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from resilient.caching.guard import Guard
from resilient.caching.http.asked import digest
from resilient.caching.http.places import key_of
from resilient.caching.marks import EVERYWHERE, LEFT, MARKED, leaving
from resilient.caching.names import MARK
from resilient.entry import Entry
from resilient.ports import NO_ENTRIES, Clock

_SKEW = 30.0
"""Seconds by which the two clocks may differ meanwhile; then nobody knows if a mark is still there."""


def marks_of(resource: str, origin: str, secret: bytes) -> tuple[str, str, str]:
    """The names of the marks that concern a resource: its own, its origin's, and everybody's."""
    return mark_of(resource), mark_of_origin(origin, secret), EVERYWHERE


def mark_of(resource: str) -> str:
    """The mark of a resource."""
    return f"{MARK}{{{resource}}}"


@lru_cache(maxsize=256)
def mark_of_origin(origin: str, secret: bytes) -> str:
    """The mark of what an origin's groups made forget."""
    return MARK + digest(origin.encode(), secret)


def tag_of(resource: str) -> str:
    """The tag of all answers to a resource that are somebody's own."""
    return f"http:{{{resource}}}"


def group_tag(origin: str, group: str, secret: bytes) -> str:
    """The tag of the answers of one origin that are in a group (RFC 9875)."""
    return f"http-group:{digest(f'{origin} {group}'.encode(errors='surrogatepass'), secret)}"


class Began:
    """The moment at which the asking began, and the marks that were there.

    Args:
        clock: what tells the time.
        marks: what was there under each name; None if the store did not say.

    Attributes:
        marks: as given.
        sent: when the request was sent that was answered, seconds since the epoch.
    """

    __slots__ = ("_clock", "_now", "_since", "_wall", "marks", "sent")

    def __init__(self, clock: Clock, marks: Mapping[str, Entry | None] | None) -> None:
        self._clock = clock
        self._now = clock.now()
        self._since = LEFT.last
        self._wall = self.sent = clock.wall()
        self.marks = marks

    def bring_up_to_date(self, left: Mapping[str, Entry | None]) -> None:
        """Take marks into account that were left meanwhile, of which it is known that they change nothing here."""
        self._since = LEFT.last
        self.marks = None if self.marks is None else {name: left.get(name, one) for name, one in self.marks.items()}

    @property
    def is_overtaken(self) -> bool:
        """Whether this process left such a mark meanwhile, though the store may have let go of it."""
        return self.marks is not None and LEFT.when("", self.marks) > self._since

    @property
    def is_too_long_ago(self) -> bool:
        """Whether a mark that was left meanwhile may be gone again."""
        ran, shown = self._clock.now() - self._now, self._clock.wall() - self._wall
        return ran > MARKED - _SKEW or abs(shown - ran) > _SKEW

    def token(self) -> str:
        """What tells who began before something was forgotten from who began after it."""
        if self.marks is None:
            return ""
        return "".join("-" if one is None else one.body.hex() for one in self.marks.values())


async def begun(guard: Guard, clock: Clock, names: Sequence[str]) -> Began:
    """The moment at which an asking begins, which is now."""
    found = await guard.get_many(names)
    return Began(clock, None if found is None else dict(zip(names, found, strict=True)))


class Resources:
    """Resources of which everything is forgotten, whoever it belongs to.

    Args:
        names: their digests.
        tags: names of tags in the store; what has one is forgotten too.
        marks: names of marks to leave beside those of the resources.
    """

    __slots__ = ("_marks", "_names", "_tags")

    def __init__(self, names: Sequence[str], tags: Collection[str] = (), marks: Collection[str] = ()) -> None:
        self._names = names
        self._tags = {*map(tag_of, names), *tags}
        self._marks = {*map(mark_of, names), *marks}

    async def forget(
        self, guard: Guard, clock: Clock, expected: Mapping[str, Entry | None] = NO_ENTRIES
    ) -> tuple[int, Mapping[str, Entry | None]] | None:
        """Forget them.

        Args:
            guard: the store.
            clock: what tells the time.
            expected: marks that must still be there.

        Returns:
            How many answers there were, and the marks that are there now; None if other marks are there than were
            expected, and nothing was done.
        """
        wall = clock.wall()
        left = leaving(self._marks, wall)
        gone: dict[str, Entry | None] = {}
        lists = 0
        for name in self._names:
            key = key_of(name, "")
            primary = await guard.get(key)
            rows = None if primary is None else primary.meta.get("variants")
            if isinstance(rows, tuple):
                lists += 1
                names = [row[0] for row in rows if isinstance(row, tuple) and row]
                gone |= {f"{key}:{one}": None for one in names if isinstance(one, str)}
            gone[key] = None
        removed = await guard.forget({**left, **gone}, self._tags, expected)
        return None if removed is None else (max(0, removed - lists), left)
