"""What a cache can be asked to do, in both colours and on every store."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import httpx
import pytest

from resilient import (
    Cache,
    ConfigurationError,
    Policy,
    ResilientClient,
    ResponseCache,
    StoreError,
    StoreUnavailableError,
    register_type,
)
from resilient.entry import Entry
from resilient.events import CacheLookup, StoreFailed
from resilient.ports import StorePair
from resilient.stores.memory import MemoryStore

# --- one key -----------------------------------------------------------------------------------------------------


async def test_what_was_set_is_got(place):
    """None is a value; without one there is the default."""
    ask = place.ask
    assert await ask.get("k") is None
    assert await ask.get("k", "default") == "default"
    assert await ask.set("k", {"a": [1, None]}) is True
    assert await ask.get("k") == {"a": [1, None]}
    await ask.set("k", None)
    assert await ask.get("k", "default") is None
    assert (await ask.exists("k"), await ask.exists("other")) == (True, False)


@dataclass
class Point:
    x: int
    y: int


class Colour(Enum):
    RED = "red"


VALUES = [
    None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**200, 0.5, -0.0, float("inf"), "", "1", "-1", "text", "\ud800",
    b"", b"1", b"\x00\xff", [], {}, (), [1, (2, [3])], {"a": {1: None}}, {1, 2}, frozenset({"a"}), Decimal("1.10"),
    UUID(int=5), Colour.RED, date(2025, 1, 2), datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC), timedelta(seconds=1.5),
    Point(1, 2), [Point(1, 2)], ["x" * 5_000],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=[repr(value)[:20].encode("ascii", "replace") for value in VALUES])
async def test_a_value_comes_back_as_what_it_was(place, value):
    """Type and all, on every store, alone and among others; it is the caller's own."""
    if type(value) is Point:
        register_type(Point, lambda point: [point.x, point.y], lambda parts: Point(*parts))
    await place.ask.set("k", value)
    await place.ask.set_many({"l": value})
    for found in (await place.ask.get("k"), *await place.ask.get_many("k", "l")):
        assert (found, type(found), repr(found)) == (value, type(value), repr(value))
    if isinstance(value, list):
        (await place.ask.get("k")).append("changed")
        assert await place.ask.get("k") == value


async def test_what_is_no_value_is_refused(place):
    """At once, with the name of its type; what was there stays."""
    await place.ask.set("k", 1)
    with pytest.raises(StoreError, match="object"):
        await place.ask.set("k", object())
    assert await place.ask.get("k") == 1


@pytest.mark.parametrize("ttl", [1.5, "1500ms", timedelta(seconds=1.5)])
async def test_a_value_lives_as_long_as_it_is_told(place, ttl):
    """For ever, if nothing is said; what is set anew has another life."""
    ask = place.ask
    await ask.set("k", 1, ttl)
    await ask.set_many({"m": 1}, ttl=ttl)
    await ask.set("for ever", 1)
    assert await ask.get_expire("k") == await ask.get_expire("m") == 1.5
    assert await ask.get_expire("for ever") is None
    assert await ask.get_expire("other") is None
    place.clock.advance(1.4)
    assert await ask.get_many("k", "m") == (1, 1)
    place.clock.advance(0.2)
    assert await ask.get_many("k", "m", "for ever") == (None, None, 1)
    assert await ask.exists("k") is False
    await ask.set("for ever", 1, 10)
    assert await ask.get_expire("for ever") == 10


@pytest.mark.parametrize("ttl", [0, -1, "soon", "1h30", float("nan")])
async def test_a_wrong_time_is_refused(place, ttl):
    """Nothing is set."""
    for command in (place.ask.set("k", 1, ttl), place.ask.set_many({"k": 1}, ttl), place.ask.incr("k", ttl=ttl)):
        with pytest.raises(ConfigurationError, match="ttl"):
            await command
    assert await place.ask.scan() == []


async def test_a_life_can_be_changed(place):
    """From now on, longer or shorter; the value and its tags stay."""
    ask = place.ask
    await ask.set("k", [1], 10, tags=["t"])
    place.clock.advance(5)
    assert await ask.expire("k", 60) is True
    assert await ask.get_expire("k") == 60
    assert await ask.expire("k", "500ms") is True
    assert await ask.get_expire("k") == 0.5
    assert await ask.get("k") == [1]
    assert await ask.expire("other", 60) is False
    assert await ask.delete_tags("t") == 1


