"""Whose turn it is among virtual threads, and when time moves; starts and blocks no thread itself."""

from __future__ import annotations

import heapq
import math
import threading
from random import Random
from typing import Any

from resilient.testing.checks import instant
from resilient.testing.clock import FakeClock
from resilient.testing.strand import Strand


class Turns:
    """Strands that can run, sleep, or wait for an event.

    Args:
        clock: the clock to move when nobody can run.
        seed: chooses the next one among those that can run; first come, first served if not given.
    """

    def __init__(self, clock: FakeClock, seed: int | None) -> None:
        self._clock = clock
        self._random = None if seed is None else Random(seed)
        self._tickets = 0
        self._ready: list[Strand[Any]] = []
        self._listening: dict[Strand[Any], threading.Event] = {}
        self._timers: list[tuple[float, int, Strand[Any]]] = []

    @property
    def listening(self) -> list[Strand[Any]]:
        """Who waits for an event."""
        return list(self._listening)

    def add(self, strand: Strand[Any]) -> None:
        """A new one, that can run."""
        self._notice()
        self._ready.append(strand)

    def sleep(self, strand: Strand[Any], seconds: float) -> None:
        """``strand`` cannot run for ``seconds``."""
        self._tickets += 1
        strand.ticket = self._tickets
        if seconds != math.inf:
            due = instant(self._clock.now() + max(0.0, seconds))
            heapq.heappush(self._timers, (due, strand.ticket, strand))

    def listen(self, strand: Strand[Any], event: threading.Event, seconds: float) -> None:
        """``strand`` cannot run until ``event`` is set, or ``seconds`` have passed."""
        self.sleep(strand, seconds)
        self._listening[strand] = event

    def next(self) -> Strand[Any] | None:
        """Who runs next, time moved on if need be; None if nobody ever will."""
        self._notice()
        while not self._ready:
            if not self._timers:
                return None
            due, ticket, strand = self._timers[0]
            if strand.ticket == ticket:
                self._clock.reach(due)
                self._notice()
            else:
                heapq.heappop(self._timers)
        return self._ready.pop(0 if self._random is None else self._random.randrange(len(self._ready)))

    def interrupt(self, strand: Strand[Any]) -> None:
        """``strand`` neither sleeps nor waits any more, and runs next by other means."""
        strand.ticket = 0
        self._listening.pop(strand, None)

    def clear(self) -> None:
        """Forget everybody."""
        self._ready.clear()
        self._listening.clear()
        self._timers.clear()

    def _notice(self) -> None:
        """Make ready whose event was set by now, then who has slept enough; first come, first served."""
        for strand, event in list(self._listening.items()):
            if event.is_set():
                self._wake(strand, served=True)
        while self._timers and self._timers[0][0] <= self._clock.now():
            _, ticket, strand = heapq.heappop(self._timers)
            if strand.ticket == ticket:
                self._wake(strand, served=False)

    def _wake(self, strand: Strand[Any], *, served: bool) -> None:
        strand.served = served
        self.interrupt(strand)
        self._ready.append(strand)
