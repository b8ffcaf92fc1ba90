"""When a kept value is served and when a new one is made, by each decorator of a cache."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest

from resilient import Cache, ConfigurationError, LockedError
from resilient.events import BackgroundFailed, CacheLookup, CacheRefreshed, CacheStored
from resilient.testing import FakeClock

ALL = {
    "simple": lambda cache, **more: cache(ttl="1m", **more),
    "early": lambda cache, **more: cache.early(ttl="1m", early_ttl="30s", **more),
    "soft": lambda cache, **more: cache.soft(ttl="1m", soft_ttl="30s", **more),
    "locked": lambda cache, **more: cache.locked(ttl="1m", **more),
    "failover": lambda cache, **more: cache.failover(ttl="1m", retry_after="1m", **more),
    "hit": lambda cache, **more: cache.hit(ttl="1m", cache_hits=100, **more),
    "dynamic": lambda cache, **more: cache.dynamic(ttl="1m", **more),
    "simple, locked": lambda cache, **more: cache(ttl="1m", lock=True, **more),
}
SERVING = [name for name in ALL if name not in {"failover", "dynamic"}]
"""Those that serve what is kept, at first without another call."""


@pytest.fixture(params=ALL)
def strategy(request):
    return ALL[request.param]


@pytest.fixture(params=SERVING)
def serving(request):
    return ALL[request.param]


class Source:
    """What a function is made of: counts its calls and returns their number in a list; fails if it is told to."""

    def __init__(self):
        self.calls = []
        self.error = None

    def __call__(self, *args):
        self.calls.append(args)
        if self.error is not None:
            raise self.error
        return [len(self.calls), *args]


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def made(source):
    """Makes a function of a colour over the source, decorated."""

    def made(world, decorator):
        @decorator
        @world.function
        async def function(key: str = "k"):
            return source(key)

        return function

    return made


# --- @cache ------------------------------------------------------------------------------------------------------


async def test_a_result_is_kept_for_its_time(place, source, made):
    """One execution until the last moment of the hour, another one from then on; each argument has its own."""
    function = made(place, place.cache(ttl="1h"))
    assert await place.call(function, "a") == [1, "a"]
    place.clock.advance(3599.9)
    assert await place.call(function, "a") == [1, "a"]
    assert await place.call(function, "b") == [2, "b"]
    place.clock.advance(0.2)
    assert await place.call(function, "a") == [3, "a"]


@pytest.mark.parametrize("ttl", [1.5, "1500ms", timedelta(seconds=1.5), lambda key: 1.5, lambda result: "1500ms"])
async def test_a_time_has_many_forms(place, source, made, ttl):
    """Seconds, text, a timedelta, and functions of the call and of its result mean the same."""
    function = made(place, place.cache(ttl=ttl))
    await place.call(function)
    place.clock.advance(1.4)
    assert await place.call(function) == [1, "k"]
    place.clock.advance(0.2)
    assert await place.call(function) == [2, "k"]


@pytest.mark.parametrize("ttl", ["1h30", "", 0, -1, "soon", None])
def test_a_wrong_time_is_refused_when_it_is_given(ttl):
    """Not at the first call."""

    def function(key):
        return key

    with pytest.raises(ConfigurationError, match="ttl"):
        Cache("mem://")(ttl=ttl)(function)


@pytest.mark.parametrize("value", [None, "", 0, False, [], b"", 0.0, {}])
async def test_a_value_that_is_false_is_a_value(place, serving, value):
    """It is kept and comes back as what it was; above all, None does."""
    calls = []

    @serving(place.cache)
    @place.function
    async def function():
        calls.append(1)
        return value

    answers = [await place.call(function) for _ in range(2)]
    assert (answers, [type(answer) for answer in answers]) == ([value] * 2, [type(value)] * 2)
    assert len(calls) == 1


async def test_a_condition_decides_what_is_kept(heard, source, made, strategy):
    """Every strategy asks it; what does not meet it goes its way, and the reason is told."""
    function = made(heard, strategy(heard.cache, condition=lambda result: result[0] > 2))
    assert [(await heard.call(function))[0] for _ in range(3)] == [1, 2, 3]
    source.error = ConnectionError()
    assert (await heard.call(function))[0] == 3
    assert [one.detail for one in heard.told(CacheStored)] == ["condition", "condition", None]


async def test_a_condition_may_know_the_call(place, source, made):
    """Its arguments and its key, by their names."""
    seen = []

    def condition(result, args, kwargs, key):
        seen.append((result, args, dict(kwargs), key))
        return False

    function = made(place, place.cache(ttl="1m", key="items:{key}", condition=condition))
    await place.call(function, "a")
    await place.call(function, key="b")
    assert seen == [([1, "a"], ("a",), {}, "items:a"), ([2, "b"], (), {"key": "b"}, "items:b")]


async def test_none_may_be_left_out(place):
    """By the word for it."""
    calls = []

    @place.cache(ttl="1m", condition="not_none")
    @place.function
    async def function():
        calls.append(1)
        return None if len(calls) < 2 else "found"

    assert [await place.call(function) for _ in range(3)] == [None, "found", "found"]


async def test_tags_let_a_group_go(place, source, made, serving):
    """Of every strategy; they are templates of the call, and other groups stay."""
    function = made(place, serving(place.cache, tags=["all", "of:{key}"]))
    for key in ("a", "b"):
        await place.call(function, key)
    assert await place.ask.delete_tags("of:a") == 1
    assert [(await place.call(function, key))[0] for key in ("a", "b")] == [3, 2]
    await place.ask.delete_tags("all")
    assert [(await place.call(function, key))[0] for key in ("a", "b")] == [4, 5]


async def test_a_key_lets_go_of_what_every_strategy_keeps(place, source, made, strategy):
    """``delete`` and ``delete_match`` take the key as the template makes it, whoever keeps it."""
    function = made(place, strategy(place.cache, key="items:{key}"))
    for key in ("a", "b", "c"):
        await place.call(function, key)
    assert await place.ask.delete("items:a") is True
    assert await place.ask.delete_match("items:b*") >= 1
    source.error = ConnectionError()
    for key in ("a", "b"):
        with pytest.raises(ConnectionError):
            await place.call(function, key)
    assert await place.call(function, "c") == [3, "c"]


async def test_jitter_shortens_a_life_by_its_share_at_most(place, source, made):
    """A hundred keys written at once are all there at 90 % of their time, none at its end, and do not end together."""
    function = made(place, place.cache(ttl=100, jitter=0.1))
    keys = [f"k{number}" for number in range(40)]
    for key in keys:
        await place.call(function, key)
    lives = [await place.ask.get_expire(name) for name in sorted(await place.ask.scan())]
    assert all(90 <= life <= 100 for life in lives)
    assert len({round(life, 3) for life in lives}) > 20


@pytest.mark.parametrize("kind", [ValueError, (ValueError, ConnectionError)])
async def test_chosen_errors_are_kept_like_results(place, source, made, serving, kind):
    """They are raised again without a call, with their arguments; others are not kept."""
    function = made(place, serving(place.cache, errors=kind))
    source.error = ValueError("no such thing", 404)
    raised = []
    for _ in range(3):
        with pytest.raises(ValueError, match="no such thing") as caught:
            await place.call(function)
        raised.append(caught.value.args)
    assert raised == [("no such thing", 404)] * 3
    assert len(source.calls) == 1
    source.error = KeyError("k")
    for _ in range(2):
        with pytest.raises(KeyError):
            await place.call(function, "other")
    assert len(source.calls) == 3


async def test_a_kept_error_is_subject_to_the_condition_and_the_time(place, source, made):
    """Both see it as the result."""
    function = made(
        place,
        place.cache(
            ttl=lambda result: 10 if isinstance(result, Exception) else 100,
            errors=ValueError,
            condition=lambda result: not isinstance(result, Exception) or result.args == ("keep",),
        ),
    )
    source.error = ValueError("drop")
    for _ in range(2):
        with pytest.raises(ValueError, match="drop"):
            await place.call(function)
    source.error = ValueError("keep")
    for _ in range(2):
        with pytest.raises(ValueError, match="keep"):
            await place.call(function)
    assert len(source.calls) == 3
    source.error = None
    place.clock.advance(11)
    await place.call(function)
    place.clock.advance(99)
    assert await place.call(function) == [4, "k"]


async def test_no_caller_can_change_what_another_one_gets(place, source, made, strategy):
    """Neither the maker of a value, nor who was served one, by changing it."""
    function = made(place, strategy(place.cache))
    for _ in range(3):
        answer = await place.call(function)
        assert answer[1:] == ["k"]
        answer.append("changed")
    source.error = ConnectionError()
    assert "changed" not in await place.call(function)


async def test_what_cannot_be_kept_goes_its_way(heard, strategy, caplog):
    """A generator is a result like any other, only that no store can keep it; that is told, and logged without it."""

    @strategy(heard.cache)
    @heard.function
    async def function():
        return (number for number in range(3))

    with caplog.at_level(logging.WARNING):
        found = function()
        assert list(await found if heard.colour == "async" else found) == [0, 1, 2]
    assert [one.detail for one in heard.told(CacheStored)] == ["unencodable"]
    assert "function" in caplog.text


# --- keys --------------------------------------------------------------------------------------------------------


async def test_spellings_of_one_call_are_one(place, serving):
    """By place, by name, and by default."""
    calls = []

    @serving(place.cache)
    @place.function
    async def function(a, b=2, *, c="x"):
        calls.append((a, b, c))
        return len(calls)

    spelt = [((1,), {}), ((1, 2), {}), ((), {"a": 1}), ((1,), {"b": 2, "c": "x"}), ((), {"c": "x", "b": 2, "a": 1})]
    with place.cache.detect() as detected:
        for args, kwargs in spelt:
            await place.call(function, *args, **kwargs)
    assert len(detected.keys) == 1
    assert [call.outcome for call in detected] == ["miss", *["hit"] * 4]
    assert len(calls) == 1


async def test_arguments_that_do_not_fit_are_the_functions_own_error(place, source, made, strategy):
    """A TypeError in the words that people know, and no call."""
    function = made(place, strategy(place.cache))
    with pytest.raises(TypeError, match="takes from 0 to 1 positional arguments but 2 were given"):
        await place.call(function, 1, 2)
    assert source.calls == []


class Shop:
    """Methods of every kind, decorated in both orders."""

    def __init__(self, name):
        self.name = name


def shop_of(cache, decorate, colour):
    """A class with methods of that colour."""
    if colour == "async":

        class Methods(Shop):
            @decorate(cache, key="{self.name}:{item}")
            async def method(self, item):
                return [self.name, item, time.perf_counter()]

            @decorate(cache, key="outside:{item}")
            @classmethod
            async def outside(cls, item):
                return [cls.__name__, item, time.perf_counter()]

            @classmethod
            @decorate(cache, key="inside:{item}")
            async def inside(cls, item):
                return [cls.__name__, item, time.perf_counter()]

            @decorate(cache)
            @staticmethod
            async def static_outside(item):
                return [item, time.perf_counter()]

            @staticmethod
            @decorate(cache)
            async def static_inside(item):
                return [item, time.perf_counter()]

    else:

        class Methods(Shop):
            @decorate(cache, key="{self.name}:{item}")
            def method(self, item):
                return [self.name, item, time.perf_counter()]

            @decorate(cache, key="outside:{item}")
            @classmethod
            def outside(cls, item):
                return [cls.__name__, item, time.perf_counter()]

            @classmethod
            @decorate(cache, key="inside:{item}")
            def inside(cls, item):
                return [cls.__name__, item, time.perf_counter()]

            @decorate(cache)
            @staticmethod
            def static_outside(item):
                return [item, time.perf_counter()]

            @staticmethod
            @decorate(cache)
            def static_inside(item):
                return [item, time.perf_counter()]

    return Methods


async def test_methods_of_every_kind_are_functions_like_others(place, serving):
    """Class and static methods with the decorator on either side, called on the class and on an object."""
    shops = shop_of(place.cache, serving, place.colour)
    ann, bob = shops("ann"), shops("bob")
    first = await place.call(ann.method, 1)
    assert await place.call(shops("ann").method, 1) == first
    assert (await place.call(bob.method, 1))[0] == "bob"
    for name in ("outside", "inside", "static_outside", "static_inside"):
        answers = [await place.call(getattr(owner, name), 1) for owner in (shops, ann, bob)]
        assert answers == [answers[0]] * 3
        assert (await place.call(getattr(shops, name), 2))[-1] != answers[0][-1]


async def test_an_object_without_a_lasting_name_is_refused_with_the_way_out(place):
    """``self`` by default has none: its address would be another one's tomorrow."""

    class Owner:
        @place.cache(ttl="1m")
        def method(self, item):
            return item

    with pytest.raises(ConfigurationError, match=r"name what matters of it, as in key='\.\.\.\{self\.id\}'"):
        Owner().method(1)


