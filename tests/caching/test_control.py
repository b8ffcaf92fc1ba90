"""Switching commands off, for a stretch of a program and for good, and what decorated calls do then."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import httpx
import pytest

from resilient import Cache, Command, ConfigurationError, Policy, ResilientClient, ResponseCache
from resilient.events import CacheLookup, CacheStored

DECORATORS = {
    "simple": lambda cache, **more: cache(ttl=100, **more),
    "early": lambda cache, **more: cache.early(ttl=100, early_ttl=50, **more),
    "soft": lambda cache, **more: cache.soft(ttl=100, soft_ttl=50, **more),
    "locked": lambda cache, **more: cache.locked(ttl=100, **more),
    "failover": lambda cache, **more: cache.failover(ttl=100, **more),
    "hit": lambda cache, **more: cache.hit(ttl=100, cache_hits=100, **more),
}


@pytest.fixture(params=DECORATORS)
def decorator(request):
    return DECORATORS[request.param]


@pytest.fixture
def made():
    """Makes a function of a colour that returns the number of its calls, decorated."""

    def made(world, decorator):
        calls = []

        @decorator
        @world.function
        async def function(key="k"):
            calls.append(key)
            return [len(calls)]

        function.calls = calls
        return function

    return made


# --- what is off does nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["get", Command.GET])
async def test_without_get_each_call_executes_and_is_stored(heard, made, decorator, name):
    """By any strategy: it does not read, and what it makes is there for those who read again."""
    function = made(heard, decorator(heard.cache))
    assert await heard.call(function) == [1]
    with heard.cache.disabling(name):
        assert [await heard.call(function) for _ in range(2)] == [[2], [3]]
    assert await heard.call(function) == ([4] if decorator is DECORATORS["failover"] else [3])
    assert [event.result for event in heard.told(CacheLookup)][1:3] == ["bypass", "bypass"]


async def test_without_get_nobody_joins_an_execution_under_way(scene, made, decorator):
    """Nor is joined: what it would get might be from before."""
    calls = []

    @decorator(scene.cache)
    @scene.function
    async def function():
        calls.append(scene.now)
        number = len(calls)
        await scene.sleep(1)
        return number

    async def aside():
        await scene.sleep(0.5)
        with scene.cache.disabling("get"):
            return await scene.call(function)

    answers = await scene.all_at_once(lambda: scene.call(function), aside, aside)
    assert sorted(answers) == [1, 2, 3]
    assert calls == pytest.approx([0, 0.5, 0.5])


async def test_without_get_nothing_stands_in_for_a_failure(place, made):
    """The old value of ``failover`` is not read either, and the error reaches the caller."""
    broken = []

    @place.cache.failover(ttl=100, retry_after=50)
    @place.function
    async def function():
        if broken:
            raise ConnectionError
        return 1

    await place.call(function)
    broken.append(1)
    assert await place.call(function) == 1
    with place.cache.disabling("get"), pytest.raises(ConnectionError):
        await place.call(function)
    assert await place.call(function) == 1


async def test_without_get_a_generator_runs_and_is_kept(place):
    """As other functions."""
    runs = []

    @place.cache.iterator(ttl=100)
    @place.generator
    def function():
        runs.append(1)
        yield len(runs)

    assert await place.call(function) == [1]
    with place.cache.disabling("get"):
        assert await place.call(function) == [2]
    assert await place.call(function) == [2]


async def test_without_get_and_set_nothing_is_touched(heard, made, decorator):
    """Each call executes, and what was kept before is there afterwards."""
    function = made(heard, decorator(heard.cache))
    await heard.call(function)
    with heard.cache.disabling("get", "set"):
        assert [await heard.call(function) for _ in range(2)] == [[2], [3]]
    assert await heard.call(function) == ([4] if decorator is DECORATORS["failover"] else [1])
    assert [event.detail for event in heard.told(CacheStored)][1:3] == ["disabled", "disabled"]


@pytest.mark.parametrize("name", ["early", "soft"])
async def test_without_set_nothing_is_made_behind_a_caller(place, made, name):
    """It could not be kept, so the value is served as long as it is good, and nobody makes another one in vain."""
    function = made(place, DECORATORS[name](place.cache))
    await place.call(function)
    place.clock.advance(60)
    with place.cache.disabling("set"):
        assert [await place.call(function) for _ in range(3)] == [[1]] * 3
        await place.settled()
    assert function.calls == ["k"]
    assert await place.call(function) == [1]
    await place.settled()
    assert await place.call(function) == [2]


OFF = [
    ("get", lambda ask: ask.get("k", "default"), "default"),
    ("set", lambda ask: ask.set("k", 5), False),
    ("delete", lambda ask: ask.delete("k"), False),
    ("get_many", lambda ask: ask.get_many("k", "n", default="default"), ("default", "default")),
    ("set_many", lambda ask: ask.set_many({"k": 5}), None),
    ("delete_many", lambda ask: ask.delete_many("k"), 0),
    ("exists", lambda ask: ask.exists("k"), False),
    ("expire", lambda ask: ask.expire("k", 5), False),
    ("get_expire", lambda ask: ask.get_expire("k"), None),
    ("incr", lambda ask: ask.incr("n"), 0),
    ("scan", lambda ask: ask.scan(), []),
    ("get_match", lambda ask: ask.get_match(), []),
    ("delete_match", lambda ask: ask.delete_match("*"), 0),
    ("delete_tags", lambda ask: ask.delete_tags("t"), 0),
    ("clear", lambda ask: ask.clear(), None),
]


@pytest.mark.parametrize(("name", "command", "answer"), OFF, ids=[name for name, *_ in OFF])
async def test_a_command_that_is_off_answers_as_if_nothing_were_kept(place, name, command, answer):
    """And does nothing; all others work on."""
    await place.ask.set("k", "v", ttl=100, tags=["t"])
    await place.ask.incr("n")
    with place.cache.disabling(name):
        assert await command(place.ask) == answer
    assert await place.ask.get_many("k", "n") == ("v", 1)
    assert await place.ask.get_expire("k") == 100
    with place.cache.disabling(*(other for other in Command if other != name)):
        assert await command(place.ask) != answer or name in {"set_many", "clear"}


async def test_all_commands_may_be_off_at_once(place, made, decorator):
    """By no name at all."""
    function = made(place, decorator(place.cache))
    await place.call(function)
    with place.cache.disabling():
        assert not any(place.cache.is_enabled(command) for command in Command)
        assert await place.call(function) == [2]
        assert await place.ask.scan() == []


@pytest.mark.parametrize("wrong", ["gets", "GET", "", 5, None])
def test_a_name_that_is_none_is_refused_with_the_nearest(wrong):
    """By all that take one, before anything is switched."""
    cache = Cache("mem://")
    for switch in (cache.disabling, cache.disable, cache.enable, cache.is_enabled):
        with pytest.raises(ConfigurationError, match=r"did you mean 'get'\?|get" if wrong == "gets" else "command"):
            switch(wrong)
    with pytest.raises(ConfigurationError):
        cache.setup("mem://", disable=["set", wrong])
    assert all(cache.is_enabled(command) for command in Command)


# --- where it holds ----------------------------------------------------------------------------------------------


def test_blocks_can_be_nested_and_end_however_they_end():
    """Each restores what held before it, after an error too; one object may be entered again, and within itself."""
    cache = Cache("mem://")

    def off():
        return {command for command in Command if not cache.is_enabled(command)}

    with cache.disabling("get") as outer:
        with suppress(ConnectionError), cache.disabling("set"):
            assert off() == {"get", "set"}
            raise ConnectionError
        assert off() == {"get"}
        with cache.disabling("get"):
            pass
        assert off() == {"get"}
        with outer:
            assert off() == {"get"}
        assert off() == {"get"}
    assert off() == set()
    with outer:
        assert off() == {"get"}
    assert off() == set()


def test_asynchronous_blocks_do_the_same():
    """``async with`` is no different."""
    cache = Cache("mem://")

    async def main():
        with suppress(ConnectionError):
            async with cache.disabling("get"):
                async with cache.disabling(Command.SET):
                    assert not cache.is_enabled("set")
                assert (cache.is_enabled("get"), cache.is_enabled("set")) == (False, True)
                raise ConnectionError
        assert cache.is_enabled("get")

    asyncio.run(main())


def test_tasks_that_are_started_in_a_block_inherit_it_and_others_do_not_see_it():
    """Also those that outlive it; a task that runs meanwhile sees nothing of it."""
    cache, calls = Cache("mem://"), []

    @cache(ttl=100)
    async def function():
        calls.append(1)
        return len(calls)

    async def main():
        inside, goes_on = asyncio.Event(), asyncio.Event()

        async def other():
            await inside.wait()
            assert cache.is_enabled("get")
            assert await function() == 1
            goes_on.set()

        async def late():
            await goes_on.wait()
            assert not cache.is_enabled("get")
            return await function()

        await function()
        task = asyncio.create_task(other())
        async with cache.disabling("get"):
            inside.set()
            started = asyncio.create_task(late())
            await task
            assert await asyncio.to_thread(cache.is_enabled, "get") is False
        assert await started == 2

    asyncio.run(main())


def test_one_object_may_be_used_by_many_tasks_at_once():
    """Each has its own beginning and end of it, in whatever order they come."""
    cache = Cache("mem://")
    shared = cache.disabling("get")

    async def task(begins, ends):
        await asyncio.sleep(begins)
        async with shared:
            await asyncio.sleep(ends - begins)
            assert not cache.is_enabled("get")
        assert cache.is_enabled("get")

    async def main():
        await asyncio.gather(task(0, 0.02), task(0.01, 0.03), task(0.015, 0.025))

    asyncio.run(main())


def test_a_block_is_one_threads_own():
    """Another thread sees nothing of it, and one cache's is not another's."""
    cache, other = Cache("mem://"), Cache("mem://")
    seen = []
    with cache.disabling("get"):
        thread = threading.Thread(target=lambda: seen.append(cache.is_enabled("get")))
        thread.start()
        thread.join()
        assert other.is_enabled("get")
        assert not cache.is_enabled("get")
    assert seen == [True]


async def test_what_is_disabled_stays_so_until_it_is_enabled(place, made, decorator):
    """In every task and thread."""
    function = made(place, decorator(place.cache))
    await place.call(function)
    place.cache.disable("get", Command.SET)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(place.cache.is_enabled("get")))
    thread.start()
    thread.join()
    assert seen == [False]
    assert [await place.call(function) for _ in range(2)] == [[2], [3]]
    place.cache.enable("get")
    assert (place.cache.is_enabled("get"), place.cache.is_enabled("set")) == (True, False)
    place.cache.enable()
    assert all(place.cache.is_enabled(command) for command in Command)
    assert await place.call(function) == ([4] if decorator is DECORATORS["failover"] else [1])


async def test_commands_may_be_off_for_some_keys(place, made):
    """Those that start with a prefix; of several keys those that it concerns."""
    ask = place.ask
    await ask.set_many({"users:1": 1, "items:1": 1})
    place.cache.disable(prefix="users:")
    assert not place.cache.is_enabled("get", prefix="users:")
    assert place.cache.is_enabled("get")
    assert place.cache.is_enabled("get", prefix="items:")
    assert (await ask.get("users:1"), await ask.get("items:1")) == (None, 1)
    assert await ask.get_many("items:1", "users:1") == (1, None)
    assert await ask.get_many("users:1", "items:1", default=0) == (0, 1)
    await ask.set_many({"items:2": 2, "users:2": 2})
    assert await ask.delete_many("items:2", "users:1") == 1
    assert await ask.delete_many("users:1", "items:1") == 1
    place.cache.enable("get", "get_many", prefix="users:")
    assert await ask.get_many("users:1", "users:2", "items:1", "items:2") == (1, None, None, None)
    function = made(place, place.cache(ttl=100, key="users:{key}"))
    assert [await place.call(function) for _ in range(2)] == [[1], [2]]


@pytest.mark.parametrize(("disable", "answers"), [(True, [1, 2]), (["get"], [1, 2]), ([], [1, 1]), (False, [1, 1])])
async def test_a_store_may_be_set_up_with_commands_off(place, made, disable, answers):
    """For the keys that it keeps, until they are enabled; other stores are not concerned."""
    cache = place.cache
    cache.setup("mem://", prefix="users:", disable=disable, store_budget=None)
    users, items = (made(place, cache(ttl=100, key=f"{kind}:{{key}}")) for kind in ("users", "items"))
    assert [(await place.call(users))[0] for _ in range(2)] == answers
    assert [(await place.call(items))[0] for _ in range(2)] == [1, 1]
    cache.enable(prefix="users:")
    before = len(users.calls)
    await place.call(users)
    await place.call(users)
    assert len(users.calls) <= before + 1
    cache.setup("mem://", prefix="users:", disable=["set"])
    assert not cache.is_enabled("set", prefix="users:")
    assert cache.is_enabled("get", prefix="users:")
    cache.setup("mem://", prefix="users:")
    assert cache.is_enabled("set", prefix="users:")


def test_a_client_whose_store_is_a_cache_is_under_its_control():
    """What is switched off for the cache is so for answers: nothing is read from it, and nothing written to it."""
    cache, asked = Cache("mem://"), []

    def handler(request):
        asked.append(request)
        return httpx.Response(200, text=str(len(asked)))

    policy = Policy(cache=ResponseCache(ttl="1m"))
    with ResilientClient(transport=httpx.MockTransport(handler), policies=policy, store=cache) as client:
        assert [client.get("https://api.test/").text for _ in range(2)] == ["1", "1"]
        with cache.disabling("get"):
            assert client.get("https://api.test/").text == "2"
        assert client.get("https://api.test/").text == "2"
        with cache.disabling("get", "set"):
            assert client.get("https://api.test/").text == "3"
        assert client.get("https://api.test/").text == "2"