async def test_delete_says_whether_there_was_anything(place):
    """And forgets it."""
    await place.ask.set("k", 1)
    assert [await place.ask.delete("k") for _ in range(2)] == [True, False]
    assert await place.ask.get("k") is None


async def test_a_default_is_kept_where_there_is_nothing(place):
    """A value, or what makes one; it is made once, and not for what is there, be it None."""
    made = []

    def make():
        made.append(1)
        return {"n": len(made)}

    assert [await place.ask.get_or_set("k", make, ttl=10) for _ in range(2)] == [{"n": 1}] * 2
    assert await place.ask.get_expire("k") == 10
    assert await place.ask.get_or_set("value", 5) == 5
    await place.ask.set("none", None)
    assert await place.ask.get_or_set("none", make) is None
    if place.colour == "async":

        async def later():
            return 7

        assert await place.cache.get_or_set("later", later) == 7
    assert made == [1]


# --- counting ----------------------------------------------------------------------------------------------------


async def test_numbers_are_added_to(place):
    """From 0, up and down; the life of a number is that of the first addition, and what is set can be added to."""
    ask = place.ask
    assert [await ask.incr("n"), await ask.incr("n", 5), await ask.incr("n", -10)] == [1, 6, -4]
    assert await ask.get("n") == -4
    assert await ask.incr("m", ttl=10) == 1
    place.clock.advance(4)
    assert await ask.incr("m", ttl=10) == 2
    assert await ask.get_expire("m") == 6
    place.clock.advance(7)
    assert await ask.incr("m") == 1
    await ask.set("set", 41, ttl=10)
    assert await ask.incr("set") == 42
    assert await ask.get_expire("set") == 10
    for wrong in ("text", None, 1.5, True, [1], 2**64):
        await ask.set("wrong", wrong)
        with pytest.raises(StoreError):
            await ask.incr("wrong")
        assert await ask.get("wrong") == wrong


async def test_no_addition_is_lost(place):
    """A hundred at once, in threads or tasks."""
    if place.colour == "async":
        numbers = await asyncio.gather(*(place.cache.incr("n") for _ in range(100)))
    else:
        with ThreadPoolExecutor(20) as pool:
            numbers = list(pool.map(lambda _: place.cache.blocking.incr("n"), range(100)))
    assert sorted(numbers) == list(range(1, 101))


# --- many keys ---------------------------------------------------------------------------------------------------


async def test_many_keys_are_got_in_order(place):
    """With the default for those that are not there; a key may be asked for twice, and none at all."""
    ask = place.ask
    await ask.set_many({"a": 1, "b": None})
    assert await ask.get_many("b", "x", "a", "b") == (None, None, 1, None)
    assert await ask.get_many("b", "x", "a", default="default") == (None, "default", 1)
    assert await ask.get_many() == ()
    assert await ask.delete_many("a", "x", "b", "a") == 2
    assert await ask.delete_many() == 0
    assert await ask.scan() == []


async def test_many_keys_are_set_with_their_tags_or_not_at_all(place):
    """One that cannot be kept keeps all of them from being set."""
    await place.ask.set_many({"a": 1, "b": 2}, ttl=10, tags=["t"])
    with pytest.raises(StoreError):
        await place.ask.set_many({"a": 3, "b": object()})
    assert await place.ask.get_many("a", "b") == (1, 2)
    assert await place.ask.delete_tags("t") == 2
    await place.ask.set_many({})


async def test_more_keys_than_a_statement_can_name(place):
    """Thousands of them are deleted, found and got like few."""
    keys = [f"k{number}" for number in range(3_000)]
    await place.ask.set_many(dict.fromkeys(keys, 1))
    assert len(await place.ask.scan("k1*")) == 1_111
    assert await place.ask.get_many(*keys) == (1,) * 3_000
    assert await place.ask.delete_match("k*") == 3_000
    assert await place.ask.scan() == []


# --- patterns ----------------------------------------------------------------------------------------------------

