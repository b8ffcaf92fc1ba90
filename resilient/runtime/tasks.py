"""The asynchronous colour, on asyncio."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, TypeVar

from resilient.errors import ConfigurationError
from resilient.messages import Body
from resilient.ports import Clock, Job
from resilient.runtime.background import DRAIN, Background, detached
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
            "an async client or cache works on asyncio only, and none of its event loops runs here"
        ) from None


class TaskSignal:
    """A bell for a task of the running loop."""

    __slots__ = ("_loop", "_rung", "_waiter")

    def __init__(self) -> None:
        self._loop = running_loop()
        self._rung = False
        self._waiter: asyncio.Future[bool] | None = None

    def set(self) -> None:
        """Ring it; from any thread."""
        self._rung = True
        if asyncio._get_running_loop() is self._loop:
            self._wake(True)
        else:
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake, True)

    def _wake(self, rung: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(rung)

    async def wait(self, timeout: float | None = None) -> bool:
        """Suspend until the ring, at most ``timeout`` seconds; whether it rang."""
        if self._rung:
            return True
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        if timeout is None or timeout == math.inf:
            return await waiter
        # Nothing is cancelled when the time is up, which costs a third of asyncio.timeout.
        timer = self._loop.call_later(timeout, self._wake, False)
        try:
            return await waiter
        finally:
            timer.cancel()


class TaskRuntime:
    """Waits by suspending the caller's task.

    Args:
        clock: what tells the time, the machine's if not given.

    Attributes:
        background: the work that nobody waits for.
    """

    __slots__ = ("_flights", "_tasks", "_upkeep", "background", "clock")

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.background = Background()
        self._upkeep = Background(math.inf)
        self._flights = Flights()
        self._tasks: set[asyncio.Task[None]] = set()

    def home(self) -> asyncio.AbstractEventLoop:
        """The event loop that runs here."""
        return running_loop()

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
        task = asyncio.current_task(running_loop())
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

    def spawn(self, key: str, job: Job[object]) -> bool:
        """Run ``job`` in a task of its own, where nobody waits for it; False if it was not started."""
        return self._begin(self.background, key, job)

    def repeat(self, seconds: float, job: Job[float | None]) -> Callable[[], None]:
        """Run ``job`` in a task of its own after ``seconds``, in this loop, and again; returns what calls it off."""
        return _Repeated(partial(self._begin, self._upkeep), job, seconds).stop

    def _begin(self, background: Background, key: str, job: Job[object]) -> bool:
        work = background.begin(key, self.home())
        if work is None:
            return False
        task = asyncio.get_running_loop().create_task(background.perform(work, job), context=detached())
        work.stop = self._own(task, partial(background.end, work, "dropped"))
        return True

    async def settle(self, drain: float = DRAIN) -> None:
        """Wait for the background work of all loops; cancel what takes longer than ``drain`` seconds."""
        await self.background.settle(self, drain)

    async def share(self, key: str, job: Job[T], timeout: float | None = None) -> tuple[T, bool]:
        """Run ``job`` once for all who ask for ``key``, in a task that no asker's cancellation stops."""
        return await self._flights.share(self, key, job, timeout)

    async def lead(self, work: Job[None], over: Callable[[], None]) -> Callable[[], None]:
        """Do ``work`` in a task of its own and call ``over`` after its end; what is returned cancels it."""
        return self._own(_begun(work()), over)

    def _own(self, task: asyncio.Task[None], over: Callable[[], None]) -> Callable[[], None]:
        """Hold on to ``task`` until its end, and call ``over`` then; returns what cancels it."""
        if not task.done():
            self._tasks.add(task)
            # A task that is cancelled before its first step never runs any of its code, but this is called.
            task.add_done_callback(partial(self._ended, over))
        return partial(self._stop, task)

    def _ended(self, over: Callable[[], None], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        over()

    def _stop(self, task: asyncio.Task[None]) -> None:
        try:
            task.get_loop().call_soon_threadsafe(task.cancel)
        except RuntimeError:
            # Its loop is closed, and it will never be done.
            self._tasks.discard(task)


if sys.version_info >= (3, 12):

    def _begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that does ``work`` and has begun it; what never waits is done at once, for a third of the price."""
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)

else:

    def _begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that does ``work``."""
        return asyncio.get_running_loop().create_task(work)


class _Repeated:
    """A job that is begun again and again, in one event loop."""

    __slots__ = ("_begin", "_is_over", "_job", "_loop", "_timer")

    def __init__(self, begin: Callable[[str, Job[None]], bool], job: Job[float | None], seconds: float) -> None:
        self._begin = begin
        self._job = job
        self._is_over = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._do)

    def stop(self) -> None:
        self._is_over = True
        self._timer.cancel()

    def _do(self) -> None:
        self._begin(f"repeated {id(self)}", self._perform)

    async def _perform(self) -> None:
        seconds = await self._job()
        if seconds is not None and not self._is_over:
            self._timer = self._loop.call_later(seconds, self._do)


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
