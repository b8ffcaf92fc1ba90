"""What a store keeps under a key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

Plain: TypeAlias = bool | int | float | str | bytes | tuple["Plain", ...] | Mapping[str, "Plain"] | None
"""A value that every store can write and read back unchanged."""

NOTHING: Mapping[str, Plain] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A value with the times that belong to it; instants are seconds since the epoch.

    Attributes:
        body: the value, encoded.
        meta: what a reader must know to decode it.
        stored_at: when it was written.
        fresh_until: until then it is as good as new.
        expires_at: after that a store must not give it back.
        tags: names of the groups that it belongs to.
        fence: the fence of the lease under which it was made, 0 without one; a store drops what has a lower fence
            than what it gave out or keeps for that key.
        decoded: what a reader made of it, ready for the next one; no part of the value, and never written. If it
            has a ``size``, it takes so many bytes beside the body.
    """

    body: bytes
    meta: Mapping[str, Plain] = field(default_factory=lambda: NOTHING)
    stored_at: float
    fresh_until: float
    expires_at: float
    tags: tuple[str, ...] = ()
    fence: int = 0
    decoded: object = field(default=None, init=False, repr=False, compare=False)

    def age(self, wall: float) -> float:
        """Seconds since it was written; an entry from the future has age 0."""
        return max(0.0, wall - self.stored_at)

    def is_alive(self, wall: float) -> bool:
        """Whether it may still be given back.

        A wall clock that jumped back must not lengthen a life, so an entry from the future lives at most as
        long as it was meant to from now on, and a minute at most before its time.
        """
        return wall < self.expires_at and self.stored_at - wall <= MAX_CLOCK_SKEW

    def is_fresh(self, wall: float) -> bool:
        """Whether it is as good as new."""
        return wall < self.fresh_until and self.is_alive(wall)

    def with_life(self, fresh_until: float, expires_at: float, tags: tuple[str, ...] | None = None) -> Entry:
        """The same value with other ends, and other tags if they are given."""
        return replace(
            self, fresh_until=fresh_until, expires_at=expires_at, tags=self.tags if tags is None else tags
        ).ready(self.decoded)

    def with_body(self, body: bytes, meta: Mapping[str, Plain]) -> Entry:
        """Another value with the same times, tags and fence."""
        # What dataclasses.replace does, in half the time: every value that is kept comes through here.
        return Entry(
            body=body,
            meta=meta,
            stored_at=self.stored_at,
            fresh_until=self.fresh_until,
            expires_at=self.expires_at,
            tags=self.tags,
            fence=self.fence,
        )

    def without_fence(self) -> Entry:
        """The same value, made under no lease."""
        return replace(self, fence=0).ready(self.decoded) if self.fence else self

    def ready(self, decoded: object) -> Entry:
        """This entry, with what a reader would make of it."""
        object.__setattr__(self, "decoded", decoded)
        return self

    def size(self) -> int:
        """Bytes that it takes, about: the body and what is ready beside it, the metadata as text, the object itself."""
        ready: int = getattr(self.decoded, "size", 0)
        return len(self.body) + ready + sum(len(str(item)) for item in self.meta.items()) + ENTRY_OVERHEAD


FOREVER = math.inf
"""The end of an entry that has none."""

MAX_CLOCK_SKEW = 60.0
"""Seconds; an entry written further in the future than this is not believed."""

ENTRY_OVERHEAD = 512
"""Bytes of bookkeeping that an entry in memory costs beside its body."""


COUNTER: Mapping[str, Plain] = MappingProxyType({"kind": "int"})
"""The metadata of an entry whose body is a whole number in decimal ASCII, to which a store can add."""


def counted(entry: Entry) -> int | None:
    """The number that a counter holds, None if the entry is no counter."""
    if entry.meta != COUNTER or not _NUMBER.fullmatch(entry.body):
        return None
    return int(entry.body)


_NUMBER = re.compile(rb"-?[0-9]{1,19}")