KEYS = [
    "a", "a:b", "a:bc", "a*b", "a?b", "axb", "[ab]", "a.b", "a\nb", "ä:ö", "100%", "100x", "a_b", "a\\b", "A:B", "(a",
    "a:b:c", "", " ",
]  # fmt: skip
PATTERNS = {
    "*": set(KEYS),
    "a:*": {"a:b", "a:bc", "a:b:c"},
    "a:b": {"a:b"},
    "a?b": {"a?b"},
    "[ab]": {"[ab]"},
    "a.b": {"a.b"},
    "a*b": {"a:b", "a*b", "a?b", "axb", "a.b", "a\nb", "a_b", "a\\b"},
    "*:*": {"a:b", "a:bc", "ä:ö", "A:B", "a:b:c"},
    "100%": {"100%"},
    "a_b": {"a_b"},
    "a\\b": {"a\\b"},
    "(a": {"(a"},
    "**c": {"a:bc", "a:b:c"},
    "nothing*": set(),
    "": {""},
}


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_a_star_is_any_text_and_all_else_is_itself(place, pattern):
    """To find, to get and to forget; line ends, percent signs and brackets mean nothing."""
    keys = [key for key in KEYS if key]
    expected = PATTERNS[pattern] - {""}
    await place.ask.set_many({key: f"value of {key}" for key in keys})
    assert set(await place.ask.scan(pattern)) == expected
    assert dict(await place.ask.get_match(pattern)) == {key: f"value of {key}" for key in expected}
    assert await place.ask.delete_match(pattern) == len(expected)
    assert set(await place.ask.scan()) == set(keys) - expected


async def test_a_key_is_found_once_whoever_keeps_it(place):
    """And got only where there is a value under the key itself."""

    @place.cache(ttl=10, key="both")
    @place.cache.soft(ttl=10, soft_ttl=5, key="both")
    @place.function
    async def both():
        return 1

    @place.cache.locked(ttl=10, key="locked")
    @place.function
    async def locked():
        return 2

    await place.call(both)
    await place.call(locked)
    assert sorted(await place.ask.scan()) == ["both", "locked"]
    assert await place.ask.get_match() == [("both", 1)]
    assert await place.ask.delete("locked") is True
    assert await place.ask.delete_match("*") == 2
    assert await place.ask.scan() == []


# --- tags --------------------------------------------------------------------------------------------------------


async def test_a_group_is_let_go_at_once(place):
    """All that has one of the tags, and nothing else."""
    ask = place.ask
    await ask.set("a", 1, tags=["t", "u"])
    await ask.set("b", 1, tags=["u"])
    await ask.set("c", 1, tags=["v"])
    await ask.set("d", 1)
    assert await ask.delete_tags("t") == 1
    assert await ask.delete_tags("u", "v", "w") == 2
    assert await ask.scan() == ["d"]
    await ask.set("d", 1, tags=["t"])
    await ask.set("d", 1)
    assert await ask.delete_tags("t") == 0
    assert await ask.delete_tags() == 0


@pytest.mark.parametrize("round", range(3))
async def test_none_of_a_group_survives(place, round):
    """Fifty are being set while the group is let go: those that were set before are gone, and those after it stay."""
    if place.colour == "async":
        await asyncio.gather(
            *(place.cache.set(f"k{number}", number, tags=["t"]) for number in range(25)),
            place.cache.delete_tags("t"),
            *(place.cache.set(f"k{number}", number, tags=["t"]) for number in range(25, 50)),
        )
    else:
        with ThreadPoolExecutor(20) as pool:
            futures = [pool.submit(place.cache.blocking.set, f"k{number}", number, tags=["t"]) for number in range(50)]
            place.cache.blocking.delete_tags("t")
            for future in futures:
                future.result()
    await place.ask.delete_tags("t")
    assert await place.ask.scan() == []


async def test_no_value_from_before_survives_the_letting_go_of_its_group(place):
    """A writer that goes on all the time: behind each ``delete_tags`` there is only what was written after it began."""
    ended, written = threading.Event(), [0]
    commands = place.cache.blocking

    def write():
        while not ended.is_set():
            written[0] += 1
            commands.set(f"k{written[0] % 10}", written[0], tags=["t"])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(30):
            before = written[0]
            await place.ask.delete_tags("t")
            for _, number in await place.ask.get_match():
                assert number >= before
    finally:
        ended.set()
        thread.join()


# --- the whole ---------------------------------------------------------------------------------------------------


async def test_everything_can_be_forgotten(place):
    """Of all strategies, tags included."""
    await place.ask.set("a", 1, tags=["t"])
    await place.ask.incr("n")
    await place.ask.clear()
    assert await place.ask.scan() == []
    assert await place.ask.delete_tags("t") == 0


