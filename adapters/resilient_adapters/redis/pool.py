"""Which connections there are, who has one, and who waits for one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from resilient.errors import StoreError, StoreUnavailableError
from resilient.locks import fork_safe_lock

C = TypeVar("C")

REST = 60.0
"""Seconds after which a connection that nobody needed is closed, beyond those that are always kept."""


class UnreachedError(StoreUnavailableError):
    """There is no connection, so nothing was sent."""


def closed() -> UnreachedError:
    """What is said to those who come too late."""
    return UnreachedError("the Redis store is closed")


class Waiter(Generic[C]):
    """Somebody who waits for a connection.

    Args:
        ring: tells them that they have one, or an error in its place; called once, under no lock.

    Attributes:
        connection: what they got.
        error: why they get none.
    """

    __slots__ = ("connection", "error", "ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        self.ring = ring
        self.connection: C | None = None
        self.error: StoreError | None = None


class Pool(Generic[C]):
    """The connections of all threads, which borrow them. It opens and closes nothing itself, and waits for nothing.

    Args:
        minsize: connections that are kept however long nobody needs them.
        maxsize: connections at most.
    """

    def __init__(self, minsize: int, maxsize: int) -> None:
        self._minsize, self._maxsize = minsize, maxsize
        self._lock = fork_safe_lock()
        self._idle: deque[tuple[C, float]] = deque()
        self._waiting: deque[Waiter[C]] = deque()
        self._count = 0
        """Connections that are open or being opened."""
        self._opening = 0
        self.is_closed = False
        """Whether connections are to be closed in place of being given back."""

    def take(self, waiter: Waiter[C]) -> tuple[C | None, bool]:
        """The idle connection that was used last; if there is none, ``waiter`` gets the next that is free.

        Returns:
            The connection, and whether one more is to be opened.

        Raises:
            StoreUnavailableError: the pool is closed.
        """
        with self._lock:
            if self.is_closed:
                raise closed()
            if self._idle:
                return self._idle.pop()[0], False
            self._waiting.append(waiter)
            return None, self._opens_one()

    def give(self, connection: C) -> list[C]:
        """Give back a connection that is as good as new, or add one that was opened; which ones to close now."""
        with self._lock:
            if self.is_closed:
                self._count -= 1
                return [connection]
            if not self._waiting:
                now = time.monotonic()
                self._idle.append((connection, now))
                return self._rested(now)
            waiter = self._waiting.popleft()
            waiter.connection = connection
        waiter.ring()
        return []

    def opened(self, connection: C) -> list[C]:
        """Add a connection that was opened; which ones to close now."""
        with self._lock:
            self._opening -= 1
        return self.give(connection)

    def failed(self, error: StoreError) -> bool:
        """One that was to be opened could not be; who has waited longest hears of it. Whether to try another one."""
        with self._lock:
            self._opening -= 1
            self._count -= 1
            waiter = self._waiting.popleft() if self._waiting else None
            again = self._opens_one()
        if waiter is not None:
            waiter.error = UnreachedError(str(error), kind=error.kind)
            waiter.ring()
        return again

    def drop(self) -> bool:
        """Forget a connection that was taken; whether one more is to be opened."""
        with self._lock:
            self._count -= 1
            return self._opens_one()

    def withdraw(self, waiter: Waiter[C]) -> C | None:
        """Wait no longer; the connection that has come all the same."""
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            return waiter.connection

    def close(self) -> list[C]:
        """Keep nothing from now on; which connections to close. Those in use follow when they are given back."""
        with self._lock:
            self.is_closed = True
            idle = [connection for connection, _ in self._idle]
            self._idle.clear()
            self._count -= len(idle)
            waiting = list(self._waiting)
            self._waiting.clear()
        for waiter in waiting:
            waiter.error = closed()
            waiter.ring()
        return idle

    def _opens_one(self) -> bool:
        if self._count >= self._maxsize or self._opening >= len(self._waiting):
            return False
        self._count += 1
        self._opening += 1
        return True

    def _rested(self, now: float) -> list[C]:
        rested: list[C] = []
        while len(self._idle) > self._minsize and now - self._idle[0][1] > REST:
            rested.append(self._idle.popleft()[0])
            self._count -= 1
        return rested
