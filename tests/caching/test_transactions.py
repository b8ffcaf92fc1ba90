"""Commands that take effect together or not at all."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from resilient import Cache, ConfigurationError, StoreError, TransactionError
from resilient.caching.scopes import NOWHERE

ISOLATIONS = ("READ_COMMITTED", "SERIALIZABLE")


class Inside:
    """A transaction of a place's colour: ``commit`` and ``rollback`` are to be awaited in either."""

    def __init__(self, place, handle):
        self._place, self._handle = place, handle

    async def commit(self):
        await self._place.all_of(self._handle.commit())

    async def rollback(self):
        await self._place.all_of(self._handle.rollback())


@pytest.fixture
def transact():
    """Begins a transaction in a place's colour."""

    @asynccontextmanager
    async def transact(place, isolation="READ_COMMITTED", cache=None):
        cache = cache or place.cache
        if place.colour == "async":
            async with cache.transact(isolation) as handle:
                yield Inside(place, handle)
        else:
            with cache.transact(isolation=isolation) as handle:
                yield Inside(place, handle)

    return transact


@pytest.fixture(params=ISOLATIONS)
def isolation(request):
    return request.param


@pytest.fixture
def outside(place):
    """The same store as others see it: commands that no transaction of the test's own context reaches."""

    class Outside:
        def __getattr__(self, name):
            async def ask(*args, **kwargs):
                with place.cache._core.scopes.within(NOWHERE):
                    return await getattr(place.ask, name)(*args, **kwargs)

            return ask

    return Outside()


# --- all or nothing ----------------------------------------------------------------------------------------------


async def test_changes_take_effect_at_the_end(place, transact, isolation, outside):
    """Inside they are seen at once, outside none of them before the end, and all of them after it."""
    ask = place.ask
    await ask.set("old", 1)
    async with transact(place, isolation):
        await ask.set("key1", "value1")
        await ask.set_many({"key2": "value2", "key3": None})
        assert await ask.delete("old") is True
        assert await ask.get_many("key1", "key2", "key3", "old", default=0) == ("value1", "value2", None, 0)
        assert await outside.get_many("key1", "key2", "old") == (None, None, 1)
    assert await ask.get_many("key1", "key2", "key3", "old", default=0) == ("value1", "value2", None, 0)


async def test_an_error_undoes_all(place, transact, isolation):
    """Nothing of the transaction is left."""
    ask = place.ask
    await ask.set("old", 1, ttl=60, tags=["t"])
    with suppress(ConnectionError):
        async with transact(place, isolation):
            await ask.set("new", 2)
            await ask.incr("n")
            await ask.expire("old", 5)
            await ask.delete_tags("t")
            raise ConnectionError
    assert await ask.scan() == ["old"]
    assert (await ask.get("old"), await ask.get_expire("old")) == (1, 60)


async def test_it_can_be_rolled_back_and_committed_inside(place, transact, isolation, outside):
    """What follows is another transaction."""
    ask = place.ask
    async with transact(place, isolation) as transaction:
        await ask.set("a", 1)
        await transaction.commit()
        assert await outside.get("a") == 1
        await ask.set("a", 2)
        await ask.set("b", 2)
        await transaction.rollback()
        assert await ask.get_many("a", "b") == (1, None)
        await ask.set("c", 3)
        assert await outside.get("c") is None
    assert await ask.get_many("a", "b", "c") == (1, None, 3)
    with suppress(ConnectionError):
        async with transact(place, isolation) as transaction:
            await ask.set("a", 4)
            await transaction.commit()
            await ask.set("a", 5)
            raise ConnectionError
    assert await ask.get("a") == 4


async def test_one_inside_of_another_is_a_part_of_it(place, transact, isolation, outside):
    """It takes effect at the end of the outer one, or is undone with it."""
    ask = place.ask
    async with transact(place, isolation):
        await ask.set("a", 1)
        async with transact(place, isolation):
            assert await ask.get("a") == 1
            await ask.set("b", 2)
        assert await outside.get_many("a", "b") == (None, None)
    assert await ask.get_many("a", "b") == (1, 2)
    with suppress(ConnectionError):
        async with transact(place, isolation):
            async with transact(place, isolation):
                await ask.set("b", 3)
            raise ConnectionError
    assert await ask.get("b") == 2


