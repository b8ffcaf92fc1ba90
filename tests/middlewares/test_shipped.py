"""The middlewares that are here for everybody, each in both colours."""

import logging

import httpx
import pytest

from resilient import ConfigurationError, Policy, ResilientClient, ResponseCache, StoreError, StoreUnavailableError
from resilient.events import CacheStored
from resilient.middlewares import After, BaseMiddleware, ErrorHandling, KeyPrefix, Logging, ValueSizeLimit
from tests.middlewares.conftest import said

LOGGER = "resilient.cache"


# --- ErrorHandling ---

EMPTY = {
    "get": (("k",), None),
    "set": (("k", 1), False),
    "delete": (("k",), False),
    "get_many": (("k", "l"), (None, None)),
    "set_many": (({"k": 1},), None),
    "delete_many": (("k",), 0),
    "exists": (("k",), False),
    "expire": (("k", "1m"), False),
    "get_expire": (("k",), None),
    "incr": (("n",), 0),
    "delete_match": (("*",), 0),
    "delete_tags": (("t",), 0),
    "clear": ((), None),
}


@pytest.mark.parametrize("command", EMPTY)
async def test_error_handling_answers_as_an_empty_store_would(breaking, command, caplog):
    """While the store fails; the failure is logged once, without the key."""
    arguments, answer = EMPTY[command]
    breaking.cache.add_middleware(ErrorHandling())
    breaking.store.broken = True
    assert await getattr(breaking.ask, command)(*arguments) == answer
    assert said(caplog) == [f"the store failed to {command}: it is broken"]


async def test_error_handling_gives_the_default_for_each_of_several_keys(breaking):
    """As where nothing is kept."""
    breaking.cache.add_middleware(ErrorHandling())
    breaking.store.broken = True
    assert await breaking.ask.get_many("k", "l", default=7) == (7, 7)
    assert await breaking.ask.get("k", default=7) == 7


@pytest.mark.parametrize(("command", "arguments"), [("ping", ()), ("scan", ("*",)), ("get_match", ("*",))])
async def test_error_handling_lets_those_errors_pass_that_are_the_answer(breaking, command, arguments):
    """A ping that succeeds while the store is down would be a lie."""
    breaking.cache.add_middleware(ErrorHandling())
    breaking.store.broken = True
    with pytest.raises(StoreUnavailableError):
        await getattr(breaking.ask, command)(*arguments)


async def test_error_handling_lets_mistakes_of_the_program_pass(heard):
    """A value that cannot be kept, and a text that cannot be added to, are nobody's outage."""
    heard.cache.add_middleware(ErrorHandling())
    with pytest.raises(StoreError, match="cannot be kept"):
        await heard.ask.set("k", object())
    await heard.ask.set("k", "text")
    with pytest.raises(StoreError):
        await heard.ask.incr("k")


async def test_a_decorated_call_goes_on_behind_error_handling(breaking):
    """Its function answers while the store is down, and what was kept before it is served again afterwards."""
    breaking.cache.add_middleware(ErrorHandling())
    calls = []

    @breaking.cache(ttl="1m", key="k")
    @breaking.function
    async def function():
        calls.append(1)
        return len(calls)

    assert await breaking.call(function) == 1
    breaking.store.broken = True
    assert await breaking.call(function) == 2
    breaking.store.broken = False
    assert await breaking.call(function) == 1


# --- Logging ---


async def test_logging_writes_commands_keys_and_outcomes_but_no_values(heard, caplog):
    """At DEBUG, one line a command; of a decorated call the reading and the writing."""
    caplog.set_level(logging.DEBUG, LOGGER)
    heard.cache.add_middleware(Logging())

    @heard.cache(ttl="1m", key="k")
    @heard.function
    async def function():
        return "secret"

    for _ in range(2):
        await heard.call(function)
    await heard.ask.set_many({"a": "secret", "b": "secret"})
    await heard.ask.get_many("a", "b")
    await heard.ask.delete_tags("t", "u")
    await heard.ask.clear()
    lines = [message.rpartition(" in ")[0] for message in said(caplog)]
    assert lines == [
        "get 'k': miss",
        "set 'k': done",
        "get 'k': hit",
        "set_many 'a', 'b': done",
        "get_many 'a', 'b': done",
        "delete_tags 't', 'u': done",
        "clear everything: done",
    ]
    assert "secret" not in caplog.text


async def test_logging_names_the_error_and_lets_it_pass(breaking, caplog):
    """By its class; its text may hold anything."""
    caplog.set_level(logging.DEBUG, LOGGER)
    breaking.cache.add_middleware(Logging())
    breaking.store.broken = True
    with pytest.raises(StoreUnavailableError):
        await breaking.ask.get("k")
    assert [message.rpartition(" in ")[0] for message in said(caplog)] == ["get 'k': StoreUnavailableError"]


async def test_logging_says_nothing_above_debug(heard, caplog):
    """A program that logs at INFO has no keys in its logs."""
    caplog.set_level(logging.INFO, LOGGER)
    heard.cache.add_middleware(Logging())
    await heard.ask.set("k", 1)
    assert said(caplog) == []


