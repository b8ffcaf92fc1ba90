"""The latest events of a process, and who reads along."""

from __future__ import annotations

from collections import deque
from queue import Full, Queue

from resilient.live.record import Record
from resilient.locks import fork_safe_lock

SIZE = 2048
"""Events that are remembered."""
BEHIND = 4096
"""Events that a reader may be behind; what comes then, it misses."""


class Reader:
    """Somebody who reads along.

    Attributes:
        queue: what he has not read yet; None is the end.
        missed: how many events he was too slow for.
    """

    __slots__ = ("missed", "queue")

    def __init__(self) -> None:
        self.queue: Queue[Record | None] = Queue(BEHIND)
        self.missed = 0

    def offer(self, record: Record | None) -> None:
        """One event more, unless he is too far behind."""
        try:
            self.queue.put_nowait(record)
        except Full:
            self.missed += 1


class Ring:
    """The latest events of a process."""

    __slots__ = ("_latest", "_lock", "_readers")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._latest: deque[Record] = deque(maxlen=SIZE)
        self._readers: list[Reader] = []

    def add(self, record: Record) -> None:
        """One event more; the oldest is forgotten for it."""
        with self._lock:
            self._latest.append(record)
            for reader in self._readers:
                reader.offer(record)

    def latest(self) -> list[Record]:
        """Those that are remembered, the oldest first."""
        with self._lock:
            return list(self._latest)

    def join(self) -> tuple[list[Record], Reader]:
        """Read along from now on: what is remembered, and where the rest comes."""
        reader = Reader()
        with self._lock:
            self._readers.append(reader)
            return list(self._latest), reader

    def leave(self, reader: Reader) -> None:
        """Read no longer."""
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)

    def end(self) -> None:
        """Tell all readers that nothing more will come."""
        with self._lock:
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.offer(None)