# --- soft and early ----------------------------------------------------------------------------------------------

AHEAD = {
    "early": (lambda cache, **more: cache.early(ttl=100, early_ttl=50, **more), "hit"),
    "soft": (lambda cache, **more: cache.soft(ttl=100, soft_ttl=50, **more), "stale"),
}


@pytest.fixture(params=AHEAD)
def ahead(request):
    return AHEAD[request.param][0]


async def test_between_the_two_times_nobody_waits_and_one_makes_it_anew(scene, ahead):
    """A recompute takes a second: forty who call at once get the old value in no time, and it is made once."""
    calls = []

    @ahead(scene.cache)
    @scene.function
    async def function():
        calls.append(scene.now)
        if len(calls) > 1:
            await scene.sleep(1)
        return len(calls)

    async def caller():
        began = scene.now
        return await scene.call(function), scene.now - began

    await caller()
    await scene.sleep(49.9)
    assert await caller() == (1, 0)
    await scene.sleep(0.2)
    assert await scene.all_at_once(*[caller] * 40) == [(1, 0)] * 40
    await scene.sleep(0.9)
    assert await caller() == (1, 0)
    await scene.sleep(0.2)
    assert await caller() == (2, 0)
    assert calls == pytest.approx([0, 50.1])


async def test_what_was_made_anew_is_fresh_from_then_on(place, source, made, ahead):
    """Both its times begin again; after the second of them it is gone, and the caller waits."""
    function = made(place, ahead(place.cache))
    await place.call(function)
    place.clock.advance(60)
    assert await place.call(function) == [1, "k"]
    await place.settled()
    place.clock.advance(49)
    assert await place.call(function) == [2, "k"]
    place.clock.advance(52)
    assert await place.call(function) == [3, "k"]


