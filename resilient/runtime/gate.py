"""A waiting room: at most so many inside, the others in order of arrival."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from resilient.locks import fork_safe_lock
from resilient.ports import Signal


class Bells(Protocol):
    """What a gate needs of a runtime."""

    def signal(self) -> Signal:
        """A bell that the caller waits for."""
        ...


class Gate:
    """``permits`` may be inside at once; who waits is served first come, first served.

    Every waiting room follows the pattern of :meth:`enter`: the lock is never held across an ``await``, and
    who gives up in the very moment of being served passes the permit on.
    """

    __slots__ = ("_free", "_lock", "_queue")

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._lock = fork_safe_lock()
        self._queue: deque[Signal] = deque()

    @property
    def free(self) -> int:
        """Permits that nobody holds."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._queue)

    async def enter(self, runtime: Bells, timeout: float | None = None) -> bool:
        """Take a permit, waiting at most ``timeout`` seconds; whether it was got."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            bell = runtime.signal()
            self._queue.append(bell)
        served = False
        try:
            served = await bell.wait(timeout)
        finally:
            if not served and not self._withdraw(bell):
                self.leave()
        return served

    def leave(self) -> None:
        """Give a permit back, to whoever has waited longest."""
        with self._lock:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._free += 1

    def _withdraw(self, bell: Signal) -> bool:
        """Stop waiting; False if ``bell`` was served already."""
        with self._lock:
            try:
                self._queue.remove(bell)
            except ValueError:
                return False
            return True
