"""A store in this process's memory, bounded by entries and by bytes."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from resilient.entry import Entry
from resilient.errors import ConfigurationError
from resilient.events import StoreEvicted
from resilient.locks import fork_safe_lock
from resilient.ports import Clock, StorePair
from resilient.runtime.clock import SystemClock
from resilient.runtime.lift import Lifted
from resilient.stores.keys import stored_key
from resilient.stores.parameters import Record, bytes_of, count_of

MAX_ENTRIES = 100_000
MAX_BYTES = 64 * 2**20
_ENDS_SLACK = 1_000
"""How many outdated ends the heap may hold beside one for each entry before it is made anew."""


class MemoryStore:
    """Entries in memory; the least recently used ones go when there is no room, expired ones before them.

    It encodes nothing: what :meth:`get` gives back is the very entry that was set, so nobody may change its
    metadata. A life is measured on the monotonic clock too, so that a wall clock that jumps back lengthens
    none.

    Args:
        max_entries: how many it keeps at most.
        max_bytes: how much it keeps at most, as :meth:`resilient.entry.Entry.size` counts; an entry larger
            than this is not kept at all.
        clock: what tells the time, the machine's if not given.
        record: hears of evictions.

    Attributes:
        name: ``mem``, in events and metrics.
        evicted: how many entries that had not expired were dropped to make room.
        refused: how many entries were too large to be kept.
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
        self._entries: OrderedDict[str, tuple[Entry, float, int]] = OrderedDict()
        """By key, the least recently used first: the entry, the monotonic instant of its end, its bytes."""
        self._ends: list[tuple[float, str]] = []
        """A heap of the ends, some of them outdated: of entries overwritten or dropped since."""
        self._bytes = 0
        self.evicted = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._entries)

    def used_bytes(self) -> int:
        """How much it keeps now, as :meth:`resilient.entry.Entry.size` counts."""
        return self._bytes

    def secret(self) -> bytes:
        return self._secret

    def get(self, key: str) -> Entry | None:
        key = stored_key(key)
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            entry, ends, _ = found
            if self._now() < ends and entry.is_alive(self._wall()):
                self._entries.move_to_end(key)
                return entry
            self._drop(key)
        return None

    def set(self, key: str, entry: Entry) -> None:
        key, size, now = stored_key(key), entry.size(), self._now()
        ends = now + max(0.0, entry.expires_at - self._wall())
        with self._lock:
            self._drop(key)
            if size > self._max_bytes:
                self.refused += 1
                return
            self._sweep(now, size)
            evicted = self._evict(size)
            self._entries[key] = (entry, ends, size)
            self._bytes += size
            self._note_end(ends, key)
            self.evicted += evicted
        if evicted and self._record is not None:
            self._record(StoreEvicted(store=self.name, entries=evicted))

    def delete(self, key: str) -> bool:
        key = stored_key(key)
        with self._lock:
            found = self._drop(key)
        return found is not None and self._now() < found[1] and found[0].is_alive(self._wall())

    def scan(self, prefix: str = "") -> Iterator[str]:
        now, wall = self._now(), self._wall()
        with self._lock:
            held = list(self._entries.items())
        for key, (entry, ends, _) in held:
            if key.startswith(prefix) and now < ends and entry.is_alive(wall):
                yield key

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._ends.clear()
            self._bytes = 0

    def close(self) -> None:
        self.clear()

    def _drop(self, key: str) -> tuple[Entry, float, int] | None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._bytes -= found[2]
        return found

    def _has_room(self, size: int) -> bool:
        return len(self._entries) < self._max_entries and self._bytes + size <= self._max_bytes

    def _sweep(self, now: float, size: int) -> None:
        """Drop expired entries: two of them with every write, and as many as make room for ``size`` bytes."""
        spare = 2
        while self._ends and self._ends[0][0] <= now and (spare or not self._has_room(size)):
            ends, key = heappop(self._ends)
            spare = max(0, spare - 1)
            found = self._entries.get(key)
            if found is not None and found[1] == ends:
                self._drop(key)

    def _evict(self, size: int) -> int:
        evicted = 0
        while not self._has_room(size):
            _, (_, _, freed) = self._entries.popitem(last=False)
            self._bytes -= freed
            evicted += 1
        return evicted

    def _note_end(self, ends: float, key: str) -> None:
        heappush(self._ends, (ends, key))
        # Made anew only after it has doubled, so the cost is spread over as many writes as there are entries.
        if len(self._ends) > 2 * len(self._entries) + _ENDS_SLACK:
            self._ends = [(end, held) for held, (_, end, _) in self._entries.items()]
            heapify(self._ends)


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
        record: hears of evictions.
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