@pytest.mark.parametrize(("name", "result"), [(name, result) for name, (_, result) in AHEAD.items()])
async def test_what_happens_ahead_is_told(heard, source, made, name, result):
    """``early`` calls it a hit, since the value is good until its end; ``soft`` says that it is stale."""
    function = made(heard, AHEAD[name][0](heard.cache))
    await heard.call(function)
    heard.clock.advance(60)
    await heard.call(function)
    await heard.settled()
    await heard.call(function)
    assert [(one.result, one.strategy, one.age) for one in heard.told(CacheLookup)] == [
        ("miss", name, None),
        (result, name, 60),
        ("hit", name, 0),
    ]
    assert [one.strategy for one in heard.told(CacheRefreshed)] == [name]
    if heard.colour == "async":
        stats = await heard.cache.stats()
        assert stats.by_strategy[name] == Counter(["miss", result, "hit"])


@pytest.mark.parametrize("name", AHEAD)
async def test_a_failure_in_the_background_keeps_the_old_value_and_is_tried_again(heard, source, made, caplog, name):
    """After 1 s, 2 s, 4 s and so on up to 30 s; each failure is one event and one line, and the value is served."""
    decorator = getattr(heard.cache, name)
    function = made(heard, decorator(ttl=200, **{f"{name}_ttl": 50}))
    await heard.call(function)
    heard.clock.advance(60)
    source.error = ConnectionError("secret")
    tried = []
    with caplog.at_level(logging.WARNING):
        for half in range(250):
            before = len(source.calls)
            assert await heard.call(function) == [1, "k"]
            await heard.settled()
            if len(source.calls) > before:
                tried.append(half / 2)
            heard.clock.advance(0.5)
    assert tried == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    failed = heard.told(BackgroundFailed)
    assert [(one.what, one.error) for one in failed] == [("refresh", "ConnectionError")] * 9
    assert failed[0].function.endswith("function")
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 1  # all within ten seconds of the machine's own clock
    assert "secret" not in "".join(warned)
    heard.clock.advance(20)
    with pytest.raises(ConnectionError):
        await heard.call(function)


