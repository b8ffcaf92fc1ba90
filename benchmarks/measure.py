"""Slices of all contestants of a path, in turn."""

import asyncio
import gc
import importlib.util
import math
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

T = TypeVar("T")
Colour = Literal["blocking", "async"]
COLOURS: tuple[Colour, ...] = ("blocking", "async")


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    """How long a slice takes."""
    processes: int
    """How many times a process is started, where a path measures that."""


FULL = Effort(rounds=150, seconds=0.01, processes=15)
QUICK = Effort(rounds=20, seconds=0.003, processes=3)


@dataclass(slots=True)
class Contestant:
    """One who is measured.

    Attributes:
        call: does the work once; what it returns is awaited if the colour is async.
        check: raises unless the work was done as it should be.
        at_once: how many threads or tasks do it side by side.
        slices: the seconds that one call took, on average, in each slice.
    """

    colour: Colour
    call: Callable[[], Any]
    check: Callable[[Any], None]
    at_once: int = 1
    count: int = 0
    slices: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """What one call takes: the 10th percentile of the slices."""
        return percentile(self.slices, 0.1)

    @property
    def micros(self) -> float:
        """The same in microseconds."""
        return self.seconds * 1e6

    @property
    def rate(self) -> float:
        """Calls a second."""
        return 1 / self.seconds


class Bench:
    """One path: its contestants, who meet in one run, and what they need while it lasts.

    Args:
        effort: how long to measure.
        whole: False leaves out the peers that are not installed; else one that is missing is an error.
    """

    def __init__(self, effort: Effort, *, whole: bool = True) -> None:
        self.effort = effort
        self._whole = whole
        self._clock: Callable[[], float] = time.process_time
        self._runner = asyncio.Runner()
        self._owned = AsyncExitStack()
        self._contestants: list[Contestant] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self._owned.aclose())
        finally:
            self._runner.close()

    def on_the_wire(self, at_least: float) -> None:
        """Measure real time, since other processes work for us too, in slices of so many seconds."""
        self._clock = time.perf_counter
        if self.effort.rounds > 1:
            rounds = max(3, self.effort.rounds // 5)
            self.effort = Effort(rounds, at_least, self.effort.processes)

    def wants(self, peer: str) -> bool:
        """Whether a peer takes part."""
        return self._whole or importlib.util.find_spec(peer) is not None

    def own(self, thing: T) -> T:
        """Close ``thing`` at the end."""
        closer: Any = thing
        if hasattr(closer, "aclose"):
            self._owned.push_async_callback(closer.aclose)
        else:
            self._owned.callback(closer.close)
        return thing

    def once(self, colour: Colour, call: Callable[[], Any]) -> Any:
        """What one call returns."""
        return call() if colour == "blocking" else self._runner.run(_awaited(call))

    def add(
        self, colour: Colour, call: Callable[[], Any], check: Callable[[Any], None], *, at_once: int = 1
    ) -> Contestant:
        """One more contestant."""
        self._contestants.append(made := Contestant(colour, call, check, at_once))
        return made

    def run(self) -> None:
        """Measure all contestants."""
        for one in self._contestants:
            one.check(self.once(one.colour, one.call))
            self._warm_up(one)
        gc.collect()
        gc.freeze()
        try:
            self._take_turns()
        finally:
            gc.unfreeze()
        for one in self._contestants:
            one.check(self.once(one.colour, one.call))

    @property
    def unrest(self) -> float:
        """How busy the machine was: the largest median of a contestant's slices, as a multiple of its figure."""
        return max((percentile(one.slices, 0.5) / one.seconds for one in self._contestants), default=0.0)

    def _warm_up(self, one: Contestant) -> None:
        """Call it until it is warm, and find out how many calls make a slice."""
        count, spent = one.at_once, 0.0
        while (spent := self.slice(one, count)) < self.effort.seconds / 2:
            count *= 2
        shares = max(1, round(count * self.effort.seconds / spent / one.at_once))
        one.count = shares * one.at_once

    def _take_turns(self) -> None:
        order = random.Random(20)
        for _ in range(self.effort.rounds):
            for one in order.sample(self._contestants, len(self._contestants)):
                gc.collect()
                one.slices.append(self.slice(one, one.count) / one.count)

    def slice(self, one: Contestant, count: int) -> float:
        """Seconds for so many calls."""
        share, clock = count // one.at_once, self._clock
        if one.colour == "async":
            return self._runner.run(_tasks(one.call, share, one.at_once, clock))
        if one.at_once == 1:
            return _plain(one.call, share, clock)
        return _threads(one.call, share, one.at_once, clock)


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


def _plain(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(count):
        call()
    return clock() - began


def _threads(call: Callable[[], object], share: int, at_once: int, clock: Callable[[], float]) -> float:
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(time.sleep, [0.001] * at_once))  # all threads there before the clock starts
        began = clock()
        for ended in [pool.submit(_plain, call, share, clock) for _ in range(at_once)]:
            ended.result()
        return clock() - began


async def _tasks(call: Callable[[], Awaitable[object]], share: int, at_once: int, clock: Callable[[], float]) -> float:
    async def work() -> None:
        for _ in range(share):
            await call()

    began = clock()
    if at_once == 1:
        await work()
    else:
        await asyncio.gather(*(work() for _ in range(at_once)))
    return clock() - began


def percentile(samples: list[float], part: float) -> float:
    """The sample below which that part of all lies."""
    return sorted(samples)[math.floor(len(samples) * part)]
