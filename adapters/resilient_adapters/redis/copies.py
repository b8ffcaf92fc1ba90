"""Copies of a server's entries in this process's memory, and what must not become one."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import NamedTuple

from resilient.entry import Entry
from resilient.ports import Clock
from resilient.stores.keys import stored_key
from resilient.stores.memory import MemoryStore

_REMEMBERED = 10_000
"""Names of which it is known when they were lost last."""


class Mark(NamedTuple):
    """When a reading began.

    Attributes:
        number: of the last loss before it; below zero if nothing is heard of losses.
        at: the instant of the monotonic clock.
    """

    number: int
    at: float


class Copies(MemoryStore):
    """Copies in memory, bounded like any store there; both colours share them.

    A copy may be served while it is trusted that whatever changes at the server is heard of here. A reading that
    began before such a word came may bring what was there before it, and is not kept: who reads takes a mark first.

    Args:
        max_entries: how many it keeps at most.
        max_bytes: how much it keeps at most.
        longest: seconds after which a copy is dropped, however long its entry lives.
        clock: what tells the time.
        trusted_until: the instant of the monotonic clock after which nothing is served, until told otherwise.

    Attributes:
        longest: as given.
    """

    def __init__(
        self, max_entries: int, max_bytes: int, longest: float, clock: Clock, *, trusted_until: float = -math.inf
    ) -> None:
        super().__init__(max_entries, max_bytes, clock=clock)
        self.longest = longest
        self._trusted_until = trusted_until
        self._number = 0
        """Of the last loss."""
        self._emptied = 0
        """The number of the last loss of everything."""
        self._lost_keys, self._lost_tags = _Losses(), _Losses()
        self._known_secret: tuple[bytes, float] | None = None

    def get(self, key: str) -> Entry | None:
        return super().get(key) if self._now() < self._trusted_until else None

    @property
    def known_secret(self) -> bytes | None:
        """The secret beside the entries, if it was asked for a moment ago."""
        known, now = self._known_secret, self._now()
        return known[0] if known is not None and now < known[1] and now < self._trusted_until else None

    def trust(self, until: float) -> None:
        """Serve copies until that instant; those who read from now on may keep what they find."""
        self._trusted_until = until

    def mark(self) -> Mark:
        """What a reading takes before it begins, for :meth:`keep`."""
        now = self._now()
        return Mark(self._number if now < self._trusted_until else -1, now)

    def keep(self, key: str, entry: Entry, left: float, mark: Mark) -> None:
        """Keep a copy of what was read, unless it may have changed since the reading took its ``mark``.

        Args:
            key: the stored key.
            entry: what was found there.
            left: seconds for which the server will keep it, by its own word.
            mark: of the reading.
        """
        wall = self._wall()
        with self._lock:
            if mark.number < self._emptied or self._lost_keys.last(key) > mark.number:
                return
            # What is heard of is a tag's stored name, which is seldom another.
            if any(self._lost_tags.last(tag) > mark.number or stored_key(tag) != tag for tag in entry.tags):
                return
            # The server said what is left some time ago, but not before it was asked.
            self._put(key, entry, mark.at, wall, min(left, self.longest))

    def keep_secret(self, secret: bytes, mark: Mark) -> None:
        """Keep the secret, on the same terms."""
        with self._lock:
            if mark.number >= self._emptied:
                self._known_secret = secret, mark.at + self.longest

    def lose(self, keys: Collection[str], tags: Collection[str] = ()) -> None:
        """Drop copies by their stored keys and by tags, those under way too."""
        with self._lock:
            self._number += 1
            for key in keys:
                self._lost_keys.note(key, self._number)
                self._drop(key)
            for tag in tags:
                self._lost_tags.note(tag, self._number)
            for key in self._tagged.keys(tags):
                self._drop(key)

    @contextmanager
    def losing(self, keys: Collection[str], tags: Collection[str] = ()) -> Generator[None]:
        """Drop them around a change of one's own, after which nobody here may find what was there before it."""
        self.lose(keys, tags)
        try:
            yield
        finally:
            self.lose(keys, tags)

    def empty(self) -> int:
        """Drop everything, what is under way too; how many copies there were."""
        with self._lock:
            self._number += 1
            self._emptied = self._number
            self._known_secret = None
            count = len(self._entries)
        self.clear()
        return count

    def close(self) -> None:
        self.trust(-math.inf)
        self.empty()


class _Losses:
    """When names were lost last. Of those that it has forgotten it knows no more than when the latest of them was."""

    __slots__ = ("_floor", "_numbers")

    def __init__(self) -> None:
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._floor = 0

    def note(self, name: str, number: int) -> None:
        """``name`` was lost as the loss of that number, the highest so far."""
        self._numbers[name] = number
        self._numbers.move_to_end(name)
        if len(self._numbers) > _REMEMBERED:
            self._floor = self._numbers.popitem(last=False)[1]

    def last(self, name: str) -> int:
        """The number of its last loss; never less."""
        return self._numbers.get(name, self._floor)