async def test_a_success_ends_the_pauses(place, source, made, ahead):
    """In the background or before a caller's eyes: the next failure is again followed by a pause of 1 s."""
    function = made(place, ahead(place.cache))
    await place.call(function)
    place.clock.advance(55)
    source.error = ConnectionError()
    for _ in range(4):
        await place.call(function)
        await place.settled()
        place.clock.advance(10)
    source.error = None
    place.clock.advance(10)
    await place.call(function)
    source.error = ConnectionError()
    place.clock.advance(55)
    await place.call(function)
    await place.settled()
    calls = len(source.calls)
    place.clock.advance(1.1)
    await place.call(function)
    await place.settled()
    assert len(source.calls) == calls + 1


async def test_a_result_that_may_not_be_kept_leaves_the_old_one(place, ahead):
    """The condition holds in the background too."""
    results = [1, None, 3]

    @ahead(place.cache, condition="not_none")
    @place.function
    async def function():
        return results.pop(0)

    assert await place.call(function) == 1
    place.clock.advance(60)
    assert await place.call(function) == 1
    await place.settled()
    assert await place.call(function) == 1
    await place.settled()
    assert await place.call(function) == 3


async def test_background_work_has_no_part_in_what_its_caller_does(place, source, made, ahead):
    """A transaction that is rolled back takes a value along that was made in it, but none that was made behind it."""
    function = made(place, ahead(place.cache))
    await place.call(function)
    place.clock.advance(60)
    if place.colour == "async":
        async with place.cache.transact() as transaction:
            await place.call(function)
            await place.settled()
            await transaction.rollback()
    else:
        with place.cache.transact() as transaction:
            await place.call(function)
            await place.settled()
            transaction.rollback()
    assert await place.call(function) == [2, "k"]


