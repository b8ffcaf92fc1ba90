"""A cache stays within its bounds, however many keys there are."""

from __future__ import annotations

import asyncio
import gc
import os
import types
from contextlib import suppress
from pathlib import Path

import pytest

from resilient import Cache
from resilient.caching import pauses
from resilient.testing import FakeClock
from tests.soaking import sizes

NO_PARTS = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType)

DECORATORS = {
    "simple": lambda cache: cache(ttl="1h", tags=["all", "of:{number}"]),
    "soft": lambda cache: cache.soft(ttl="1h", soft_ttl="30m", tags=["of:{number}"]),
    "locked": lambda cache: cache.locked(ttl="1h"),
    "failover": lambda cache: cache.failover(ttl="1h", retry_after="1m"),
    "hit": lambda cache: cache.hit(ttl="1h", cache_hits=3),
    "errors": lambda cache: cache(ttl="1h", errors=KeyError),
}


def largest_table(root):
    """How many elements the largest container has that can be reached from ``root``."""
    seen, waiting, largest = {id(root)}, [root], 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list | set | frozenset | tuple):
            largest = max(largest, len(one))
        for part in gc.get_referents(one):
            if id(part) not in seen and gc.is_tracked(part) and not isinstance(part, NO_PARTS):
                seen.add(id(part))
                waiting.append(part)
    return largest


def resident():
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Crowd:
    """Functions of one cache, one of each strategy, that are called with many keys; every third call fails.

    Args:
        colour: of the functions.
        runner: runs those that are asynchronous.
        size: how many entries the cache keeps.
    """

    def __init__(self, colour, runner, size):
        self.size = size
        self.cache = Cache(f"mem://?size={size}", clock=FakeClock())
        self._run = self._call if colour == "blocking" else lambda numbers: runner.run(self._call_async(numbers))
        make = self._function if colour == "blocking" else self._function_async
        self._functions = [decorator(self.cache)(make()) for decorator in DECORATORS.values()]

    def calls(self, keys):
        """Call the functions with so many keys in all; now and then, gives how many there were."""
        for start in range(0, keys // len(DECORATORS), 1_000):
            self._run(range(start, start + 1_000))
            self.cache._core.clock.advance(1)
            yield (start + 1_000) * len(DECORATORS)

    def _function(self):
        def function(number):
            if number % 3 == 2:
                raise KeyError(number)
            return [number]

        return function

    def _function_async(self):
        plain = self._function()

        async def function(number):
            return plain(number)

        return function

    def _call(self, numbers):
        for number in numbers:
            for function in self._functions:
                with suppress(KeyError):
                    function(number)

    async def _call_async(self, numbers):
        for number in numbers:
            for function in self._functions:
                with suppress(KeyError):
                    await function(number)

    def check_tables(self):
        """No table anywhere in the cache is larger than its bound, and none keeps what is over."""
        core = self.cache._core
        # An entry may have an outdated end that waits to be swept, of which there may be some more.
        assert self.size <= largest_table(core) <= 2 * self.size + 1_000
        assert core.tasks._flights._table == core.threads._flights._table == {}
        assert core.tasks._tasks == set()
        assert core.mounts.only().pair.blocking._leases._held == {}


@pytest.fixture
def crowd_of(colour):
    with asyncio.Runner() as runner:
        yield lambda size: Crowd(colour, runner, size)


@sizes(entries=(1_000, 10_000), keys=(100_000, 1_000_000))
def test_nothing_grows_with_the_number_of_keys(crowd_of, monkeypatch, entries, keys, found):
    """Values, errors, failures, tags, leases, counters and flights of a hundred times as many keys as have room.

    Once the cache is full, no table of it grows, nor does the process.
    """
    monkeypatch.setattr(pauses, "MOST", entries)
    crowd = crowd_of(entries)
    before = 0
    for called in crowd.calls(keys):
        if called < keys // 10:
            before = resident()
    gc.collect()
    more = (resident() - before) // 2**20
    found.update(in_the_largest_table=largest_table(crowd.cache._core), MiB_more=more)
    assert more < 30
    crowd.check_tables()