# --- KeyPrefix ---


async def test_a_prefix_stands_before_every_key_and_nobody_sees_it(heard):
    """Whatever the command, it finds what the others wrote; the store has the longer keys."""
    bare, heard.cache = heard.cache, heard.new_cache()
    if not heard.on_disk:  # those on one disk share it anyway
        heard.cache.setup(bare._core.mounts.all()[0].pair, store_budget=None)
    heard.cache.add_middleware(KeyPrefix("v2:"))
    await heard.ask.set("k", 1, tags=["t"])
    await heard.ask.set_many({"l": 2, "m": None})
    assert await heard.ask.incr("n", 5) == 5
    assert await heard.ask.get("k") == 1
    assert await heard.ask.get_many("k", "l", "x", default=0) == (1, 2, 0)
    assert await heard.ask.get("m", default=0) is None
    assert await heard.ask.exists("k")
    assert await heard.ask.expire("k", "1m")
    assert await heard.ask.get_expire("k") == 60.0
    assert sorted(await heard.ask.scan("*")) == ["k", "l", "m", "n"]
    assert await heard.ask.get_match("k*") == [("k", 1)]
    prefixed, heard.cache = heard.cache, bare
    assert sorted(await heard.ask.scan("*")) == ["v2:k", "v2:l", "v2:m", "v2:n"]
    await heard.ask.set("k", "not mine", tags=["t"])
    heard.cache = prefixed
    assert await heard.ask.delete("l")
    assert await heard.ask.delete_many("m", "x") == 1
    assert await heard.ask.delete_match("n*") == 1
    assert await heard.ask.scan("*") == ["k"]
    await heard.ask.clear()
    assert await heard.ask.scan("*") == []
    heard.cache = bare
    assert await heard.ask.get("k") == "not mine"
    await heard.aclose(prefixed)


async def test_a_tag_is_everybodys_whatever_the_prefix(heard):
    """What has changed has changed for all versions of a program."""
    heard.cache.add_middleware(KeyPrefix("v2:"))
    await heard.ask.set("k", 1, tags=["t"])
    assert await heard.ask.delete_tags("t") == 1
    assert await heard.ask.get("k") is None


@pytest.mark.parametrize("strategy", ["early", "failover", "hit", "locked", "soft"])
async def test_a_prefix_stands_before_the_keys_of_every_strategy(heard, strategy):
    """The value is found again, and forgotten by its short key."""
    heard.cache.add_middleware(KeyPrefix("v2:"))
    more = {"early": {"early_ttl": "30s"}, "soft": {"soft_ttl": "30s"}, "hit": {"cache_hits": 5}}.get(strategy, {})
    if strategy == "failover":
        more = {"retry_after": "1m"}
    answers = iter([1, 2])

    @getattr(heard.cache, strategy)(ttl="1m", key="k", **more)
    @heard.function
    async def function():
        return next(answers)

    assert await heard.call(function) == 1
    assert strategy == "failover" or await heard.call(function) == 1
    assert await heard.ask.scan("*") == ["k"]
    assert await heard.ask.delete("k")
    assert await heard.call(function) == 2


def test_a_prefix_stands_before_the_answers_of_a_client(heard):
    """The client whose store the cache is finds them again."""
    heard.cache.add_middleware(KeyPrefix("v2:"))
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="ok"))
    policy = Policy(cache=ResponseCache(ttl="1m", store_budget=None))
    with ResilientClient(transport=transport, policies=policy, store=heard.cache, clock=heard.clock) as client:
        found = [client.get("https://api.test/").extensions["resilient"].cache.result for _ in range(2)]
    assert found == ["miss", "hit"]
    names = list(heard.cache._core.mounts.all()[0].pair.blocking.scan())
    assert all(name.startswith("v2:http:") for name in names)
    assert len(names) == 1


@pytest.mark.parametrize("prefix", ["", "a*", None, 3])
def test_a_prefix_that_is_none_is_refused(prefix):
    """A star would match what is not ours."""
    with pytest.raises(ConfigurationError, match="prefix="):
        KeyPrefix(prefix)


# --- ValueSizeLimit ---


async def test_a_value_above_the_limit_is_not_written_and_that_is_told(heard, caplog):
    """By the answer, a warning without the key, an event, and the figures; what was there stays."""
    heard.cache.add_middleware(ValueSizeLimit("1KiB"))
    assert await heard.ask.set("k", b"x" * 1024) is True
    assert await heard.ask.set("k", b"x" * 1025) is False
    assert await heard.ask.get("k") == b"x" * 1024
    assert said(caplog) == ["a value of 1025 bytes is not kept; the limit is 1024"]
    assert [event.detail for event in heard.told(CacheStored)] == ["too-large"]
    assert (await heard.ask.stats()).not_stored == {"too-large": 1}


async def test_of_several_values_those_that_fit_are_written(heard):
    """The others are told, each."""
    heard.cache.add_middleware(ValueSizeLimit(100))
    await heard.ask.set_many({"small": "x", "large": "x" * 101, "larger": ["x" * 101]})
    assert await heard.ask.scan("*") == ["small"]
    assert (await heard.ask.stats()).not_stored == {"too-large": 2}


