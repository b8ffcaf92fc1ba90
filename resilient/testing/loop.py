"""An event loop in virtual time."""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

from resilient.testing.checks import instant
from resilient.testing.virtual import DeadlockError, VirtualClock, is_plumbing

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LAST_CHANCE = 1.0
"""Real seconds that a loop with nothing left to do waits for other threads before it gives up."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only when no task can run: then it jumps to the next timer.

    - Executor jobs hold time back: it stands still until they are done. So does :meth:`holding`.
    - While a socket is registered, time runs at its real pace, since an answer may come from outside.
    - Timers of the same instant go off in the order in which they were set.

    Args:
        clock: the clock that the loop moves, a new one if not given.
        outside: packages that hand their work to threads of their own; time stands still for it too.
    """

    def __init__(self, clock: VirtualClock | None = None, *, outside: tuple[str, ...] = ("aiosqlite",)) -> None:
        self.clock = clock or VirtualClock()
        self._outside = outside
        self._held = 0
        self._due: dict[float, int] = {}
        selector = _VirtualSelector(self)
        super().__init__(selector)
        selector.own = len(selector.get_map())

    def time(self) -> float:
        """Seconds on the virtual clock."""
        return self.clock.now()

    @property
    def is_held(self) -> bool:
        """Whether work outside the loop is under way."""
        return self._held > 0

    @contextmanager
    def holding(self) -> Generator[None, None, None]:
        """Time stands still meanwhile; for the work of other threads that the loop cannot know of."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def run_forever(self) -> None:
        """Run until stopped."""
        before, self.clock.timekeeper = self.clock.timekeeper, self
        try:
            super().run_forever()
        finally:
            self.clock.timekeeper = before

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer."""
        if when == math.inf:
            # Never goes off, and is no reason to move time.
            return asyncio.TimerHandle(when, callback, args, self, context)
        # The loop's own heap is not stable. Instants are whole nanoseconds; the bits below order the timers.
        when = instant(when)
        if len(self._due) > 1_000:
            self._due = {due: timers for due, timers in self._due.items() if due >= self.time()}
        earlier = self._due.get(when, 0)
        self._due[when] = earlier + 1
        return super().call_at(when + earlier * math.ulp(when), callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future; one that a thread outside will answer holds time back."""
        future = super().create_future()
        caller = sys._getframe(1).f_globals.get("__name__", "")  # pyright: ignore[reportPrivateUsage]
        if caller.partition(".")[0] in self._outside:
            self._hold_for(future)
        return future

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Run ``func`` in another thread; time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._hold_for(future)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the threads of the default executor."""
        with self.holding():
            await super().shutdown_default_executor(*args, **kwargs)

    def _hold_for(self, future: asyncio.Future[Any]) -> None:
        self._held += 1
        future.add_done_callback(self._let_go)

    def _let_go(self, _: asyncio.Future[Any]) -> None:
        self._held -= 1

    def sleep(self, seconds: float) -> None:
        """Refuse: a thread cannot sleep in a loop's time."""
        raise RuntimeError(
            f"sleep({seconds!r}): a blocking call in a virtual loop; use its asynchronous form, "
            "or run the callers as threads, in VirtualThreads"
        )

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Whether ``event`` is set; a thread cannot wait for it in a loop's time."""
        if not event.is_set():
            self.sleep(math.inf if timeout is None else timeout)
        return True

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling task for ``seconds``."""
        if seconds == math.inf:
            await self.create_future()
        await asyncio.sleep(seconds)


class _VirtualSelector(selectors.DefaultSelector):
    """Moves the clock where the loop would wait for it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self.own = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.is_held:
            return super().select(None)
        if len(self.get_map()) > self.own:
            return self._at_real_pace(timeout)
        if timeout is None:
            return self._deadlocked()
        self._loop.clock.advance(timeout)
        return ready

    def _at_real_pace(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        started = time.monotonic()
        ready = super().select(timeout)
        passed = time.monotonic() - started
        self._loop.clock.advance(passed if timeout is None else min(passed, timeout) if ready else timeout)
        return ready

    def _deadlocked(self) -> list[tuple[selectors.SelectorKey, int]]:
        if threading.active_count() > 1 and (ready := super().select(LAST_CHANCE)):
            return ready
        raise DeadlockError([_described(task) for task in asyncio.all_tasks(self._loop)])


def virtual_run(main: Coroutine[Any, Any, T], *, clock: VirtualClock | None = None) -> T:
    """Run ``main`` in a :class:`VirtualLoop`, as ``asyncio.run`` does in a real one.

    Args:
        main: the coroutine to run.
        clock: the clock that the loop moves.

    Raises:
        DeadlockError: every task waits, and nothing will ever wake one.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)


def _described(task: asyncio.Task[Any]) -> str:
    """The name of ``task`` and the innermost place where it waits."""
    inner: Any = task.get_coro()
    place = ""
    while frame := getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None):
        if not place or not is_plumbing(frame.f_code.co_filename):
            place = f" at {frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_qualname}"
        inner = getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None)
    return f"task {task.get_name()!r}{place}"
