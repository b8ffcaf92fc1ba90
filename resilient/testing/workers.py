"""A model of an origin that serves only so many requests at once."""

from __future__ import annotations

import heapq
import threading


class Workers:
    """``capacity`` requests are served at once, the others queue in the order of their coming.

    Who hung up is served all the same, as by a real origin that finds out only when it writes its answer;
    that is how an overloaded origin comes to do nothing useful any more.
    """

    def __init__(self, capacity: int) -> None:
        self._free_at = [0.0] * capacity
        self._lock = threading.Lock()

    def serve(self, now: float, seconds: float) -> float:
        """Seconds until a request that comes ``now`` and takes ``seconds`` of work is done."""
        with self._lock:
            start = max(now, self._free_at[0])
            heapq.heapreplace(self._free_at, start + seconds)
        return start + seconds - now

    def resize(self, capacity: int, now: float) -> None:
        """Have ``capacity`` workers from ``now`` on; those that go are the first to be free."""
        with self._lock:
            while len(self._free_at) > capacity:
                heapq.heappop(self._free_at)
            while len(self._free_at) < capacity:
                heapq.heappush(self._free_at, now)
