"""A store in this process's memory, bounded by entries and by bytes."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from resilient.entry import MAX_CLOCK_SKEW, Entry
from resilient.errors import ConfigurationError, TransactionError
from resilient.events import StoreEvicted, StoreMeasured
from resilient.locks import fork_safe_lock
from resilient.ports import NO_ENTRIES, Clock, StorePair, Usage
from resilient.runtime.clock import SystemClock
from resilient.runtime.lift import Lifted
from resilient.stores.counters import incremented
from resilient.stores.keys import stored_key
from resilient.stores.leases import Leases
from resilient.stores.parameters import Record, bytes_of, count_of
from resilient.stores.tagged import Tagged, tagging_bytes

MAX_ENTRIES = 100_000
MAX_BYTES = 64 * 2**20
_ENDS_SLACK = 1_000
"""How many outdated ends the heap may hold beside one for each entry before it is made anew."""


_Held: TypeAlias = tuple[Entry, float, int]
"""An entry, the monotonic instant of its end, and the bytes that it takes."""


def _is_alive(held: _Held, now: float, wall: float) -> bool:
    return now < held[1] and held[0].is_alive(wall)


class MemoryStore:
    """Entries in memory; the least recently used ones go when there is no room, expired ones before them.

    It encodes nothing: what :meth:`get` gives back is the very entry that was set, so nobody may change its
    metadata. A life is measured on the monotonic clock too, so that a wall clock that jumps back lengthens
    none.

    Args:
        max_entries: how many it keeps at most.
        max_bytes: how much it keeps at most, as :meth:`resilient.entry.Entry.size` counts and the tags beside
            it; an entry larger than this is not kept at all.
        clock: what tells the time, the machine's if not given.
        record: hears of evictions, and of how much there is.

    Attributes:
        name: ``mem``, in events and metrics.
    """

    name = "mem"

    def __init__(
        self,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        *,
        clock: Clock | None = None,
        record: Record | None = None,
    ) -> None:
        self._max_entries = count_of(max_entries, option="max_entries")
        self._max_bytes = bytes_of(max_bytes, option="max_bytes")
        clock = clock or SystemClock()
        self._now, self._wall = clock.now, clock.wall
        self._record = record
        self._secret = os.urandom(32)
        self._lock = fork_safe_lock()
        self._entries: OrderedDict[str, _Held] = OrderedDict()
        """By stored key, the least recently used first."""
        self._tagged = Tagged()
        self._leases = Leases()
        self._ends: list[tuple[float, str]] = []
        """A heap of the ends, some of them outdated: of entries overwritten or dropped since."""
        self._bytes = self._evicted = self._refused = 0
        self._told = (0, 0)
        """Entries and bytes, as those who listen were told last."""

    def secret(self) -> bytes:
        return self._secret

    def get(self, key: str) -> Entry | None:
        # Every hit of a decorated function comes through here, so it asks for no more than it needs.
        with self._lock:
            held = self._entries.get(key)
            if held is None:
                # A key that is found is its own name; only one that is not may be kept by another.
                key = stored_key(key)
                held = self._entries.get(key)
                if held is None:
                    return None
            entry, ends, _ = held
            wall = self._wall()
            # The same as Entry.is_alive says.
            if self._now() < ends and wall < entry.expires_at and entry.stored_at - wall <= MAX_CLOCK_SKEW:
                self._entries.move_to_end(key)
                return entry
            self._drop(key)
        return None

    def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        # Most of those who ask for many look for what is seldom there; that needs no lock.
        held = self._entries
        return [self.get(key) if key in held or stored_key(key) in held else None for key in keys]

    def set(self, key: str, entry: Entry) -> bool:
        key, now, wall = stored_key(key), self._now(), self._wall()
        with self._lock:
            if entry.fence and self._is_overtaken(key, entry.fence, now, wall):
                return False
            evicted = self._put(key, entry, now, wall)
            kept = key in self._entries
        self._tell(evicted)
        return kept

    def delete(self, *keys: str) -> int:
        with self._lock:
            removed = self._remove(map(stored_key, keys), self._now(), self._wall())
        self._tell(0)
        return removed

    def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        evicted, now, wall = 0, self._now(), self._wall()
        with self._lock:
            for key, entry in expected.items():
                if self._living(stored_key(key), now, wall) != entry:
                    raise TransactionError(f"{key!r} has changed since it was read; nothing was changed")
            new = {stored_key(key): entry for key, entry in changes.items()}
            for key, entry in new.items():
                if entry is not None and entry.fence and self._is_overtaken(key, entry.fence, now, wall):
                    raise TransactionError(f"somebody else has taken over {key!r}; nothing was changed")
            removed = self._remove(self._tagged.keys(tags), now, wall)
            removed += self._remove([key for key, entry in new.items() if entry is None], now, wall)
            for key, entry in new.items():
                if entry is not None:
                    evicted += self._put(key, entry, now, wall)
        self._tell(evicted)
        return removed

    def incr(self, key: str, by: int, expires_at: float) -> int:
        key, now, wall = stored_key(key), self._now(), self._wall()
        with self._lock:
            counter = incremented(self._living(key, now, wall), by, wall, expires_at)
            evicted = self._put(key, counter, now, wall)
        self._tell(evicted)
        return int(counter.body)

    def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        with self._lock:
            return self._leases.acquire(stored_key(name), owner, ttl, self._now())

    def renew(self, name: str, owner: str, ttl: float) -> bool:
        with self._lock:
            return self._leases.renew(stored_key(name), owner, ttl, self._now())

    def release(self, name: str, owner: str) -> bool:
        with self._lock:
            return self._leases.release(stored_key(name), owner, self._now())

    def scan(self, prefix: str = "") -> Iterator[str]:
        now, wall = self._now(), self._wall()
        with self._lock:
            kept = list(self._entries.items())
        for key, held in kept:
            if key.startswith(prefix) and _is_alive(held, now, wall):
                yield key

    def usage(self) -> Usage:
        with self._lock:
            return Usage(entries=len(self._entries), size=self._bytes, evicted=self._evicted, refused=self._refused)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._tagged.clear()
            self._ends.clear()
            self._bytes = 0
        self._tell(0)

    def close(self) -> None:
        self.clear()

    def _living(self, key: str, now: float, wall: float) -> Entry | None:
        held = self._entries.get(key)
        return held[0] if held is not None and _is_alive(held, now, wall) else None

    def _is_overtaken(self, key: str, fence: int, now: float, wall: float) -> bool:
        """Whether somebody with a higher fence than ``fence`` has taken over the key."""
        there = self._living(key, now, wall)
        return fence < max(self._leases.fence(key, now), there.fence if there is not None else 0)

    def _put(self, key: str, entry: Entry, now: float, wall: float, longest: float = math.inf) -> int:
        """Keep an entry in place of what was there, not above ``longest`` seconds; how many others made room for it."""
        self._drop(key)
        size = entry.size()
        if entry.tags:
            size += tagging_bytes(entry.tags)
        if size > self._max_bytes:
            self._refused += 1
            return 0
        self._sweep(now, size)
        evicted = self._evict(size)
        ends = now + min(longest, max(0.0, entry.expires_at - wall))
        self._entries[key] = (entry, ends, size)
        self._bytes += size
        if entry.tags:
            self._tagged.add(key, entry.tags)
        self._note_end(ends, key)
        return evicted

    def _remove(self, keys: Iterable[str], now: float, wall: float) -> int:
        """Drop entries; how many of them had not expired."""
        return sum(held is not None and _is_alive(held, now, wall) for held in map(self._drop, keys))

    def _drop(self, key: str) -> _Held | None:
        held = self._entries.pop(key, None)
        if held is not None:
            self._let_go(key, held)
        return held

    def _let_go(self, key: str, held: _Held) -> None:
        entry, _, size = held
        self._bytes -= size
        if entry.tags:
            self._tagged.discard(key, entry.tags)

    def _has_room(self, size: int) -> bool:
        return len(self._entries) < self._max_entries and self._bytes + size <= self._max_bytes

    def _sweep(self, now: float, size: int) -> None:
        """Drop expired entries: two of them with every write, and as many as make room for ``size`` bytes."""
        spare = 2
        while self._ends and self._ends[0][0] <= now and (spare or not self._has_room(size)):
            ends, key = heappop(self._ends)
            spare = max(0, spare - 1)
            held = self._entries.get(key)
            if held is not None and held[1] == ends:
                self._drop(key)

    def _evict(self, size: int) -> int:
        evicted = 0
        while not self._has_room(size):
            self._let_go(*self._entries.popitem(last=False))
            evicted += 1
        self._evicted += evicted
        return evicted

    def _note_end(self, ends: float, key: str) -> None:
        heappush(self._ends, (ends, key))
        # Made anew only after it has doubled, so the cost is spread over as many writes as there are entries.
        if len(self._ends) > 2 * len(self._entries) + _ENDS_SLACK:
            self._ends = [(held[1], key) for key, held in self._entries.items()]
            heapify(self._ends)

    def _tell(self, evicted: int) -> None:
        """Tell of what was dropped, and of how much there is, once that has changed by more than a tenth."""
        if self._record is None:
            return
        if evicted:
            self._record(StoreEvicted(store=self.name, entries=evicted))
        now, before = (len(self._entries), self._bytes), self._told
        if abs(now[0] - before[0]) * 10 > before[0] or abs(now[1] - before[1]) * 10 > before[1]:
            self._told = now
            self._record(StoreMeasured(store=self.name, entries=now[0], size=now[1]))


def open_memory(
    url: str = "mem://",
    *,
    clock: Clock,
    record: Record | None = None,
    size: object = MAX_ENTRIES,
    max_bytes: object = MAX_BYTES,
) -> StorePair:
    """A store of its own in memory, for ``mem://``.

    Args:
        url: ``mem://`` and no more.
        clock: what tells the time.
        record: hears of evictions, and of how much there is.
        size: how many entries it keeps at most.
        max_bytes: how much it keeps at most: bytes, or text such as ``"64MiB"``.

    Raises:
        ConfigurationError: the URL names a place, or an option is wrong.
    """
    if url.rstrip("/") != "mem:":
        raise ConfigurationError("a mem:// URL names no place; give 'mem://', or disk:///path for what has to last")
    store = MemoryStore(
        count_of(size, option="size"), bytes_of(max_bytes, option="max_bytes"), clock=clock, record=record
    )
    return StorePair(blocking=store, tasks=Lifted(store))
