"""What a generator yields, kept while it passes and yielded again: exactly, or not at all."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from resilient import Cache, ConfigurationError
from resilient.events import CacheLookup, CacheStored
from tests.caching.conftest import OVER

ITEMS = [0, "", None, b"", False, 0.0, [], {}, (), "text", [1, {"two": [2]}]]


@pytest.fixture
def runs():
    """The runs of a generator, each the list of what it had yielded before it ended or was left."""
    return []


@pytest.fixture
def made(runs):
    """Makes a generator of a colour that yields what it is given, decorated."""

    def made(world, items=ITEMS, error=None, **options):
        @world.cache.iterator(ttl="30m", **options)
        @world.generator
        def function(channel="c"):
            run = []
            runs.append(run)
            for item in items:
                run.append(item)
                yield item
            if error is not None:
                raise error
            run.append("end")

        return function

    return made


async def test_what_was_yielded_is_yielded_again(place, runs, made):
    """Every item with its type, those that are false too, for its time; each argument has its own run."""
    function = made(place)
    for _ in range(3):
        found = await place.call(function)
        assert found == ITEMS
        assert [type(item) for item in found] == [type(item) for item in ITEMS]
    assert len(runs) == 1
    await place.call(function, "other")
    place.clock.advance("31m")
    assert await place.call(function) == ITEMS
    assert len(runs) == 3


@pytest.mark.parametrize("items", [[], [None], [None] * 3, [""]])
async def test_even_nothing_is_something(place, runs, made, items):
    """A run without an item, or with none but false ones, is kept like another."""
    function = made(place, items)
    assert [await place.call(function) for _ in range(2)] == [items] * 2
    assert len(runs) == 1


async def test_items_pass_while_they_are_made(place, runs, made):
    """The first is there before the second is made; nothing is collected before the caller's eyes."""
    items = made(place)()
    assert await place.next_of(items) == 0
    assert runs == [[0]]
    await place.close(items)


@pytest.mark.parametrize("taken", [0, 1, 5, len(ITEMS)])
async def test_a_run_that_is_left_is_not_kept(place, runs, made, taken):
    """Wherever its caller stops, be it behind the last item: the source is closed, and the next caller gets a whole."""
    function = made(place)
    items = function()
    for _ in range(taken):
        await place.next_of(items)
    await place.close(items)
    assert await place.ask.scan() == []
    assert await place.call(function) == ITEMS
    assert len(runs) == (2 if taken else 1)


async def test_a_source_is_closed_with_its_run(place):
    """At once, not when it is collected; here the source is a generator of the colour itself."""
    closed = []

    @place.cache.iterator(ttl="30m")
    @place.generator
    def function():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    items = function()
    await place.next_of(items)
    await place.close(items)
    assert closed == [True]


@pytest.mark.parametrize("before", [0, 1, 5])
async def test_a_run_that_fails_is_not_kept(place, runs, made, before):
    """The error reaches the caller behind the items before it, and the next caller tries anew."""
    function = made(place, ITEMS[:before], ConnectionError("broken"))
    for _ in range(2):
        items = function()
        assert [await place.next_of(items) for _ in range(before)] == ITEMS[:before]
        with pytest.raises(ConnectionError, match="broken"):
            await place.next_of(items)
    assert len(runs) == 2
    assert await place.ask.scan() == []


def test_a_run_that_is_cancelled_is_not_kept(scene, runs):
    """In the middle of an item."""
    if scene.colour == "blocking":
        return

    @scene.cache.iterator(ttl="30m")
    async def function():
        runs.append(1)
        for number in range(3):
            await scene.sleep(1)
            yield number

    async def main():
        task = asyncio.create_task(scene.call(function))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [await scene.call(function) for _ in range(2)] == [[0, 1, 2]] * 2
        assert len(runs) == 2

    scene.do(main)


async def test_two_fillers_never_mix(scene):
    """Three callers half-way through one another see three whole runs; what is kept is one of them."""
    runs = []

    @scene.cache.iterator(ttl="30m")
    @scene.generator
    def function():
        runs.append(1)
        mine = len(runs)
        for number in range(5):
            yield [mine, number]

    async def caller():
        found, items = [], function()
        while (item := await scene.next_of(items)) != OVER:
            found.append(item)
            await scene.sleep(scene.random.random())
        return found

    whole = [[[run, number] for number in range(5)] for run in (1, 2, 3)]
    assert sorted(await scene.all_at_once(caller, caller, caller)) == whole
    assert await scene.call(function) in whole
    assert len(runs) == 3