async def test_a_decorated_function_whose_result_is_too_large_answers_all_the_same(heard):
    """It is called each time, and its callers get the whole of it."""
    heard.cache.add_middleware(ValueSizeLimit(100))
    calls = []

    @heard.cache(ttl="1m", key="k")
    @heard.function
    async def function():
        calls.append(1)
        return "x" * 1000

    assert [len(await heard.call(function)) for _ in range(2)] == [1000, 1000]
    assert len(calls) == 2
    assert [event.detail for event in heard.told(CacheStored)] == ["too-large"] * 2


def test_the_answers_of_a_client_are_measured_too(heard):
    """By their bodies."""
    heard.cache.add_middleware(ValueSizeLimit(100))
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=b"x" * int(request.url.path[1:])))
    policy = Policy(cache=ResponseCache(ttl="1m", store_budget=None))
    with ResilientClient(transport=transport, policies=policy, store=heard.cache, clock=heard.clock) as client:
        for size, second in ((100, "hit"), (101, "miss")):
            found = [client.get(f"https://api.test/{size}").extensions["resilient"].cache.result for _ in range(2)]
            assert found == ["miss", second]


async def test_one_limit_may_stand_around_two_caches(heard):
    """Each is told of its own."""
    other = heard.new_cache()
    limit = ValueSizeLimit(100)
    heard.cache.add_middleware(limit)
    other.add_middleware(limit)
    await heard.ask.set("k", "x" * 1000)
    assert (await heard.ask.stats()).not_stored == {"too-large": 1}
    heard.cache, other = other, heard.cache
    assert (await heard.ask.stats()).not_stored == {}
    await heard.aclose(other)


@pytest.mark.parametrize("limit", [0, -1, "1XB", None, True])
def test_a_limit_that_is_none_is_refused(limit):
    """The error shows the forms."""
    with pytest.raises(ConfigurationError, match="limit="):
        ValueSizeLimit(limit)


# --- After ---


async def test_a_callback_hears_what_it_asks_for_after_the_commands_that_were_named(heard):
    """Each parameter is one of the things on offer; the command has taken effect by then."""
    heard_of, all_of = [], []
    heard.cache.add_middleware(After(lambda key, result: heard_of.append((key, result)), "get", "delete"))
    heard.cache.add_middleware(After(lambda command, args, kwargs: all_of.append((command, args, kwargs))))
    await heard.ask.set("k", 1, ttl="1m")
    await heard.ask.get("k")
    await heard.ask.get("other")
    await heard.ask.delete("k")
    await heard.ask.clear()
    assert heard_of == [("k", 1), ("other", None), ("k", True)]
    assert [command for command, _, _ in all_of] == ["set", "get", "get", "delete", "clear"]
    assert all_of[0][1:] == (("k", 1), {"ttl": "1m", "tags": ()})


async def test_a_callback_hears_of_decorated_calls(heard):
    """Of the reading and of the writing."""
    told = []
    heard.cache.add_middleware(After(lambda command, key: told.append(f"{command} {key}")))

    @heard.cache(ttl="1m", key="k")
    @heard.function
    async def function():
        return 1

    for _ in range(2):
        await heard.call(function)
    assert told == ["get k", "set k", "get k"]


async def test_a_callback_that_fails_hurts_nobody(heard, caplog):
    """It is logged with its traceback; the command's answer stays."""
    heard.cache.add_middleware(After(lambda: 1 / 0, "set"))
    assert await heard.ask.set("k", 1) is True
    assert "a callback after set failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_a_command_that_failed_has_no_callback(breaking):
    """It is called after success only."""
    told = []
    breaking.cache.add_middleware(After(lambda: told.append(1)))
    breaking.store.broken = True
    with pytest.raises(StoreUnavailableError):
        await breaking.ask.get("k")
    assert told == []


async def coroutine():
    """No plain function."""


@pytest.mark.parametrize(
    ("callback", "commands", "words"),
    [(coroutine, (), "callback="), (lambda value: value, (), "'value'"), (lambda: None, ("got",), "'get'")],
)
def test_what_cannot_be_called_back_is_refused(callback, commands, words):
    """An async function, a parameter that is not on offer, a command that does not exist."""
    with pytest.raises(ConfigurationError, match=words):
        After(callback, *commands)


# --- together ---


async def test_they_work_together(heard):
    """All of them around one cache, and a class of the user's."""
    told = []
    for middleware in (
        ErrorHandling(), Logging(), After(lambda key: told.append([key]), "set"), KeyPrefix("v2:"),
        ValueSizeLimit("1MB"), BaseMiddleware(),
    ):  # fmt: skip
        heard.cache.add_middleware(middleware)
    calls = []

    @heard.cache(ttl="1m", key="k")
    @heard.function
    async def function():
        calls.append(1)

    assert [await heard.call(function) for _ in range(2)] == [None, None]
    assert len(calls) == 1
    assert told == [["k"]]