@pytest.mark.slow
def test_the_end_of_a_cache_leaves_no_task(ahead):
    """Closed in the middle of a recompute, which is given its time and cancelled then; no warning, no task."""

    async def main():
        clock = FakeClock()
        cache = Cache("mem://", clock=clock)
        ended = []

        @ahead(cache)
        async def function():
            if clock.now() > 1_001:
                try:
                    await asyncio.sleep(3600)
                finally:
                    ended.append(True)

        await function()
        clock.advance(60)
        await function()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) > 1
        await cache.aclose()
        assert ended == [True]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main(), debug=True)


def test_a_second_event_loop_works_as_the_first_one_did(ahead):
    """A recompute that its loop left unfinished keeps nobody from making the value in the next loop."""
    clock, calls = FakeClock(), []
    cache = Cache("mem://", clock=clock)

    @ahead(cache)
    async def function():
        calls.append(len(calls))
        if len(calls) == 2:
            await asyncio.Event().wait()
        return len(calls)

    async def first():
        await function()
        clock.advance(60)
        await function()
        await asyncio.sleep(0)

    async def second():
        assert await function() == 1
        while len(calls) < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await function() == 3
        await cache.aclose()

    asyncio.run(first())
    assert len(calls) == 2
    # The lease of the one that was cut off may still be held.
    clock.advance(6)
    asyncio.run(second())


def test_a_closed_cache_leaves_no_thread(ahead):
    """Nor does it keep one from going on; calls still work afterwards."""
    clock = FakeClock()
    cache, calls, goes_on = Cache("mem://", clock=clock), [], threading.Event()

    @ahead(cache)
    def function():
        calls.append(threading.current_thread())
        if len(calls) == 2:
            assert goes_on.wait(60)
        return len(calls)

    function()
    clock.advance(60)
    assert function() == 1
    while len(calls) < 2:
        time.sleep(0.001)
    goes_on.set()
    cache.close()
    calls[1].join(60)
    while any(thread.name.startswith("resilient") for thread in threading.enumerate()):
        time.sleep(0.001)
    assert function() > 1