async def test_a_cache_can_be_pinged(place):
    """It says that it is there; a closed disk says that it is not."""
    assert await place.ask.ping() is True
    if place.on_disk:
        other = place.new_cache()
        await place.aclose(other)
        commands = other if place.colour == "async" else other.blocking
        with pytest.raises(StoreUnavailableError):
            await place.call(commands.set, "k", 1)


async def test_keys_are_kept_where_their_beginning_says(place):
    """The longest prefix counts; commands of many keys ask every store that is concerned, each key in one only."""
    cache, ask = place.cache, place.ask
    await ask.set("users:0", "hidden by what is set up later")
    cache.setup("mem://", prefix="users:")
    cache.setup("mem://", prefix="users:admins:")
    values = {"a": 1, "users:1": 2, "users:admins:1": 3}
    await ask.set_many(values, tags=["t"])
    kept = {}
    for mount in cache._core.mounts.all():
        kept[mount.prefix] = sorted(mount.pair.blocking.scan())
    assert kept == {"": ["a", "users:0"], "users:": ["users:1"], "users:admins:": ["users:admins:1"]}
    assert sorted(await ask.scan()) == sorted(values)
    assert await ask.get_many(*reversed(values)) == (3, 2, 1)
    assert dict(await ask.get_match("users:*")) == {"users:1": 2, "users:admins:1": 3}
    assert await ask.delete_many("a", "users:admins:1") == 2
    assert await ask.delete_tags("t") == 1
    await ask.set_many(values)
    assert await ask.delete_match("*1") == 2
    await ask.clear()
    assert await ask.scan() == []
    assert await ask.ping()


async def test_a_store_takes_the_place_of_the_one_before(place):
    """Which is closed; decorated functions go on with the new one."""
    calls = []

    @place.cache(ttl=10)
    @place.function
    async def function():
        calls.append(1)
        return len(calls)

    assert [await place.call(function) for _ in range(2)] == [1, 1]
    place.cache.setup("mem://")
    assert [await place.call(function) for _ in range(2)] == [2, 2]


# --- trouble -----------------------------------------------------------------------------------------------------


async def test_what_cannot_be_decoded_is_a_miss_and_is_told(heard):
    """Whoever wrote it: it is no error of whoever reads, alone or among others, and a call makes it anew."""
    calls = []

    @heard.cache(ttl=10, key="k")
    @heard.function
    async def function():
        calls.append(1)
        return "new"

    now = heard.clock.wall()
    strange = Entry(body=b"\xc1", meta={"kind": "msgpack"}, stored_at=now, fresh_until=now + 60, expires_at=now + 60)
    heard.cache._core.mounts.only().pair.blocking.set("k", strange)
    ask = heard.ask
    await ask.set("other", 1)
    assert await ask.get("k", "default") == "default"
    assert await ask.get_many("k", "other") == (None, 1)
    assert await ask.get_match() == [("other", 1)]
    assert [(one.operation, one.kind) for one in heard.told(StoreFailed)] == [("get", "corrupt")] * 3
    assert heard.told(CacheLookup)[0].result == "miss"
    assert await heard.call(function) == "new"
    assert await ask.get("k") == "new"


def test_the_answers_of_a_client_are_no_values():
    """A client shares the cache: what it keeps is neither got nor counted as damaged, but it can be forgotten."""
    events = []
    cache = Cache("mem://", telemetry=[events.append])
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="x"))
    policy = Policy(cache=ResponseCache(ttl="1m"))
    cache.blocking.set("k", 1)
    with ResilientClient(transport=transport, policies=policy, store=cache) as client:
        client.get("https://api.test/")
        assert len(list(cache.blocking.scan())) == 2
        assert list(cache.blocking.get_match()) == [("k", 1)]
        assert not [event for event in events if isinstance(event, StoreFailed)]
        assert cache.blocking.delete_match("*") == 2


def test_a_command_does_not_wait_for_ever():
    """A store that does not answer is an error after ``timeout``, for commands of no key too."""

    class Hung:
        name = "hung"

        def __getattr__(self, name):
            return self.hang

        async def hang(self, *args, **kwargs):
            await asyncio.Event().wait()

    async def main():
        cache = Cache()
        cache.setup(StorePair(blocking=MemoryStore(), tasks=Hung()), timeout=0.05)
        for command in (
            cache.get("k"), cache.set("k", 1), cache.set_many({"k": 1}), cache.delete_tags("t"), cache.clear(),
        ):  # fmt: skip
            with pytest.raises(StoreUnavailableError, match=r"within 0.05 s"):
                await command

    asyncio.run(main())