async def test_an_item_is_kept_as_it_was_when_it_was_yielded(place):
    """Neither the source nor a caller changes what others get, by changing an item afterwards."""
    yielded = [[1], [2], [3]]

    @place.cache.iterator(ttl="30m")
    @place.generator
    def function():
        for item in yielded:
            yield item
            item.append("by the source")

    for _ in range(3):
        found = []
        items = function()
        for _ in range(3):
            item = await place.next_of(items)
            found.append(list(item))
            item.append("by a caller")
        assert await place.next_of(items) == OVER
        assert found == [[1], [2], [3]]


async def test_an_item_that_cannot_be_kept_lets_the_run_pass(heard, runs, made):
    """All of it, unkept; that is told."""
    items = [1, object(), 3]
    function = made(heard, items)
    assert [await heard.call(function) for _ in range(2)] == [items] * 2
    assert len(runs) == 2
    assert [one.detail for one in heard.told(CacheStored)] == ["unencodable"] * 2


async def test_a_run_that_is_too_large_passes(heard, runs, made):
    """More than 8 MiB of it are not held in memory."""
    items = [bytes([number]) * 2**20 for number in range(9)]
    function = made(heard, items)
    assert await heard.call(function) == items
    assert [one.detail for one in heard.told(CacheStored)] == ["too-large"]
    assert await heard.call(function) == items
    assert len(runs) == 2


async def test_a_condition_sees_all_items(place, runs, made):
    """As a tuple."""
    seen = []
    function = made(place, [1, 2], condition=lambda result: seen.append(result) or len(seen) > 1)
    assert [await place.call(function) for _ in range(3)] == [[1, 2]] * 3
    assert seen == [(1, 2), (1, 2)]
    assert len(runs) == 2


async def test_runs_have_tags_and_keys(place, runs, made):
    """As results have; ``delete`` and ``delete_tags`` reach them."""
    function = made(place, [1], key="events:{channel}", tags=["of:{channel}"])
    await place.call(function)
    assert await place.ask.scan() == ["events:c"]
    assert await place.ask.delete("events:c")
    await place.call(function)
    assert await place.ask.delete_tags("of:c") == 1
    await place.call(function)
    assert len(runs) == 3


async def test_runs_and_replays_are_told(heard, made):
    """A miss for a run, a hit for a replay, at its first item."""
    function = made(heard, [1])
    await heard.call(function)
    heard.clock.advance(5)
    await heard.call(function)
    assert [(one.result, one.strategy, one.age) for one in heard.told(CacheLookup)] == [
        ("miss", "iterator", None),
        ("hit", "iterator", 5),
    ]


async def test_a_replay_that_is_left_hurts_nobody(place, runs, made):
    """The next one is whole."""
    function = made(place)
    await place.call(function)
    items = function()
    await place.next_of(items)
    await place.close(items)
    assert await place.call(function) == ITEMS
    assert len(runs) == 1


def test_a_function_that_returns_is_refused():
    """It yields nothing that could pass; other decorators are for it."""

    def function():
        return [1, 2]

    async def function_async():
        return [1, 2]

    for one in (function, function_async):
        with pytest.raises(ConfigurationError, match="no generator function"):
            Cache("mem://").iterator(ttl="30m")(one)


def test_an_abandoned_generator_says_nothing(colour, caplog):
    """Never begun, or left in the middle and collected with its loop: no warning, no error, nothing kept."""
    cache = Cache("mem://")
    if colour == "async":

        @cache.iterator(ttl="30m")
        async def function():
            yield 1
            yield 2

        async def main():
            function()
            items = function()
            assert await anext(items) == 1

        asyncio.run(main())
    else:

        @cache.iterator(ttl="30m")
        def function():
            yield 1
            yield 2

        function()
        items = function()
        assert next(items) == 1
        del items
    with caplog.at_level(logging.WARNING):
        gc.collect()
    assert caplog.records == []
    assert list(cache.blocking.scan()) == []