@pytest.mark.parametrize("wrong", [{"soft_ttl": 60}, {"soft_ttl": 61}, {"soft_ttl": "1m"}])
def test_the_first_time_has_to_be_the_shorter_one(wrong):
    """Refused at decoration, by both."""

    def function():
        pass

    cache = Cache("mem://")
    with pytest.raises(ConfigurationError, match="soft_ttl"):
        cache.soft(ttl=60, **wrong)(function)
    with pytest.raises(ConfigurationError, match="early_ttl"):
        cache.early(ttl=60, early_ttl=wrong["soft_ttl"])(function)


# --- failover ----------------------------------------------------------------------------------------------------


async def test_the_last_good_value_stands_in_for_a_failure(heard, source, made):
    """Each call executes; when that fails, the newest good value comes, with its age, until its time is over."""
    function = made(heard, heard.cache.failover(ttl="6h"))
    assert await heard.call(function) == [1, "k"]
    heard.clock.advance(60)
    assert await heard.call(function) == [2, "k"]
    source.error = ConnectionError("down")
    heard.clock.advance(3600)
    with heard.cache.detect() as detected:
        assert await heard.call(function) == [2, "k"]
    (call,) = detected
    assert (call.outcome, call.strategy, call.age) == ("stale", "failover", 3600)
    heard.clock.advance(5 * 3600 + 1)
    with pytest.raises(ConnectionError, match="down"):
        await heard.call(function)
    assert len(source.calls) == 4


async def test_without_a_good_value_a_failure_is_a_failure(place, source, made):
    """The function's own error, and nothing is kept of it."""
    function = made(place, place.cache.failover(ttl="6h"))
    source.error = ConnectionError("down")
    with pytest.raises(ConnectionError, match="down") as caught:
        await place.call(function)
    assert caught.value is source.error
    source.error = None
    assert await place.call(function) == [2, "k"]


async def test_only_chosen_errors_are_excused(place, source, made):
    """Of others the caller hears at once."""
    function = made(place, place.cache.failover(ttl="6h", exceptions=(ConnectionError, KeyError)))
    await place.call(function)
    source.error = ConnectionResetError()
    assert await place.call(function) == [1, "k"]
    source.error = ValueError("a mistake")
    with pytest.raises(ValueError, match="a mistake"):
        await place.call(function)


def test_what_is_no_class_of_errors_is_refused():
    """Nor is one that nobody should catch."""
    for wrong in (ValueError("x"), "ValueError", [ValueError], BaseException, KeyboardInterrupt):
        with pytest.raises(ConfigurationError, match="exceptions"):
            Cache("mem://").failover(ttl=1, exceptions=wrong)


async def test_after_a_failure_the_function_may_be_left_alone(place, source, made):
    """For ``retry_after``, if something is kept; and a success makes an end of it."""
    function = made(place, place.cache.failover(ttl="6h", retry_after=10))
    source.error = ConnectionError()
    with pytest.raises(ConnectionError):
        await place.call(function)
    source.error = None
    assert await place.call(function) == [2, "k"]
    assert await place.call(function) == [3, "k"]
    source.error = ConnectionError()
    assert await place.call(function) == [3, "k"]
    place.clock.advance(9)
    assert await place.call(function) == [3, "k"]
    assert len(source.calls) == 4
    place.clock.advance(2)
    source.error = None
    assert await place.call(function) == [5, "k"]
    assert await place.call(function) == [6, "k"]


async def test_a_cancelled_call_is_no_failure(scene):
    """Nobody wants the old value then."""
    if scene.colour == "blocking":
        return
    calls = []

    @scene.cache.failover(ttl="6h")
    async def function():
        calls.append(1)
        if len(calls) > 1:
            await scene.sleep(100)

    await function()
    task = asyncio.create_task(function())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- hit, dynamic ------------------------------------------------------------------------------------------------