async def test_a_function_can_be_a_transaction(place, outside):
    """Each call is one, with its arguments, its result and its error."""

    @place.cache.transact(isolation="SERIALIZABLE")
    @place.function
    async def move(amount, *, fail=False):
        before = await outside.get("from")
        await place.ask.incr("from", -amount)
        assert await outside.get("from") == before
        if fail:
            raise ConnectionError
        return await place.ask.incr("to", amount)

    assert move.__name__ == "move"
    assert await place.call(move, 5) == 5
    assert await place.call(move, amount=5) == 10
    with pytest.raises(ConnectionError):
        await place.call(move, 5, fail=True)
    assert await place.ask.get_many("from", "to") == (-10, 10)


def test_a_function_that_ends_an_iteration_commits_nothing():
    """A plain function may raise StopIteration, which is an error like others."""
    cache = Cache("mem://")

    @cache.transact()
    def function():
        cache.blocking.set("k", 1)
        return next(iter(()))

    with pytest.raises(StopIteration):
        function()
    assert cache.blocking.get("k") is None


def test_what_cannot_be_a_transaction_is_refused():
    """A generator goes on after its call; an isolation that does not exist is told with the nearest."""
    cache = Cache("mem://")

    async def agen():
        yield

    def gen():
        yield

    for generator in (agen, gen):
        with pytest.raises(ConfigurationError, match="generator"):
            cache.transact()(generator)
    with pytest.raises(ConfigurationError, match="SERIALIZABLE"):
        cache.transact(isolation="SERIALISABLE")


# --- what is inside ----------------------------------------------------------------------------------------------


async def test_every_command_sees_what_was_changed(place, transact, isolation):
    """Reading, counting, finding and forgetting work inside as they will outside."""
    ask = place.ask
    await ask.set("a:1", 1, tags=["t"])
    await ask.set("a:2", 2)
    async with transact(place, isolation):
        await ask.set("a:3", 3, ttl=30, tags=["t"])
        assert await ask.exists("a:3")
        assert await ask.get_expire("a:3") == 30
        assert await ask.expire("a:2", 10) is True
        assert await ask.get_expire("a:2") == 10
        assert await ask.expire("none", 10) is False
        assert [await ask.incr("n", 5), await ask.incr("n", -2)] == [5, 3]
        assert sorted(await ask.scan("a:*")) == ["a:1", "a:2", "a:3"]
        assert sorted(await ask.get_match("a:*")) == [("a:1", 1), ("a:2", 2), ("a:3", 3)]
        await ask.delete_tags("t")
        assert await ask.scan("a:*") == ["a:2"]
        await ask.set("a:4", 4, tags=["t"])
        assert await ask.get_or_set("a:5", lambda: 5) == 5
        assert await ask.delete_match("a:2*") >= 1
        assert sorted(await ask.scan("a:*")) == ["a:4", "a:5"]
    assert sorted(await ask.scan()) == ["a:4", "a:5", "n"]
    async with transact(place, isolation):
        await ask.clear()
        assert await ask.scan() == []
        await ask.set("b", 1)
    assert await ask.scan() == ["b"]


async def test_a_short_life_stays_short(place, transact, isolation):
    """Half a second, counted from when it was set; what ended inside is gone inside and out."""
    ask = place.ask
    async with transact(place, isolation):
        await ask.set("a", 1, ttl="500ms")
        await ask.set("b", 1, ttl=0.25)
        assert await ask.get_expire("a") == pytest.approx(0.5)
        place.clock.advance(0.3)
        assert await ask.get_many("a", "b") == (1, None)
    assert await ask.get_expire("a") == pytest.approx(0.2)
    assert await ask.get("b") is None
    place.clock.advance(0.3)
    assert await ask.get("a") is None


async def test_tags_belong_to_it(place, transact, isolation, outside):
    """What is written inside has its tags after the end; a group that is let go inside goes at the end."""
    ask = place.ask
    await ask.set("a", 1, tags=["t"])
    async with transact(place, isolation):
        await ask.set("b", 2, tags=["t", "u"])
        await ask.delete_tags("t")
        assert await ask.get_many("a", "b") == (None, None)
        assert await outside.get("a") == 1
        await ask.set("c", 3, tags=["t"])
    assert await ask.get_many("a", "b", "c") == (None, None, 3)
    assert await ask.delete_tags("t") == 1


