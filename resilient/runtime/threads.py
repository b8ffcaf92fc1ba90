"""The blocking colour: every coroutine here runs to its end without suspending."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from resilient.messages import Body
from resilient.ports import Clock, Job
from resilient.runtime.alarms import Alarm, Alarms
from resilient.runtime.background import DRAIN, Background, BackgroundThread, detached
from resilient.runtime.clock import SystemClock
from resilient.runtime.drive import drive
from resilient.runtime.flight import Flights
from resilient.runtime.patience import be_patient, patience_over

T = TypeVar("T")

_numbers = itertools.count(1)


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

    Attributes:
        background: the work that nobody waits for.
    """

    __slots__ = ("_alarms", "_flights", "_upkeep", "background", "clock")

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.background = Background()
        self._upkeep = Background(math.inf)
        self._alarms = Alarms(self.clock)
        self._flights = Flights()

    def home(self) -> None:
        """A thread needs no event loop."""

    def signal(self) -> ThreadSignal:
        """A bell that the caller waits for."""
        return ThreadSignal(self.clock)

    async def sleep(self, seconds: float) -> None:
        """Block for ``seconds``."""
        self.clock.sleep(seconds)

    async def within(self, seconds: float, job: Job[T]) -> T:
        """Run ``job``; no thread is stopped from outside, so what it waits for is told the time left."""
        token = be_patient(self.clock, seconds)
        try:
            return await job()
        finally:
            patience_over(token)

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

    def spawn(self, key: str, job: Job[object]) -> bool:
        """Run ``job`` on a thread of its own, where nobody waits for it; False if it was not started."""
        return self._begin(self.background, key, job)

    def repeat(self, seconds: float, job: Job[float | None]) -> Callable[[], None]:
        """Run ``job`` on a thread of its own after ``seconds``, and again; returns what calls it off."""

        async def perform() -> None:
            again = await job()
            if again is not None:
                self._alarms.set(alarm, again)

        # A clock that jumps may have it begun anew while it is on its way out: one key would not do.
        alarm = Alarm(lambda: self._begin(self._upkeep, f"repeated {next(_numbers)}", perform))
        self._alarms.set(alarm, seconds)
        return partial(self._alarms.call_off, alarm)

    def _begin(self, background: Background, key: str, job: Job[object]) -> bool:
        work = background.begin(key, None)
        if work is None:
            return False

        async def driven() -> object:
            return drive(job())

        def perform() -> None:
            drive(background.perform(work, driven))

        try:
            BackgroundThread(partial(detached().run, perform)).start()
        except RuntimeError:
            # No more threads can be had, or the interpreter is on its way out.
            background.end(work, "dropped")
            return False
        return True

    async def settle(self, drain: float = DRAIN) -> None:
        """Wait for the background work; leave behind what takes longer than ``drain`` seconds."""
        await self.background.settle(self, drain)

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
