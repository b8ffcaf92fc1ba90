"""Middlewares that people write: the specification's own, and whatever else may stand around a command."""

import logging

import pytest

from resilient import Cache, ConfigurationError, StoreUnavailableError
from resilient.middlewares import BaseMiddleware
from tests.middlewares.conftest import said

logger = logging.getLogger("specification")


# --- the specification's, as written ---


class ErrorHandlingMiddleware(BaseMiddleware):
    async def set(self, key, value, **kwargs):
        try:
            return await super().set(key, value, **kwargs)
        except Exception as e:  # noqa: BLE001
            logger.error(f"Cache set failed for key={key}: {e}")
            return None

    async def get(self, key, **kwargs):
        try:
            return await super().get(key, **kwargs)
        except Exception as e:  # noqa: BLE001
            logger.error(f"Cache get failed for key={key}: {e}")
            return None


class LoggingMiddleware(BaseMiddleware):
    async def get(self, key, **kwargs):
        result = await super().get(key, **kwargs)
        if result is not None:
            logger.debug(f"Cache HIT: {key}")
        else:
            logger.debug(f"Cache MISS: {key}")
        return result


def counted(place, answer=lambda number: number, **options):
    """A decorated function that returns what ``answer`` makes of the number of its calls, and the list of those."""
    calls = []

    @place.cache(ttl="1m", key="k", **options)
    @place.function
    async def function():
        calls.append(1)
        return answer(len(calls))

    return function, calls


async def test_the_logging_middleware_of_the_specification_sees_misses_and_hits(heard, caplog):
    """Around a decorated call and around a direct command, in both colours, on memory and on disk."""
    caplog.set_level(logging.DEBUG, "specification")
    heard.cache.add_middleware(LoggingMiddleware())
    function, calls = counted(heard)
    assert [await heard.call(function) for _ in range(2)] == [1, 1]
    assert await heard.ask.get("k") == 1
    assert await heard.ask.get("other") is None
    assert len(calls) == 1
    assert said(caplog) == ["Cache MISS: k", "Cache HIT: k", "Cache HIT: k", "Cache MISS: other"]


async def test_the_error_middleware_of_the_specification_keeps_errors_from_callers(breaking, caplog):
    """The store fails; a decorated call is answered by its function, commands by a miss, and each error is logged."""
    breaking.cache.add_middleware(ErrorHandlingMiddleware())
    function, calls = counted(breaking)
    assert await breaking.call(function) == 1
    breaking.store.broken = True
    assert [await breaking.call(function) for _ in range(2)] == [2, 3]
    assert await breaking.ask.get("k", default=7) == 7
    assert await breaking.ask.set("k", 1) is False
    breaking.store.broken = False
    assert await breaking.call(function) == 1
    assert len(calls) == 3
    assert said(caplog) == [
        *["Cache get failed for key=k: it is broken", "Cache set failed for key=k: it is broken"] * 2,
        "Cache get failed for key=k: it is broken",
        "Cache set failed for key=k: it is broken",
    ]


async def test_none_that_follows_an_error_is_a_miss_and_a_stored_none_is_a_hit(breaking):
    """To a middleware both look the same; the function is called after the error only."""
    breaking.cache.add_middleware(ErrorHandlingMiddleware())
    function, calls = counted(breaking, answer=lambda number: None)
    assert [await breaking.call(function) for _ in range(3)] == [None] * 3
    assert len(calls) == 1
    breaking.store.broken = True
    assert await breaking.call(function) is None
    assert len(calls) == 2
    breaking.store.broken = False
    assert await breaking.ask.get("k", default=7) is None
    assert await breaking.ask.get("other", default=7) == 7


# --- the order ---


class Noting(BaseMiddleware):
    """Notes every command before and after it."""

    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    async def __call__(self, proceed, command, /, *args, **kwargs):
        self.notes.append(f"{self.name} {command}")
        try:
            return await super().__call__(proceed, command, *args, **kwargs)
        finally:
            self.notes.append(f"{self.name} done")