async def test_a_counter_keeps_its_bounds(place, transact, isolation):
    """It is 64 bits wide inside too, and what is no counter is none."""
    ask = place.ask
    await ask.set_many({"n": 2**63 - 1, "text": "text"})
    for key in ("n", "text"):
        with pytest.raises(StoreError):
            async with transact(place, isolation):
                await ask.incr(key)
    assert await ask.get("n") == 2**63 - 1


async def test_decorated_calls_belong_to_it(place, transact, outside):
    """What they make is kept at the end, and undone by an error; inside it is served."""
    calls = []

    @place.cache(ttl=60, key="f:{key}")
    @place.function
    async def function(key):
        calls.append(key)
        return len(calls)

    with suppress(ConnectionError):
        async with transact(place):
            assert [await place.call(function, "a") for _ in range(2)] == [1, 1]
            assert await outside.get("f:a") is None
            raise ConnectionError
    assert await place.call(function, "a") == 2
    async with transact(place):
        assert await place.call(function, "a") == 2
        await place.call(function, "b")
    assert await place.ask.get("f:b") == 3


# --- others ------------------------------------------------------------------------------------------------------


async def test_what_others_commit_is_seen_unless_it_is_serializable(place, transact, outside):
    """READ_COMMITTED reads what is there now; SERIALIZABLE sees one state, and is told at the end that it is old."""
    ask = place.ask
    await ask.set("a", 1)
    async with transact(place, "READ_COMMITTED"):
        assert await ask.get("a") == 1
        await outside.set("a", 2)
        assert await ask.get("a") == 2
        await ask.set("b", 1)
    assert await ask.get("b") == 1
    with pytest.raises(TransactionError):  # noqa: PT012 - it is raised at the end
        async with transact(place, "SERIALIZABLE"):
            assert await ask.get("a") == 2
            await outside.set("a", 3)
            assert await ask.get("a") == 2
            await ask.set("b", 2)
    assert await ask.get_many("a", "b") == (3, 1)


async def test_a_key_that_was_not_there_must_still_not_be(place, transact, outside):
    """SERIALIZABLE relies upon that too."""
    with pytest.raises(TransactionError):  # noqa: PT012 - it is raised at the end
        async with transact(place, "SERIALIZABLE"):
            assert await place.ask.get("a") is None
            await outside.set("a", 1)
            await place.ask.set("a", 2)
    assert await place.ask.get("a") == 1


async def test_what_only_reads_is_told_too_that_it_saw_two_states(place, transact, outside):
    """One key from before another's commit, one from after it: SERIALIZABLE has no such state."""
    await place.ask.set_many({"a": 1, "b": 1})
    with pytest.raises(TransactionError):  # noqa: PT012 - it is raised at the end
        async with transact(place, "SERIALIZABLE"):
            assert await place.ask.get("a") == 1
            await outside.set_many({"a": 2, "b": 2})
            assert await place.ask.get("b") == 2
    async with transact(place, "SERIALIZABLE"):
        assert await place.ask.get_many("a", "b") == (2, 2)


async def test_no_addition_is_lost(place, transact, isolation, outside):
    """A counter that others moved meanwhile is a conflict under either isolation; the next try has it right."""
    with pytest.raises(TransactionError):  # noqa: PT012 - it is raised at the end
        async with transact(place, isolation):
            await place.ask.incr("n", 10)
            await outside.incr("n")
    async with transact(place, isolation):
        await place.ask.incr("n", 10)
    assert await place.ask.get("n") == 11


async def test_a_conflict_inside_can_be_survived(place, transact, outside):
    """``commit()`` raises it where it is called; what follows is another transaction."""
    async with transact(place, "SERIALIZABLE") as transaction:
        await place.ask.get("a")
        await outside.set("a", 1)
        await place.ask.set("b", 1)
        with pytest.raises(TransactionError):
            await transaction.commit()
        assert await place.ask.get("a") == 1
        await place.ask.set("b", 2)
    assert await place.ask.get("b") == 2


async def test_another_cache_has_no_part_in_it(place, transact):
    """Of two caches, only the one whose transaction it is; on one disk or not."""
    other = place.new_cache()
    commands = other if place.colour == "async" else other.blocking
    async with transact(place):
        await place.ask.set("a", 1)
        await place.call(commands.set, "b", 2)
        assert await place.call(commands.get, "a") is None
        assert await place.call(commands.get, "b") == 2
    assert await place.call(commands.get, "a") == (1 if place.on_disk else None)
    await place.aclose(other)


