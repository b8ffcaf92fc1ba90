"""What tests of the cache stand on: one script for both colours and every store, and virtual time.

An ``async def test_...`` here is a script: it is run by whichever of ``place``, ``heard`` and ``scene`` it asks for,
in that one's colour. It awaits only what those offer.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time

import pytest

from resilient import Cache
from resilient.runtime.drive import drive
from resilient.testing import FakeClock, Simulation
from tests.caching.processes import Program

NO_HURRY = {"write_wait": "60s", "busy_timeout": "60s"}
"""Waits of a disk that a busy machine does not cut short."""
COLOURS = ("blocking", "async")
OVER = "it is over"
"""What comes behind the last item of an iterator."""


class Colour:
    """What both colours of a script have in common; ``cache`` is the one under test."""

    cache: Cache
    colour: str

    def function(self, script):
        """``script``, an ``async def`` that awaits only what this offers, as a function of this colour."""
        if self.colour == "async":
            return script

        @functools.wraps(script)
        def function(*args, **kwargs):
            return drive(script(*args, **kwargs))

        return function

    def generator(self, script):
        """``script``, a plain generator function, as one of this colour."""
        if self.colour == "blocking":
            return script

        @functools.wraps(script)
        async def generator(*args, **kwargs):
            for item in script(*args, **kwargs):
                yield item

        return generator

    async def call(self, function, *args, **kwargs):
        """What a function of this colour returns; all items of a generator, as a list."""
        return await self.all_of(function(*args, **kwargs))

    async def all_of(self, found):
        """``found``, awaited if it is to be awaited; all items of an iterator, as a list."""
        if hasattr(found, "__aiter__"):
            return [item async for item in found]
        if hasattr(found, "__next__"):
            return list(found)
        return await found if inspect.isawaitable(found) else found

    async def next_of(self, found):
        """The next item of an iterator of this colour; behind the last one, :data:`OVER`."""
        return await anext(found, OVER) if self.colour == "async" else next(found, OVER)

    async def close(self, found):
        """Close a generator of this colour."""
        await self.all_of(found.aclose() if self.colour == "async" else found.close())

    @property
    def ask(self):
        """The commands of the cache, each to be awaited in either colour; of an iterator all items, as a list."""
        return Asked(self)

    def under_way(self):
        """How much is done in the background."""
        core = self.cache._core
        return core.tasks.background.tally().under_way + core.threads.background.tally().under_way


class Asked:
    def __init__(self, world):
        self._world = world

    def __getattr__(self, name):
        cache = self._world.cache
        command = getattr(cache if self._world.colour == "async" else cache.blocking, name)
        return functools.partial(self._world.call, command)


class Place(Colour):
    """A cache on one store, for one colour. Its clock stands still until a test moves it; all else is real.

    Nobody listens to one that is not ``heard``, so that calls find the short way to a value in memory.
    """

    def __init__(self, colour, url, folder, runner, *, heard):
        self.colour = colour
        self.clock = FakeClock()
        self.events = []
        self.heard = heard
        self.url, self.folder = url, folder
        self.on_disk = url.startswith("disk")
        self.cache = self.new_cache()
        self._runner = runner

    def new_cache(self, **options):
        """A cache on this place's store; one on the disk shares what is there with all others."""
        cache = Cache(clock=self.clock, telemetry=[self.events.append] if self.heard else [])
        hurry = NO_HURRY if self.on_disk else {}
        cache.setup(self.url, store_budget=None, timeout="60s", **{**hurry, **options})
        return cache

    def do(self, script):
        """Run a script to its end."""
        return self._runner.run(script()) if self.colour == "async" else drive(script())

    async def settled(self):
        """Wait, for real, until nothing is done in the background."""
        while self.under_way():
            await self.pause()

    async def pause(self):
        """Let others go on for a moment of real time."""
        if self.colour == "async":
            await asyncio.sleep(0.001)
        else:
            time.sleep(0.001)

    async def aclose(self, cache=None):
        """Close the cache in this colour."""
        cache = cache or self.cache
        await self.all_of(cache.aclose() if self.colour == "async" else cache.close())

    def told(self, kind):
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


class Scene(Simulation, Colour):
    """A cache in memory, in virtual time: for what many do at once, and for what takes time."""

    def __init__(self, colour):
        super().__init__(colour)
        self.events = []
        self.cache = Cache("mem://", clock=self.clock, telemetry=[self.events.append])

    def do(self, script):
        """Run a script to its end."""
        return self.run([script])[0]

    async def all_at_once(self, *scripts):
        """What each script returned or raised; all begin at once."""
        started = [self.start(script) for script in scripts]
        outcomes = [await one.outcome() for one in started]
        return [getattr(outcome, "error", outcome) for outcome in outcomes]


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


def place_in(kind, colour, folder):
    """A place of that kind until the test is over."""
    with asyncio.Runner() as runner:
        url = f"disk://{folder}" if kind == "disk" else "mem://"
        place = Place(colour, url, folder, runner, heard=kind != "short way")
        yield place
        place.do(place.aclose)


@pytest.fixture(params=["short way", "memory", "disk"])
def place(request, colour, tmp_path):
    yield from place_in(request.param, colour, tmp_path / "cache")


@pytest.fixture(params=["memory", "disk"])
def heard(request, colour, tmp_path):
    """A place whose events are heard."""
    yield from place_in(request.param, colour, tmp_path / "cache")


@pytest.fixture
def scene(colour):
    return Scene(colour)


@pytest.fixture
def script(tmp_path):
    """Starts Python on a text in a process of its own, which does not outlive the test."""
    started = []

    def script(text, *args):
        started.append(Program(tmp_path / f"program{len(started)}.py", text, *args))
        return started[-1]

    yield script
    for program in started:
        program.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a script in the colour of the world that it asks for."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    given = {name: pyfuncitem.funcargs[name] for name in names}
    world = next(given[name] for name in ("place", "heard", "scene") if name in given)
    world.do(lambda: pyfuncitem.obj(**given))
    return True
