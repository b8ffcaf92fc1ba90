"""Threads in virtual time: one runs at a time, and time moves when all of them sleep."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from resilient.testing.adopting import adopting, on_one_processor
from resilient.testing.strand import Stopped, Strand
from resilient.testing.turns import Turns
from resilient.testing.virtual import DeadlockError, VirtualClock

T = TypeVar("T")

PATIENCE = 30.0
"""Real seconds for which one thread may keep all others from running before that is called an error."""


class VirtualThreads:
    """Runs threads one at a time; each runs until it sleeps or waits on the clock.

    Real locks are fine as long as nobody sleeps while holding one that others want. All else that blocks for
    real keeps the other threads from running. Threads that these threads start take part too; those of
    executors do not.

    ::

        threads = VirtualThreads()

        def main():
            first = threads.spawn(lambda: threads.clock.sleep(30))
            first.result()

        threads.run(main)

    Args:
        clock: the clock that moves when all threads sleep, a new one if not given.
        seed: chooses the next thread among those that can run; first come, first served if not given.

    Attributes:
        is_stopping: whether the main thread is done, and the others are being stopped.
    """

    def __init__(self, clock: VirtualClock | None = None, *, seed: int | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.is_stopping = False
        self._turns = Turns(self.clock, seed)
        self._main: Strand[Any] | None = None
        self._running: Strand[Any] | None = None
        self._strands: list[Strand[Any]] = []
        self._switches = 0
        self._deadlock: DeadlockError | None = None

    def run(self, main: Callable[[], T]) -> T:
        """Run ``main`` on the calling thread, as the first one; who outlives it is stopped where it waits.

        Raises:
            DeadlockError: every thread waits, and nobody will ever wake one.
        """
        if self._main is not None:
            raise RuntimeError("these virtual threads run already")
        strand = self._main = self._running = Strand(self, main, "main")
        strand.thread = threading.current_thread()
        before, self.clock.timekeeper = self.clock.timekeeper, self
        try:
            with adopting(self), on_one_processor():
                try:
                    return main()
                finally:
                    self._stop(strand)
        finally:
            self.clock.timekeeper = before
            self._main = self._running = None
            self.is_stopping = False

    def spawn(self, job: Callable[[], T], *, name: str | None = None) -> Strand[T]:
        """Start a thread that does ``job`` as soon as it is its turn."""
        strand = Strand(self, job, name or f"strand-{len(self._strands) + 1}")
        self._strands.append(strand)
        self._turns.add(strand)
        return strand

    @property
    def is_running_here(self) -> bool:
        """Whether the calling thread is one of these."""
        return self._running is not None and self._running.thread is threading.current_thread()

    # --- the timekeeper of the clock ---

    def sleep(self, seconds: float) -> None:
        """Let the others run for ``seconds``."""
        me = self._me()
        self._turns.sleep(me, seconds)
        self._pause(me)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Let the others run until ``event`` is set, for ``timeout`` seconds at most; whether it was set."""
        if event.is_set():
            return True
        me = self._me()
        self._turns.listen(me, event, math.inf if timeout is None else timeout)
        self._pause(me)
        return me.served

    async def asleep(self, seconds: float) -> None:
        """As :meth:`sleep`; a driven coroutine never suspends."""
        self.sleep(seconds)

    # --- passing the turn; only the thread that has it is ever in here ---

    def _me(self) -> Strand[Any]:
        me = self._running
        if me is None or me.thread is not threading.current_thread():
            raise RuntimeError(
                f"thread {threading.current_thread().name!r} waits on a clock of virtual threads and is none "
                "of them; start it with spawn(), or from one of them while they run"
            )
        if self.is_stopping:
            raise Stopped
        return me

    def _pause(self, me: Strand[Any]) -> None:
        """Give up the turn until it comes again."""
        following = self._next()
        if following is not me:
            self._hand_to(following)
            self._await_turn(me)
        if self.is_stopping:
            raise Stopped
        if me is self._main and self._deadlock is not None:
            error, self._deadlock = self._deadlock, None
            raise error

    def retire(self, strand: Strand[Any]) -> None:
        """Pass the turn on for good."""
        strand.ended.set()
        # Without a main thread the run was given up while this one blocked.
        if self._main is not None:
            self._hand_to(self._main if self.is_stopping else self._next())

    def _next(self) -> Strand[Any]:
        """Whose turn it is; the main thread's, to raise the error, if everybody waits for ever."""
        if (following := self._turns.next()) is not None:
            return following
        main = self._main
        assert main is not None
        self._deadlock = DeadlockError([one.place() for one in (main, *self._strands) if one.ticket])
        self._turns.interrupt(main)
        return main

    def _hand_to(self, strand: Strand[Any]) -> None:
        self._running = strand
        self._switches += 1
        strand.go()

    def _await_turn(self, me: Strand[Any]) -> None:
        if me is not self._main:
            me.baton.acquire()
            return
        switches = self._switches
        while not me.baton.acquire(timeout=PATIENCE):
            if switches == self._switches:
                self._abandon()
            switches = self._switches

    def _abandon(self) -> None:
        stuck, self.is_stopping = self._running, True
        self._strands.clear()
        place = "a thread" if stuck is None else stuck.place()
        raise RuntimeError(f"{place} blocked for {PATIENCE:g} real seconds; virtual threads must wait on their clock")

    def _stop(self, main: Strand[Any]) -> None:
        """Unwind the threads that still wait, one after the other."""
        self.is_stopping = True
        for strand in self._strands:
            if strand.thread is None:
                strand.ended.set()
            if not strand.ended.is_set():
                self._hand_to(strand)
                main.baton.acquire()
        self._running = main
        for strand in self._strands:
            if strand.thread is not None:
                strand.thread.join()
        self._strands = []
        self._turns.clear()