async def test_it_keeps_to_one_store(place, transact):
    """Two could not commit together; a second store is refused where it is asked for, and nothing is done."""
    place.cache.setup("mem://", prefix="users:")
    with pytest.raises(TransactionError, match="one store"):  # noqa: PT012 - it undoes the rest
        async with transact(place):
            await place.ask.set("a", 1)
            await place.ask.set("users:1", 1)
    assert await place.ask.get_many("a", "users:1") == (None, None)
    async with transact(place) as transaction:
        await place.ask.set("a", 1)
        await transaction.commit()
        await place.ask.set("users:1", 1)
    assert await place.ask.get_many("a", "users:1") == (1, 1)


def test_a_task_that_outlives_it_is_on_its_own():
    """What it writes after the end is written, and a transaction that it begins is one."""
    cache = Cache("mem://")

    async def main():
        over = asyncio.Event()

        async def late():
            await cache.set("in time", 1)
            await over.wait()
            await cache.set("late", 1)
            assert await cache.get("in time") == 1
            async with cache.transact():
                await cache.set("a", 1)
                await cache.set("b", 1)
            return await cache.get("a")

        async with cache.transact():
            task = asyncio.create_task(late())
            await asyncio.sleep(0)
        assert await cache.get("in time") == 1
        over.set()
        assert await task == 1
        assert await cache.get_many("late", "b") == (1, 1)

    asyncio.run(main())


def test_one_object_may_be_used_by_many_tasks_at_once():
    """Each use of it is a transaction of its own, in whatever order they end."""
    cache = Cache("mem://")
    shared = cache.transact()

    async def task(name, all_of_them, *, fail=False):
        with suppress(ConnectionError):
            async with shared:
                await cache.set(name, name)
                await all_of_them.wait()
                assert await cache.get_many("a", "b", "c", default="") == tuple(name * (name == key) for key in "abc")
                await all_of_them.wait()
                if fail:
                    raise ConnectionError

    async def main():
        all_of_them = asyncio.Barrier(3)
        await asyncio.gather(task("a", all_of_them), task("b", all_of_them, fail=True), task("c", all_of_them))
        assert await cache.get_many("a", "b", "c") == ("a", None, "c")

    asyncio.run(main())


def test_tasks_at_once_lose_no_addition():
    """Fifty that read, wait and write: whoever is told of a conflict tries again, and the sum is right."""
    cache = Cache("mem://")

    async def add():
        while True:
            try:
                async with cache.transact("SERIALIZABLE"):
                    before = await cache.get("sum", 0)
                    await asyncio.sleep(0)
                    await cache.set("sum", before + 1)
            except TransactionError:
                continue
            return

    async def main():
        await asyncio.gather(*(add() for _ in range(50)))
        assert await cache.get("sum") == 50

    asyncio.run(main())


# --- a process that dies -----------------------------------------------------------------------------------------

DYING = """
from resilient import Cache

cache = Cache()
cache.setup(f"disk://{sys.argv[1]}", write_wait="60s", busy_timeout="60s")
with cache.transact():
    for number in range(100):
        cache.blocking.set(f"k{number}", number, tags=["t"])
        if number == 50:
            print("ready", flush=True)
            sys.stdin.readline()
"""

COMMITTING = """
from resilient import Cache

cache = Cache()
cache.setup(f"disk://{sys.argv[1]}", write_wait="60s", busy_timeout="60s")
print("ready", flush=True)
round = 0
while True:
    round += 1
    with cache.transact():
        cache.blocking.set_many({f"k{number}": round for number in range(100)})
"""


@pytest.mark.slow
def test_a_process_killed_between_its_writes_leaves_none(script, tmp_path):
    """Killed in the middle of the transaction: not one of its keys is there."""
    program = script(DYING, tmp_path / "cache")
    program.expect("ready")
    program.kill()
    cache = Cache(f"disk://{tmp_path}/cache")
    assert list(cache.blocking.scan()) == []
    cache.close()


@pytest.mark.slow
def test_a_process_killed_while_it_commits_leaves_all_or_nothing(script, tmp_path):
    """At any moment: all hundred keys are of one round."""
    cache = Cache(f"disk://{tmp_path}/cache")
    for _ in range(5):
        program = script(COMMITTING, tmp_path / "cache")
        program.expect("ready")
        before = cache.blocking.get("k0")
        while cache.blocking.get("k0") == before:
            pass
        program.kill()
        assert len(set(cache.blocking.get_many(*(f"k{number}" for number in range(100))))) == 1
    cache.close()
