"""Many callers at once in virtual time, in either colour, by the same script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from resilient.durations import Duration
from resilient.ports import Runtime
from resilient.runtime.drive import drive
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing.checks import instant, one_of, span
from resilient.testing.loop import virtual_run
from resilient.testing.strand import Strand
from resilient.testing.threads import VirtualThreads
from resilient.testing.virtual import VirtualClock

T = TypeVar("T")
Colour: TypeAlias = Literal["blocking", "async"]
Caller: TypeAlias = Callable[[], Coroutine[Any, Any, T]]
"""A script without arguments; ``functools.partial`` gives it some."""


class Started(Generic[T]):
    """A caller under way."""

    def __init__(self, work: Strand[T] | asyncio.Task[T]) -> None:
        self._work = work

    async def result(self) -> T:
        """What the caller returned; waits for its end, and raises what it raised."""
        return self._work.result() if isinstance(self._work, Strand) else await self._work

    async def outcome(self) -> T | Raised:
        """What it returned, or what it raised; waits for its end."""
        try:
            return await self.result()
        except Exception as error:  # noqa: BLE001 - it is handed on
            return Raised(error)


@dataclass(frozen=True, slots=True)
class Raised:
    """The error that ended a caller, told from one that it returned."""

    error: Exception


class Simulation:
    """A world of callers: threads or tasks, by ``colour``, in virtual time.

    A script is an ``async def`` that awaits only this world's methods; so it runs in both colours, and both
    give the same trace.

    ::

        world = Simulation(colour)
        origin = Origin(clock=world.clock)
        client = world.choose(httpx.Client, httpx.AsyncClient)(transport=origin)

        async def caller():
            response = await world.result_of(client.get("https://api.test/"))
            await world.sleep(0.5)
            return response.status_code

        statuses = world.run([caller] * 3_000, every=0.01)      # 100 a second for 30 seconds

    Args:
        colour: ``"blocking"`` for threads, ``"async"`` for tasks.
        seed: of :attr:`random`.

    Attributes:
        clock: the clock of this world; give it to clients and origins.
        runtime: how its callers wait.
        random: dice for scripts.
    """

    def __init__(self, colour: Colour, *, seed: int = 0) -> None:
        one_of(colour, ("blocking", "async"), option="colour")
        self.colour = colour
        self.clock = VirtualClock()
        self.runtime: Runtime = ThreadRuntime(self.clock) if colour == "blocking" else TaskRuntime(self.clock)
        self.random = Random(seed)
        self._threads = VirtualThreads(self.clock)
        self._born = self.clock.now()

    @property
    def now(self) -> float:
        """Seconds since the world was made."""
        return instant(self.clock.now() - self._born)

    def choose(self, blocking: T, tasks: T) -> T:
        """The one of two values that belongs to this colour."""
        return self.runtime.choose(blocking, tasks)

    def run(self, callers: Iterable[Caller[T]], *, every: Duration = 0.0, return_errors: bool = False) -> list[T]:
        """Run ``callers`` to their end and give back what they returned, in their order.

        Args:
            callers: scripts.
            every: how long after each the next one starts; all start at once if not given.
            return_errors: put errors among the results; else the first is raised when all callers are done.

        Raises:
            DeadlockError: every caller waits, and nothing will ever wake one.
        """
        interval = span(every, option="every")

        async def main() -> list[T]:
            begun = self.clock.now()
            started: list[Started[T]] = []
            for number, caller in enumerate(callers):
                if interval:
                    await self.sleep(begun + number * interval - self.clock.now())
                started.append(self.start(caller))
            outcomes: list[Any] = [await one.outcome() for one in started]
            failed = [outcome for outcome in outcomes if isinstance(outcome, Raised)]
            if failed and not return_errors:
                raise failed[0].error
            results: list[Any] = [one.error if isinstance(one, Raised) else one for one in outcomes]
            return results

        if self.colour == "blocking":
            return self._threads.run(lambda: drive(main()))
        return virtual_run(main(), clock=self.clock)

    def start(self, caller: Caller[T]) -> Started[T]:
        """Start one more caller; from a script that runs."""
        if self.colour == "blocking":
            return Started(self._threads.spawn(lambda: drive(caller())))
        return Started(asyncio.get_running_loop().create_task(caller()))

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        await self.runtime.sleep(seconds)

    async def result_of(self, value: Awaitable[T] | T) -> T:
        """``value``, awaited where this colour's calls are to be awaited."""
        awaitable: Any = value
        result: T = await awaitable if isinstance(value, Awaitable) else awaitable
        return result
