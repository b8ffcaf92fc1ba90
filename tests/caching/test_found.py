"""Faults that were found by using the cache as a demanding stranger would; each test failed before."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import urllib.error

import pytest

from resilient import Cache, ConfigurationError, StoreUnavailableError
from resilient.caching.scopes import NOWHERE
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from resilient.testing import FakeClock

STRATEGIES = {
    "simple": lambda cache, **more: cache(60, **more),
    "lock": lambda cache, **more: cache(60, lock=True, **more),
    "early": lambda cache, **more: cache.early(60, 10, **more),
    "soft": lambda cache, **more: cache.soft(60, 10, **more),
    "locked": lambda cache, **more: cache.locked(60, **more),
    "failover": lambda cache, **more: cache.failover(60, **more),
    "hit": lambda cache, **more: cache.hit(60, 2, **more),
}


class Wrong:
    """A store of a third party, some of whose methods misbehave."""

    name = "wrong"

    def __init__(self, **wrong):
        self._store, self._wrong = MemoryStore(), wrong

    def __getattr__(self, name):
        return self._wrong.get(name) or getattr(self._store, name)


class Coded(Exception):
    """An error with more to it than its arguments."""

    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code


def raising(*args, **kwargs):
    raise ValueError("no promise is kept")


def nonsense(*args, **kwargs):
    return "nonsense"


@pytest.mark.parametrize("method", ["get", "set", "incr", "delete", "acquire", "release", "renew"])
@pytest.mark.parametrize("wrong", [raising, nonsense], ids=["raises", "nonsense"])
@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_no_store_of_a_third_party_can_fail_a_call(method, wrong, strategy):
    """Whatever it raises, and whatever it gives back in place of an entry, a fence or a number."""
    store = Wrong(**{method: wrong})
    cache = Cache(StorePair(blocking=store, tasks=Lifted(store)))

    @strategy(cache, key="k")
    def function():
        return 5

    @strategy(cache, key="async")
    async def function_async():
        return 6

    async def several_times():
        return [await function_async() for _ in range(4)]

    assert [function() for _ in range(4)] == [5] * 4
    assert asyncio.run(several_times()) == [6] * 4


@pytest.mark.parametrize(
    "error",
    [TimeoutError("slow"), FileNotFoundError(2, "nothing there"), Coded(7), urllib.error.URLError("why")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_is_kept_comes_back_as_it_was(error):
    """Also one that Python lays out otherwise, and one with attributes; for those too who waited for it."""
    calls = []
    cache = Cache("mem://")

    @cache(60, key="k", errors=type(error))
    async def function():
        calls.append(1)
        await asyncio.sleep(0)
        raise error

    async def several():
        return await asyncio.gather(*[function() for _ in range(3)], function(), return_exceptions=True)

    for found in [*asyncio.run(several()), *asyncio.run(several())]:
        assert (type(found), found.args, str(found), vars(found)) == (type(error), error.args, str(error), vars(error))
    assert calls == [1]


def test_an_error_whose_class_cannot_be_found_again_is_not_kept():
    """Who waited for it gets the error itself, not one about the store."""

    class Local(Exception):
        pass

    calls = []
    cache = Cache("mem://")

    @cache(60, key="k", errors=Local)
    async def function():
        calls.append(1)
        await asyncio.sleep(0)
        raise Local

    async def several():
        return await asyncio.gather(function(), function(), return_exceptions=True)

    assert [type(found) for found in [*asyncio.run(several()), *asyncio.run(several())]] == [Local] * 4
    assert calls == [1, 1]


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
async def test_a_call_whose_tags_are_refused_runs_nothing(place, strategy):
    """A side effect must not happen in a call that fails for its decorator."""
    calls = []

    @strategy(place.cache, key="k", tags=["of:{item}"])
    @place.function
    async def function(item):
        calls.append(item)

    with pytest.raises(ConfigurationError, match="instance of object"):
        await place.call(function, object())
    assert calls == []


async def test_a_generator_whose_tags_are_refused_runs_nothing(place):
    """It is refused at its first item, before any of it runs."""
    calls = []

    @place.cache.iterator(60, key="k", tags=["of:{item}"])
    @place.generator
    def function(item):
        calls.append(item)
        yield item

    with pytest.raises(ConfigurationError, match="instance of object"):
        await place.call(function, object())
    assert calls == []


async def test_a_refused_pattern_of_keys_to_forget_runs_nothing(place):
    """It is told from the arguments as the caller gave them, before the function may change them."""
    calls = []

    @place.cache.invalidate("{item.name}:*")
    @place.function
    async def function(item):
        calls.append(item)

    with pytest.raises(ConfigurationError, match="has no"):
        await place.call(function, object())
    assert calls == []


def test_an_interrupted_call_leaves_nothing_behind():
    """A thread goes on after an exception that is none of a program's, as an interactive one does."""
    cache = Cache("mem://")

    @cache.locked(60, key="k")
    def function():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        function()
    assert cache._core.scopes.here() is NOWHERE