async def test_a_value_is_served_so_many_times(place, source, made):
    """Three times, for all that share the store; then it is made anew, and counted from the start."""
    function = made(place, place.cache.hit(ttl="1h", cache_hits=3))
    assert [(await place.call(function))[0] for _ in range(9)] == [1, 1, 1, 1, 2, 2, 2, 2, 3]
    place.clock.advance(3601)
    assert [(await place.call(function))[0] for _ in range(5)] == [4, 4, 4, 4, 5]


async def test_a_value_is_made_anew_behind_its_last_hits(place, source, made):
    """After ``update_after`` hits nobody waits for the next value."""
    function = made(place, place.cache.hit(ttl="1h", cache_hits=10, update_after=2))
    answers = []
    for _ in range(7):
        answers.append((await place.call(function))[0])
        await place.settled()
    assert answers == [1, 1, 1, 2, 2, 3, 3]


async def test_dynamic_keeps_up_what_is_asked_for(place, source, made):
    """With every hit the next value is made, and nobody waits."""
    function = made(place, place.cache.dynamic())
    answers = []
    for _ in range(5):
        answers.append((await place.call(function))[0])
        await place.settled()
    assert answers == [1, 1, 2, 3, 4]
    place.clock.advance("1d")
    assert (await place.call(function))[0] == 6


@pytest.mark.parametrize("wrong", [{"cache_hits": 0}, {"cache_hits": 2, "update_after": 2}, {"cache_hits": "3"}])
def test_wrong_counts_are_refused(wrong):
    """At decoration."""

    def function():
        pass

    with pytest.raises(ConfigurationError):
        Cache("mem://").hit(ttl=1, **wrong)(function)


# --- invalidate --------------------------------------------------------------------------------------------------


async def test_a_function_can_make_others_forget(place, source, made, strategy):
    """After it has returned, what matches is gone; values of its parameters are taken literally, ``*`` included."""
    function = made(place, strategy(place.cache, key="items:{key}:of"))

    @place.cache.invalidate("items:{which}:*")
    @place.function
    async def change(which="a"):
        return which

    for key in ("a", "b", "*"):
        await place.call(function, key)
    assert await place.call(change) == "a"
    assert await place.call(change, "*") == "*"
    source.error = ConnectionError()
    for key in ("a", "*"):
        with pytest.raises(ConnectionError):
            await place.call(function, key)
    assert (await place.call(function, "b"))[0] == 2


async def test_a_function_that_fails_makes_nobody_forget(place, source, made):
    """What it should have changed may not have changed."""
    function = made(place, place.cache(ttl="1m", key="items"))

    @place.cache.invalidate("items")
    @place.function
    async def change():
        raise ConnectionError

    await place.call(function)
    with pytest.raises(ConnectionError):
        await place.call(change)
    assert await place.call(function) == [1, "k"]


async def test_methods_can_make_others_forget(place, source, made):
    """Class and static methods with the decorator on either side."""
    function = made(place, place.cache(ttl="1m", key="items:{key}"))
    invalidate = place.cache.invalidate("items:{key}")

    class Items:
        change = staticmethod(invalidate(place.function(_nothing)))
        outside = invalidate(staticmethod(place.function(_nothing)))
        by_class = invalidate(classmethod(place.function(_nothing_of_class)))

    for number, change in enumerate((Items.change, Items.outside, Items.by_class, Items().by_class), 1):
        assert (await place.call(function, "a"))[0] == number
        await place.call(change, "a")


async def _nothing(key):
    pass


async def _nothing_of_class(cls, key):
    pass


def test_a_generator_cannot_make_others_forget():
    """When would it have returned?"""

    def function():
        yield

    with pytest.raises(ConfigurationError, match="generator"):
        Cache("mem://").invalidate("items")(function)


# --- stacking ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ALL)
async def test_any_two_stand_on_each_other(place, source, made, strategy, inner):
    """Without a key of their own they share one key; a failure finds the old value; one ``delete`` reaches both."""
    function = strategy(place.cache)(made(place, ALL[inner](place.cache)))
    with place.cache.detect() as detected:
        assert await place.call(function) == [1, "k"]
    assert len(detected.keys) == 1
    await place.settled()
    assert (await place.call(function))[1] == "k"
    await place.settled()
    source.error = ConnectionError()
    assert (await place.call(function))[1] == "k"
    await place.settled()
    assert await place.ask.delete(detected.keys[0])
    with pytest.raises(ConnectionError):
        await place.call(function)


