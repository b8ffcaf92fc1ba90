"""The asynchronous colour, on asyncio."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, TypeVar

from resilient.errors import ConfigurationError
from resilient.messages import Body
from resilient.ports import Clock, Job
from resilient.runtime.clock import SystemClock
from resilient.runtime.flight import Flights

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop that runs here.

    Raises:
        ConfigurationError: none of asyncio's does.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "an async client works on asyncio only, and none of its event loops runs here"
        ) from None


class TaskSignal:
    """A bell for a task of the running loop."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[bool] = self._loop.create_future()

    def set(self) -> None:
        """Ring it; from any thread."""
        if asyncio._get_running_loop() is self._loop:
            self._ring()
        else:
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        if not self._future.done():
            self._future.set_result(True)

    async def wait(self, timeout: float | None = None) -> bool:
        """Suspend until the ring, at most ``timeout`` seconds; whether it rang."""
        if timeout is None:
            return await self._future
        try:
            async with asyncio.timeout(timeout):
                return await self._future
        except TimeoutError:
            return False


class TaskRuntime:
    """Waits by suspending the caller's task.

    Args:
        clock: what tells the time, the machine's if not given.
    """

    __slots__ = ("_flights", "_tasks", "clock")

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self._flights = Flights()
        self._tasks: set[asyncio.Task[None]] = set()

    def signal(self) -> TaskSignal:
        """A bell that the caller waits for."""
        return TaskSignal()

    async def sleep(self, seconds: float) -> None:
        """Suspend for ``seconds``."""
        await self.clock.asleep(seconds)

    async def within(self, seconds: float, job: Job[T]) -> T:
        """Run ``job``; after ``seconds`` cancel it.

        Raises:
            TimeoutError: the time ran out first.
        """
        if seconds == math.inf:
            return await job()
        # What asyncio.timeout does, without its object and its two coroutines: every call passes here.
        task = asyncio.current_task()
        assert task is not None
        alarm = _Alarm(task)
        timer = task.get_loop().call_later(seconds, alarm.ring)
        try:
            return await job()
        except asyncio.CancelledError:
            if alarm.is_mine():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            alarm.settle()

    async def read(self, body: Body, ends: float) -> bytes:
        """Read all of ``body`` and close it."""
        chunks = [chunk async for chunk in body]
        await body.aclose()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def drain(self, body: Body, most: int, ends: float) -> None:
        """Read a little of ``body`` and close it."""
        try:
            with suppress(TimeoutError):
                await self.within(ends - self.clock.now(), partial(_skip, body, most))
        finally:
            await body.aclose()

    async def close(self, body: Body) -> None:
        """Close ``body``, read or not."""
        await body.aclose()

    def choose(self, blocking: T, tasks: T) -> T:
        """The one for tasks."""
        return tasks

    async def share(self, key: str, job: Job[T], timeout: float | None = None) -> tuple[T, bool]:
        """Run ``job`` once for all who ask for ``key``, in a task that no asker's cancellation stops."""
        return await self._flights.share(self, key, job, timeout)

    async def lead(self, work: Job[None], over: Callable[[], None]) -> Callable[[], None]:
        """Do ``work`` in a task of its own and call ``over`` after its end; what is returned cancels it."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step never runs any of its code.
        task.add_done_callback(lambda _: over())

        def stop() -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)

        return stop


async def _skip(body: Body, most: int) -> None:
    chunks: Any = aiter(body)  # a generator, which wants to be closed where it is left
    async with aclosing(chunks):
        async for chunk in chunks:
            most -= len(chunk)
            if most <= 0:
                return


class _Alarm:
    """Cancels a task when its time is up, and tells that cancellation from everybody else's."""

    __slots__ = ("_before", "_rung", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._before = task.cancelling()
        self._rung = False

    def ring(self) -> None:
        """The time is up."""
        self._rung = True
        self._task.cancel()

    def is_mine(self) -> bool:
        """Whether a cancellation that arrived is the alarm's, and nobody else's besides."""
        return self._settled() and self._task.cancelling() <= self._before

    def settle(self) -> None:
        """Take back a cancellation that the task did not need to see."""
        self._settled()

    def _settled(self) -> bool:
        rung, self._rung = self._rung, False
        if rung:
            self._task.uncancel()
        return rung