def test_tasks_of_one_transaction_lose_no_addition(tmp_path):
    """They read at the same time where the store answers later."""

    async def script():
        cache = Cache(f"disk://{tmp_path}/cache")
        await cache.set("n", 5)
        async with cache.transact():
            await asyncio.gather(*[cache.incr("n") for _ in range(10)])
        found = await cache.get("n")
        await cache.aclose()
        return found

    assert asyncio.run(script()) == 15


def test_what_is_made_in_a_transaction_is_for_nobody_outside():
    """A call outside does not wait for one inside, which sees what is not committed."""
    outside = contextvars.copy_context()
    cache = Cache("mem://")

    @cache(60, key="k")
    async def function():
        await asyncio.sleep(0.01)
        return await cache.get("x")

    async def script():
        await cache.set("x", "old")
        async with cache.transact() as transaction:
            await cache.set("x", "new")
            inside = asyncio.create_task(function())
            await asyncio.sleep(0)
            found = await asyncio.create_task(function(), context=outside), await inside
            await transaction.rollback()
        return found

    assert asyncio.run(script()) == ("old", "new")


def test_one_object_serves_many_tasks_at_once():
    """A transaction, and what switches off, as a module makes it once; the first to begin ends first."""
    cache = Cache("mem://")
    transaction, off = cache.transact(), cache.disabling("delete")

    async def one(number):
        async with transaction:
            with off:
                await cache.set(f"k{number}", number)
                await asyncio.sleep(0.01 * (number + 1))
                assert await cache.delete(f"k{number}") is False

    async def script():
        await asyncio.gather(*[one(number) for number in range(3)])
        return await cache.get_many("k0", "k1", "k2")

    assert asyncio.run(script()) == (0, 1, 2)
    assert cache._core.scopes.here() is NOWHERE


def test_a_block_that_ends_elsewhere_says_so():
    """A test's fixture may end in another context than it began in."""
    off = Cache("mem://").disabling("get")
    contextvars.copy_context().run(off.__enter__)
    with pytest.raises(RuntimeError, match="where it began"):
        off.__exit__(None, None, None)


@pytest.mark.parametrize("what", ["lock", "transact"])
def test_a_hung_disk_holds_up_a_command_for_its_timeout_only(tmp_path, what):
    """As :meth:`Cache.set` it waits for the store as long as was said, whatever the store does."""
    cache = Cache()
    cache.setup(f"disk://{tmp_path}/cache", timeout="100ms", store_budget=None)

    async def locked():
        async with cache.lock("k"):
            pass

    async def transacted():
        async with cache.transact():
            await cache.set("k", 2)

    async def script():
        await cache.set("k", 1)
        other = sqlite3.connect(tmp_path / "cache" / "resilient.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(StoreUnavailableError, match=r"in time|within"):
                await (locked() if what == "lock" else transacted())
        finally:
            other.execute("ROLLBACK")
            other.close()
        await cache.aclose()

    asyncio.run(script())


def test_the_time_spent_in_vain_on_a_lease_is_the_stores():
    """A call waits for a store that hangs for twice its budget in all, not once more for the writing."""
    clock, waited = FakeClock(), []

    class Hung:
        name = "hung"

        def __getattr__(self, name):
            def command(*args, **kwargs):
                waited.append(name)
                clock.advance(0.05)
                raise StoreUnavailableError("it hangs", kind="timeout")

            return command

    store = Hung()
    cache = Cache(clock=clock)
    cache.setup(StorePair(blocking=store, tasks=Lifted(store)))

    @cache.locked(60, key="k")
    def function():
        return 5

    assert function() == 5
    assert waited == ["get", "acquire"]


def test_an_object_whose_call_is_async_is_cached():
    """It is awaited like an ``async def``, by every kind of decorator."""
    calls = []

    class Asks:
        async def __call__(self, number):
            calls.append(number)
            return {one: one for one in number} if isinstance(number, list) else number

    cache = Cache("mem://")
    kept = cache(60, key="k:{number}")(Asks())
    batch = cache.batch(60, "b:{number}", "number")(Asks())
    forgetting = cache.invalidate("k:{number}")(Asks())

    async def script():
        found = await kept(1), await kept(1), await batch([2]), await batch([2])
        await forgetting(1)
        return (*found, await kept(1))

    assert asyncio.run(script()) == (1, 1, {2: 2}, {2: 2}, 1)
    assert calls == [1, [2], 1, 1]


def test_a_lock_speaks_of_the_key_that_it_was_given():
    """Not of the name under which the store keeps it; and it tells its fence, also where locks are switched off."""
    cache = Cache("mem://")
    with cache.lock("report") as held:
        assert held.fence > 0
        assert not held.lost
        with pytest.raises(TimeoutError, match="the lock of 'report' was not free"), cache.lock("report", timeout=0.01):
            pass
    with cache.disabling("lock"), cache.lock("report") as held:
        assert (held.fence, held.lost) == (0, False)
