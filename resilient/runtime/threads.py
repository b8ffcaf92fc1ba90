"""The blocking colour: every coroutine here runs to its end without suspending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from resilient.messages import Body
from resilient.ports import Clock, Job
from resilient.runtime.clock import SystemClock
from resilient.runtime.flight import Flights

T = TypeVar("T")


class ThreadSignal:
    """A bell for a thread."""

    __slots__ = ("_clock", "_event")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = threading.Event()

    def set(self) -> None:
        """Ring it; from any thread."""
        self._event.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """Block until the ring, at most ``timeout`` seconds; whether it rang."""
        return self._clock.wait(self._event, timeout)


class ThreadRuntime:
    """Waits by blocking the caller's thread.

    Args:
        clock: what tells the time, the machine's if not given.
    """

    __slots__ = ("_flights", "clock")

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self._flights = Flights()

    def signal(self) -> ThreadSignal:
        """A bell that the caller waits for."""
        return ThreadSignal(self.clock)

    async def sleep(self, seconds: float) -> None:
        """Block for ``seconds``."""
        self.clock.sleep(seconds)

    async def within(self, seconds: float, job: Job[T]) -> T:
        """Run ``job``; no thread is stopped from outside, so what it waits for must know the time left."""
        return await job()

    async def read(self, body: Body, ends: float) -> bytes:
        """Read all of ``body`` and close it, looking at the time between its pieces."""
        chunks: list[bytes] = []
        for chunk in body:
            chunks.append(chunk)
            if self.clock.now() > ends:
                raise TimeoutError
        body.close()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def drain(self, body: Body, most: int, ends: float) -> None:
        """Read a little of ``body`` and close it, looking at the time between its pieces."""
        try:
            for chunk in body:
                most -= len(chunk)
                if most <= 0 or self.clock.now() >= ends:
                    break
        finally:
            body.close()

    async def close(self, body: Body) -> None:
        """Close ``body``, read or not."""
        body.close()

    def choose(self, blocking: T, tasks: T) -> T:
        """The blocking one."""
        return blocking

    async def share(self, key: str, job: Job[T], timeout: float | None = None) -> tuple[T, bool]:
        """Run ``job`` once for all who ask for ``key``; the first asker's thread runs it."""
        return await self._flights.share(self, key, job, timeout)

    async def lead(self, work: Job[None], over: Callable[[], None]) -> Callable[[], None]:
        """Do ``work`` here and now and call ``over``; there is nothing left to stop."""
        try:
            await work()
        finally:
            over()
        return _nothing


def _nothing() -> None:
    pass