COMMANDS = {
    "get": ("k",),
    "set": ("k", 1),
    "delete": ("k",),
    "get_many": ("k", "l"),
    "set_many": ({"k": 1},),
    "delete_many": ("k", "l"),
    "exists": ("k",),
    "expire": ("k", "1m"),
    "get_expire": ("k",),
    "incr": ("n",),
    "scan": ("*",),
    "get_match": ("*",),
    "delete_match": ("*",),
    "delete_tags": ("t",),
    "clear": (),
    "ping": (),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_first_added_is_the_outermost_for_every_command(heard, command):
    """Classes and plain functions alike; with three that only pass on, a command answers as it does without."""
    notes = []

    async def plain(proceed, command, *args, **kwargs):
        notes.append(f"second {command}")
        return await proceed(*args, **kwargs)

    arguments = COMMANDS[command]
    await heard.ask.set_many({"k": 1, "n": 3}, tags=["t"])
    bare = await getattr(heard.ask, command)(*arguments)
    await heard.ask.clear()
    for middleware in (Noting("first", notes), plain, Noting("third", notes)):
        heard.cache.add_middleware(middleware)
    await heard.ask.set_many({"k": 1, "n": 3}, tags=["t"])
    notes.clear()
    answer = await getattr(heard.ask, command)(*arguments)
    assert notes == [f"first {command}", f"second {command}", f"third {command}", "third done", "first done"]
    assert answer == bare


def test_middlewares_of_setup_stand_inside_of_those_that_were_added_before():
    """And keep their own order."""
    notes, cache = [], Cache()
    cache.add_middleware(Noting("added", notes))
    cache.setup("mem://", middlewares=[Noting("first", notes), Noting("second", notes)])
    cache.blocking.get("k")
    assert notes[:3] == ["added get", "first get", "second get"]


@pytest.mark.parametrize("wrong", [None, "logging", 3])
def test_what_cannot_be_called_is_no_middleware(wrong):
    """The error names both forms; nothing is put around the cache."""
    cache = Cache("mem://")
    for put in (cache.add_middleware, lambda one: cache.setup("mem://", middlewares=[one])):
        with pytest.raises(ConfigurationError, match=r"subclass of BaseMiddleware, or an async function"):
            put(wrong)
    assert cache.blocking.get("k") is None


# --- what a middleware may do ---


class Mirrored(BaseMiddleware):
    """Keeps every value mirrored, as one that encrypts would."""

    async def set(self, key, value, **kwargs):
        return await super().set(key, None if value is None else ["mirrored", value], **kwargs)

    async def get(self, key, **kwargs):
        found = await super().get(key, **kwargs)
        return None if found is None else found[1]


async def test_a_middleware_may_change_values_on_their_way_in_and_out(heard):
    """The store has the changed value, callers get theirs; ttl, tags and freshness stay."""
    heard.cache.add_middleware(Mirrored())
    function, _ = counted(heard, answer=lambda number: {"number": number}, tags=["t"])
    assert [await heard.call(function) for _ in range(2)] == [{"number": 1}] * 2
    assert await heard.ask.get("k") == {"number": 1}
    assert await heard.ask.get_many("k") == (["mirrored", {"number": 1}],)
    assert await heard.ask.get_expire("k") == 60.0
    heard.clock.advance(61)
    assert await heard.call(function) == {"number": 2}
    assert await heard.ask.delete_tags("t") == 1
    assert await heard.call(function) == {"number": 3}


async def test_a_changed_value_may_be_an_exception(heard):
    """A negative result is raised again, although its value was changed twice on the way."""
    heard.cache.add_middleware(Mirrored())
    calls = []

    @heard.cache(ttl="1m", key="k", errors=LookupError)
    @heard.function
    async def function():
        calls.append(1)
        raise LookupError("there is none")

    for _ in range(2):
        with pytest.raises(LookupError, match="there is none"):
            await heard.call(function)
    assert len(calls) == 1


async def test_a_stale_value_stays_stale_when_it_is_changed(heard):
    """A middleware changes what is kept, not how old it is."""
    heard.cache.add_middleware(Mirrored())
    calls = []

    @heard.cache.soft(ttl="1m", soft_ttl="10s", key="k")
    @heard.function
    async def function():
        calls.append(1)
        return len(calls)

    assert await heard.call(function) == 1
    heard.clock.advance(20)
    with heard.cache.detect() as detected:
        assert await heard.call(function) == 1
    assert [call.outcome for call in detected.calls] == ["stale"]
    await heard.settled()
    assert await heard.call(function) == 2


class Longer(BaseMiddleware):
    """Keeps everything under a longer key."""

    async def get(self, key, **kwargs):
        return await super().get(f"v2:{key}", **kwargs)

    async def set(self, key, value, **kwargs):
        return await super().set(f"v2:{key}", value, **kwargs)


@pytest.mark.parametrize("secret", [None, "a secret of some length"])
@pytest.mark.parametrize("value", [{"a": 1}, None])
async def test_a_middleware_may_change_keys(heard, secret, value):
    """Decorated calls and commands find each other's values, signed ones too, and each strategy its own."""
    if secret is not None:
        heard.cache.setup(heard.url, secret=secret, store_budget=None)
    heard.cache.add_middleware(Longer())
    function, calls = counted(heard, answer=lambda number: value)
    assert [await heard.call(function) for _ in range(2)] == [value] * 2
    assert await heard.ask.get("k", default=7) == value
    assert await heard.ask.exists("v2:k")
    assert not await heard.ask.exists("k")
    assert len(calls) == 1
    await heard.ask.set("k", [2])
    assert await heard.call(function) == [2]


async def test_a_middleware_may_refuse_to_go_on(heard):
    """It answers for the store; what it refuses to write is not there, and what it gives is a hit."""

    async def refusing(proceed, command, *args, **kwargs):
        if command == "set":
            return False
        return "mine" if args == ("given",) else await proceed(*args, **kwargs)

    heard.cache.add_middleware(refusing)
    function, _ = counted(heard)
    assert [await heard.call(function) for _ in range(2)] == [1, 2]
    assert await heard.ask.set("k", 1) is False
    assert await heard.ask.get("k") is None
    assert await heard.ask.get("given") == "mine"

    @heard.cache(ttl="1m", key="given")
    @heard.function
    async def given():
        raise AssertionError("it is not called")

    assert await heard.call(given) == "mine"


async def test_an_error_of_a_middleware_reaches_who_gave_the_command_but_no_decorated_call(heard):
    """A call that is decorated goes on without its cache."""

    async def failing(proceed, command, *args, **kwargs):
        raise StoreUnavailableError("I refuse")

    heard.cache.add_middleware(failing)
    function, _ = counted(heard)
    assert [await heard.call(function) for _ in range(2)] == [1, 2]
    with pytest.raises(StoreUnavailableError, match="I refuse"):
        await heard.ask.get("k")


async def test_a_middleware_may_give_another_command_by_super(heard):
    """It goes the rest of the way, through those inside of it and no other."""
    notes = []

    class Once(BaseMiddleware):
        async def get(self, key, **kwargs):
            found = await super().get(key, **kwargs)
            if found is not None:
                await super().delete(key)
            return found

    for middleware in (Noting("outer", notes), Once(), Noting("inner", notes)):
        heard.cache.add_middleware(middleware)
    await heard.ask.set("k", 1)
    notes.clear()
    assert await heard.ask.get("k") == 1
    assert notes == ["outer get", "inner get", "inner done", "inner delete", "inner done", "outer done"]
    assert await heard.ask.get("k") is None
    function, _ = counted(heard)
    assert [await heard.call(function) for _ in range(3)] == [1, 1, 2]


async def test_a_middleware_may_try_again(breaking):
    """The second try of a command goes all the way too; each failure is counted."""

    async def again(proceed, command, *args, **kwargs):
        try:
            return await proceed(*args, **kwargs)
        except StoreUnavailableError:
            breaking.store.broken = False
            return await proceed(*args, **kwargs)

    breaking.cache.add_middleware(again)
    await breaking.ask.set("k", 1)
    breaking.store.broken = True
    assert await breaking.ask.get("k") == 1
    assert breaking.cache._core.figures.errors == {"other": 1}


async def test_a_middleware_may_ask_the_same_cache_for_something_else(heard):
    """A command inside of a command starts anew, and does not disturb the one that is under way."""

    class Counting(BaseMiddleware):
        async def set(self, key, value, **kwargs):
            if not key.startswith("count:"):
                await heard.ask.set(f"count:{key}", 1)
            return await super().set(key, value, **kwargs)

    heard.cache.add_middleware(Counting())
    await heard.ask.set("k", 5)
    assert await heard.ask.get_many("k", "count:k") == (5, 1)


class Shouting(BaseMiddleware):
    """Its iterators are generators, which ask by ``super()`` while they are iterated."""

    async def scan(self, pattern, **kwargs):
        async for key in await super().scan(pattern, **kwargs):
            yield key.upper()

    async def get_match(self, pattern, **kwargs):
        return await super().get_match(f"{pattern}*", **kwargs)


async def test_iterators_may_be_overridden_by_generators_and_by_plain_methods(heard):
    """Two of them around one cache, one inside of the other, each asks the next."""
    await heard.ask.set_many({"ab": 1, "ac": 2, "b": 3})
    heard.cache.add_middleware(Shouting())
    heard.cache.add_middleware(Shouting())
    assert sorted(await heard.ask.scan("a*")) == ["AB", "AC"]
    assert sorted(await heard.ask.get_match("a")) == [("ab", 1), ("ac", 2)]


async def test_one_middleware_may_stand_around_two_caches(heard):
    """What it does in the one it does not do in the other."""
    other = heard.new_cache()
    notes = []
    shared = Noting("shared", notes)
    for cache in (heard.cache, other):
        cache.add_middleware(shared)
    heard.cache.add_middleware(Longer())
    await heard.ask.set("only here", 1)
    first, heard.cache = heard.cache, other
    assert await heard.ask.get("only here") is None
    assert notes == ["shared set", "shared done", "shared get", "shared done"]
    heard.cache = first
    await heard.aclose(other)


async def test_a_transaction_takes_effect_through_middlewares(heard):
    """What is read and written in it passes them; what is rolled back is not there."""
    heard.cache.add_middleware(Mirrored())

    async def fail():
        await heard.ask.set("k", 1)
        assert await heard.ask.get("k") == 1
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"), heard.cache.transact():
        await fail()
    assert await heard.ask.get("k") is None