async def test_failover_over_locked_is_one_execution_and_the_old_value(scene):
    """Forty at once: one executes, and when it fails all forty get what was good before."""
    calls = []

    @scene.cache.failover(ttl="6h")
    @scene.cache.locked(ttl="1h")
    @scene.function
    async def function(key):
        calls.append(key)
        await scene.sleep(1)
        if len(calls) > 1:
            raise ConnectionError
        return ["good"]

    assert await scene.all_at_once(*[lambda: scene.call(function, "k")] * 40) == [["good"]] * 40
    assert len(calls) == 1
    await scene.sleep(3601)
    assert await scene.all_at_once(*[lambda: scene.call(function, "k")] * 40) == [["good"]] * 40
    assert len(calls) == 2


# --- generators, errors of iteration, recursion ------------------------------------------------------------------


async def test_a_generator_is_kept_as_a_whole_by_any_strategy(place, serving):
    """All that it yields comes again, and nobody's changes are seen."""
    runs = []

    @serving(place.cache)
    @place.generator
    def function(*items):
        runs.append(items)
        yield from items
        yield ["last"]

    for items in ((), (0, "", None, b""), tuple(range(100))):
        for _ in range(3):
            *found, last = await place.call(function, *items)
            assert (tuple(found), last) == (items, ["last"])
            assert list(map(type, found)) == list(map(type, items))
            last.append("changed")
    assert len(runs) == 3


async def test_a_generator_that_fails_is_kept_by_nobody(place, serving):
    """Not even what it had yielded by then."""
    runs = []

    @serving(place.cache)
    @place.generator
    def function():
        runs.append(1)
        yield 1
        if len(runs) == 1:
            raise ConnectionError
        yield 2

    with pytest.raises(ConnectionError):
        await place.call(function)
    assert await place.call(function) == [1, 2]


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
def test_a_function_may_raise_what_ends_iterations(strategy, kind):
    """It is the function's error and reaches its caller; nothing is kept of it."""
    cache, calls = Cache("mem://"), []

    @strategy(cache)
    def function():
        calls.append(1)
        raise kind("over", len(calls))

    for number in (1, 2):
        with pytest.raises(kind) as caught:
            function()
        assert caught.value.args == ("over", number)


def test_an_iteration_that_is_over_is_a_failure_like_others():
    """``failover`` stands in for it."""
    cache, items = Cache("mem://"), iter([1])

    @cache.failover(ttl="1h")
    def function():
        return next(items)

    assert [function() for _ in range(3)] == [1] * 3


async def test_a_call_that_asks_for_its_own_key_is_told_so(place, serving):
    """It would wait for itself for ever; the error names the key."""

    @serving(place.cache, key="n:{n}")
    @place.function
    async def function(n):
        return await place.call(function, n)

    with pytest.raises(LockedError, match="'n:5'") as caught:
        await place.call(function, 5)
    assert caught.value.key == "n:5"


async def test_a_call_may_ask_for_other_keys(place, serving):
    """A recursion fills every one of them, once."""
    calls = []

    @serving(place.cache)
    @place.function
    async def fibonacci(n):
        calls.append(n)
        return n if n < 2 else await place.call(fibonacci, n - 1) + await place.call(fibonacci, n - 2)

    assert await place.call(fibonacci, 15) == 610
    assert sorted(calls) == list(range(16))


@pytest.mark.timeout(20)
async def test_who_has_the_turn_of_all_processes_may_ask_for_it_again(scene):
    """Two functions under one key, one asking for the other: it need not wait for itself, which would never end."""

    @scene.cache.locked(ttl="1m", key="k")
    @scene.function
    async def inner():
        return 1

    @scene.cache.locked(ttl="1m", key="k")
    @scene.function
    async def outer():
        return await scene.call(inner) + 1

    assert await scene.call(outer) == 2
    assert scene.now == 0
    assert scene.cache._core.scopes.here().turns == frozenset()
