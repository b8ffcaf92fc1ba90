"""The specification: each of its Python blocks runs as it is written, and what its text says of it is true.

The blocks are read from the specification when the tests run: from ``shared/seed.md`` beside the project, or from
where ``RESILIENT_SPEC`` says. In them the name of the library that it was written about is read as ours. What they
leave open (a database, an API) is played by :class:`Origin`. Directories on the disk are used as written where that
can be; where it cannot, the same path below the test's own directory is: only places are changed.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from uuid import uuid4

import prometheus_client
import pytest
from fastapi import Request

import resilient
from resilient import Cache, StoreUnavailableError
from resilient.events import ReplicaConnected
from resilient.middlewares import BaseMiddleware
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from tests.stores.servers import Server

HERE = Path(__file__).parents[2].parent / "shared" / "seed.md"
SPEC = Path(os.environ.get("RESILIENT_SPEC") or HERE)


def blocks_of(text):
    """The Python blocks of a document, each under its heading; of several under one, the later ones are numbered."""
    found, heading = {}, ""
    for title, block in re.findall(r"^#+ ([^\n]+)$|^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if title:
            heading = title
        else:
            number = 1 + sum(name == heading or name.startswith(f"{heading} #") for name in found)
            found[heading if number == 1 else f"{heading} #{number}"] = re.sub(r"\bcashews\b", "resilient", block)
    return found


BLOCKS = blocks_of(SPEC.read_text()) if SPEC.exists() else {}

pytestmark = pytest.mark.skipif(not BLOCKS, reason=f"the specification is not at {SPEC}")


def block(words):
    """The block below the one heading that has ``words`` in it."""
    (found,) = [text for heading, text in BLOCKS.items() if words in heading]
    return found


class Failure(Exception):
    """What an origin raises."""


class Origin:
    """Plays what a block asks: it counts the calls, takes its time, and answers or fails as it is told."""

    def __init__(self, scene):
        self._scene = scene
        self.calls = []
        self.answer = lambda *args: {"call": len(self.calls)}
        self.error = None
        self.takes = 0.0

    async def __call__(self, *args, **kwargs):
        self.calls.append((*args, *kwargs.values()))
        if self.takes:
            await self._scene.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return self.answer(*args, **kwargs)

    async def stream(self, *args):
        """As a source of items."""
        self.calls.append(args)
        for item in self.answer(*args):
            yield item
        if self.error is not None:
            raise self.error


class Logger:
    """Remembers what it was told."""

    def __init__(self):
        self.said = []

    def __getattr__(self, level):
        return lambda message: self.said.append((level, message))


@pytest.fixture
def logger(monkeypatch):
    """The logger of the package that the blocks import one from."""
    module = ModuleType("loguru")
    module.logger = Logger()
    monkeypatch.setitem(sys.modules, "loguru", module)
    return module.logger


@pytest.fixture
def colour():
    """The blocks are asynchronous."""
    return "async"


@pytest.fixture
def cache(scene, monkeypatch):
    """The cache that the blocks import: a new one, in virtual time, in memory unless they say otherwise."""
    monkeypatch.setattr(resilient, "cache", scene.cache)
    return scene.cache


@pytest.fixture
def origin(scene):
    return Origin(scene)


def names_of(cache, origin, logger):
    """What the blocks find: what earlier ones imported, and what they leave open."""

    async def get(*args):
        found = await origin(*args)
        return SimpleNamespace(raise_for_status=lambda: None, json=lambda: found)

    async def create(model, messages):
        message = SimpleNamespace(content=await origin(model, *(message["content"] for message in messages)))
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    return {
        "cache": cache,
        "BaseMiddleware": BaseMiddleware,
        "logger": logger,
        "db": SimpleNamespace(query_items=origin),
        "compute_stats": origin,
        "ml_model": SimpleNamespace(predict=origin),
        "heavy_computation": origin,
        "httpx_client": SimpleNamespace(get=get),
        "event_source": SimpleNamespace(subscribe=origin.stream),
        "external_api": SimpleNamespace(get=origin),
        "api": SimpleNamespace(search=origin, get=origin),
        "openai_client": SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create))),
        "build_feed": origin,
        "get_data": cache(ttl="1h", key="data:{key}")(origin_call(origin)),
        "key": "k",
    }


@pytest.fixture
def names(cache, origin, logger):
    return names_of(cache, origin, logger)


def origin_call(origin):
    async def get_data(key):
        return await origin(key)

    return get_data


async def run(text, names):
    """Run a block, which may await where no function is."""
    code = compile(text, "<specification>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waits = eval(code, names)
    if inspect.isawaitable(waits):
        await waits


def placed(text, tmp_path):
    """A block with those of its directories that cannot be used put below ``tmp_path``."""

    def path(found):
        wanted = Path(found[1])
        there = wanted if wanted.exists() else wanted.parent
        usable = os.access(there, os.W_OK) and (there is not wanted or there.stat().st_uid == os.getuid())
        return f"disk://{wanted if usable else f'{tmp_path}{wanted}'}"

    return re.sub(r"disk://(/[\w/.-]+)", path, text)


# --- all of them -------------------------------------------------------------------------------------------------


@pytest.fixture
def in_real_time(monkeypatch, origin, logger):
    """What the blocks find where some of them use the disk, whose threads know no other time."""
    monkeypatch.setattr(resilient, "cache", Cache())
    resilient.cache.setup("mem://")
    return names_of(resilient.cache, origin, logger)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_runs(in_real_time, tmp_path, name):
    """By itself, in whatever was said before it."""

    async def main():
        await run(placed(BLOCKS[name], tmp_path), in_real_time)
        await in_real_time["cache"].aclose()

    asyncio.run(main())


def test_all_blocks_run_one_after_the_other(in_real_time, tmp_path):
    """As a reader meets them, with one cache, and what they define works at the end."""

    async def main():
        for text in BLOCKS.values():
            await run(placed(text, tmp_path), in_real_time)
        cache, get_items = in_real_time["cache"], in_real_time["get_items"]
        cache.setup("mem://")
        assert await get_items("books") == await get_items("books", page=1)
        await cache.aclose()

    asyncio.run(main())


# --- decorators --------------------------------------------------------------------------------------------------


async def test_a_result_is_kept_under_its_key(scene, names, origin):
    """A result is kept for an hour under the key that the template makes."""
    await run(block("Basic TTL"), names)
    get_items = names["get_items"]
    first = await get_items("books")
    assert await get_items("books", 1) == await get_items(category="books", page=1) == first
    assert await names["cache"].get("items:books:1") == first
    await get_items("books", 2)
    assert origin.calls == [("books", 1), ("books", 2)]
    await scene.sleep(3601)
    assert await get_items("books") != first
    assert await names["cache"].delete("items:books:1")
    await get_items("books")
    assert len(origin.calls) == 4


async def test_each_parameter_does_what_it_says(scene, cache, origin):
    """The time as a timedelta, a key that is made of the name and the arguments, tags, and a condition."""

    @cache(ttl=timedelta(hours=1), tags=["all", "user:{user}"], condition=lambda result: result["call"] > 1)
    async def function(user, page=1):
        return await origin(user, page)

    assert [(await function("ann"))["call"] for _ in range(3)] == [1, 2, 2]
    assert (await function("bob"))["call"] == 3
    (key,) = [key async for key in cache.scan("*function*ann*")]
    assert await cache.get_expire(key) == 3600
    await cache.delete_tags("user:ann")
    assert (await function("ann"))["call"] == 4
    assert (await function("bob"))["call"] == 3
    await cache.delete_tags("all")
    assert (await function("bob"))["call"] == 5


@pytest.mark.parametrize(
    ("words", "name", "args", "first_time"),
    [("Before Expiry", "get_stats", (), 3000), ("Serve Stale", "get_recommendations", (7,), 1800)],
)
async def test_behind_the_back_of_a_request(scene, names, origin, words, name, args, first_time):
    """After the first time the kept value comes at once and one refresh runs; after the hour it is gone."""
    await run(block(words), names)
    function = names[name]
    origin.takes = 10

    async def timed():
        began = scene.now
        return (await function(*args))["call"], scene.now - began

    assert await timed() == (1, 10)
    await scene.sleep(first_time - 11)
    assert await timed() == (1, 0)
    await scene.sleep(12)
    assert await scene.all_at_once(*[timed] * 20) == [(1, 0)] * 20
    await scene.sleep(11)
    assert await timed() == (2, 0)
    assert len(origin.calls) == 2
    await scene.sleep(3601)
    assert await timed() == (3, 10)
    await names["cache"].aclose()


async def test_one_executes_and_the_others_wait(scene, names, origin):
    """Fifty requests for a key that is not there: one execution, and its result for all."""
    await run(block("Stampede"), names)
    origin.takes = 5
    compute = names["compute_report"]
    answers = await scene.all_at_once(*[lambda: compute("q3")] * 50)
    assert answers == [{"call": 1}] * 50
    assert scene.now == pytest.approx(5)
    assert origin.calls == [("q3",)]
    assert await compute("q3") == {"call": 1}
    await scene.sleep(3601)
    assert await compute("q3") == {"call": 2}


async def test_the_last_good_value(scene, names, origin):
    """While the service is down it is returned, for six hours; without one the error is the caller's."""
    await run(block("Circuit Breaker"), names)
    rates = names["fetch_exchange_rates"]
    origin.error = Failure("down")
    with pytest.raises(Failure):
        await rates()
    origin.error = None
    assert [await rates(), await rates()] == [{"call": 2}, {"call": 3}]
    origin.error = Failure("down")
    await scene.sleep(6 * 3600 - 1)
    assert await rates() == {"call": 3}
    await scene.sleep(2)
    with pytest.raises(Failure):
        await rates()


async def test_a_stream_is_replayed(scene, names, origin):
    """Every item, those that are false too; one that fails is not."""
    await run(block("Async Iterator"), names)
    stream = names["stream_events"]
    origin.answer = lambda channel: [0, "", None, b"", {"channel": channel}]
    origin.error = Failure("broken")
    with pytest.raises(Failure):
        [event async for event in stream("c")]
    origin.error = None
    for _ in range(3):
        assert [event async for event in stream("c")] == [0, "", None, b"", {"channel": "c"}]
    assert origin.calls == [("c",), ("c",)]
    await scene.sleep(1801)
    assert len([event async for event in stream("c")]) == 5
    assert len(origin.calls) == 3


async def test_two_decorators_stand_on_each_other(scene, names, origin):
    """No stampede, and the old value when the function fails."""
    await run(block("Combining"), names)
    fetch = names["fetch_critical_data"]
    origin.takes = 1
    assert await scene.all_at_once(*[lambda: fetch("k")] * 20) == [{"call": 1}] * 20
    await scene.sleep(3601)
    origin.error = Failure("down")
    assert await scene.all_at_once(*[lambda: fetch("k")] * 20) == [{"call": 1}] * 20
    assert len(origin.calls) == 2


# --- stores ------------------------------------------------------------------------------------------------------


def test_what_is_on_the_disk_stays_there(tmp_path):
    """What is kept there is there after a restart, and for other processes: another cache finds it. In real time."""
    text = placed(block("Disk Cache"), tmp_path)
    (*_, url) = re.findall(r"disk://[^\"]+", text)

    async def main():
        cache, key = Cache(), str(uuid4())
        await run(text, {"cache": cache})
        cache.setup(url, timeout="60s", write_wait="60s", busy_timeout="60s")
        await cache.set(key, [1, 2], ttl="1m")
        assert list(Path(url.removeprefix("disk://")).iterdir())
        other = Cache(url)
        assert await other.get(key) == [1, 2]
        await cache.aclose()
        assert await other.get(key) == [1, 2]
        await other.aclose()

    asyncio.run(main())


@pytest.mark.slow
def test_a_local_copy_is_told_of_changes(tmp_path):
    """A real server, of which only the address is another: reading asks nobody, and what another writes is seen."""
    server = Server(tmp_path)
    server.start()

    async def main():
        heard = []
        cache, other = Cache(telemetry=[heard.append]), Cache(server.url)

        async def asked():
            assert await cache.get("k") == [1]
            return server.admin().info("commandstats")["cmdstat_get"]["calls"]

        await run(block("Client-Side").replace("redis://localhost:6379", server.url), {"cache": cache})
        await other.set("k", [1])
        while await asked() != await asked():
            await asyncio.sleep(0.01)
        assert any(isinstance(event, ReplicaConnected) for event in heard)
        await other.set("k", [2])
        while await cache.get("k") != [2]:
            await asyncio.sleep(0.001)
        await cache.aclose()
        await other.aclose()

    try:
        asyncio.run(main())
    finally:
        server.stop()


async def test_what_is_in_memory_is_lost_with_its_cache(scene, names, origin):
    """Another cache has a memory of its own."""
    await run(block("Memory Cache"), names)
    await names["cache"].set("k", [1])
    assert await names["cache"].get("k") == [1]
    assert await Cache("mem://").get("k") is None


# --- middlewares -------------------------------------------------------------------------------------------------


class Broken(MemoryStore):
    """A store that fails."""

    def get(self, key):
        raise StoreUnavailableError("no store")

    def set(self, key, entry):
        raise StoreUnavailableError("no store")


async def test_errors_are_handled(scene, names, origin, logger):
    """A store that fails is logged and hurts neither a decorated call nor a command."""
    await run(block("Error Handling"), names)
    store = Broken()
    names["cache"].setup(StorePair(blocking=store, tasks=Lifted(store)))
    get_data = names["get_data"]
    assert [await get_data("a"), await get_data("a")] == [{"call": 1}, {"call": 2}]
    assert await names["cache"].get("b") is None
    assert not await names["cache"].set("b", 1)
    for level, message in logger.said:
        assert level == "error"
        assert re.fullmatch(r"Cache (get|set) failed for key=(data:a|b): no store", message)
    assert len(logger.said) >= 6


async def test_a_none_after_an_error_is_a_miss(scene, names, origin, logger):
    """And never a kept None."""
    await run(block("Error Handling"), names)
    origin.answer = lambda key: None
    get_data = names["get_data"]
    assert [await get_data("a") for _ in range(2)] == [None, None]
    assert len(origin.calls) == 1
    assert logger.said == []


async def test_hits_and_misses_are_logged(scene, names, logger):
    """Of decorated calls and of commands, with their keys."""
    await run(block("Logging"), names)
    await names["get_data"]("a")
    await names["get_data"]("a")
    await names["cache"].get("other")
    assert logger.said[0] == ("debug", "Cache MISS: data:a")
    assert logger.said[-2:] == [("debug", "Cache HIT: data:a"), ("debug", "Cache MISS: other")]


def exposed():
    """What everybody can scrape, by the name of the metric and its labels."""
    samples = [sample for metric in prometheus_client.REGISTRY.collect() for sample in metric.samples]
    return Counter({(sample.name, *sample.labels.values()): sample.value for sample in samples})


async def test_the_metrics_are_exposed(scene, names):
    """Hits, misses, latency and errors of the cache are exposed."""
    before = exposed()
    await run(block("Prometheus"), names)
    for _ in range(3):
        await names["get_data"]("a")
    store = Broken()
    names["cache"].setup(StorePair(blocking=store, tasks=Lifted(store)))
    await names["get_data"]("a")
    risen = exposed() - before

    def sum_of(name, *labels):
        return sum(value for (known, *said), value in risen.items() if known == name and {*labels} <= {*said})

    assert sum_of("resilient_cache_requests_total", "hit") == 2
    assert sum_of("resilient_cache_requests_total", "miss") == 2
    assert sum_of("resilient_store_errors_total") >= 2
    assert sum_of("resilient_store_operation_duration_seconds_count", "get") >= 4
    assert sum_of("resilient_store_operation_duration_seconds_count", "set") >= 2


# --- conditions, control -----------------------------------------------------------------------------------------


async def test_none_is_not_kept_by_its_condition(scene, names, origin):
    """All else is."""
    await run(BLOCKS["Conditional Caching"], names)
    results = [None, {"found": 1}, {"found": 2}]
    origin.answer = lambda query: results[len(origin.calls) - 1]
    assert [await names["search"]("q") for _ in range(4)] == [None, *[{"found": 1}] * 3]
    assert len(origin.calls) == 2


async def test_only_good_answers_are_kept_by_their_condition(scene, names, origin):
    """Those that say that they are."""
    await run(BLOCKS["Conditional Caching #2"], names)
    results = [{"status": "error"}, {}, {"status": "ok"}]
    origin.answer = lambda endpoint: results[len(origin.calls) - 1]
    assert [await names["fetch_data"]("/") for _ in range(5)] == [*results, *[results[-1]] * 2]


async def test_operations_are_switched_off(scene, names, origin):
    """Without reading, the result is fresh and kept; without either, it is fresh and the kept one stays."""
    assert await names["get_data"]("k") == {"call": 1}
    await run(block("Disable Operations"), names)
    assert (names["fresh_result"], names["result"]) == ({"call": 2}, {"call": 3})
    assert await names["get_data"]("k") == {"call": 2}


@pytest.mark.parametrize(("header", "calls"), [("no-cache", [1, 2, 2]), ("max-age=0", [1, 1, 1]), (None, [1, 1, 1])])
async def test_a_request_may_want_it_fresh(scene, names, origin, header, calls):
    """It then gets a new result, which is kept for the others."""
    await run(block("HTTP Cache-Control"), names)
    endpoint = names["get_data_endpoint"]
    headers = [] if header is None else [(b"cache-control", header.encode())]
    wanting = Request({"type": "http", "headers": headers})
    plain = Request({"type": "http", "headers": []})
    assert [(await endpoint(request, "k"))["call"] for request in (plain, wanting, plain)] == calls


# --- the rest ----------------------------------------------------------------------------------------------------


def test_an_answer_of_a_model_is_asked_for_once(in_real_time, origin, tmp_path):
    """One call for one prompt of a model, on the disk, compressed, and there after a restart."""
    text = placed(block("LLM"), tmp_path)
    (url,) = re.findall(r"disk://[^\"]+", text)
    # So that a busy disk makes no miss.
    patient = {"store_budget": None, "timeout": "60s", "write_wait": "60s", "busy_timeout": "60s"}
    prompt = f"tell me all about {uuid4()}"
    origin.answer = lambda model, prompt: f"{model} says: " + "blah " * 10_000

    async def main():
        await run(text, in_real_time)
        cache, call = in_real_time["cache"], in_real_time["call_llm"]
        cache.setup(url, **patient)
        with cache.detect() as detected:
            first = await call("small", prompt)
            assert [await call("small", prompt), await call(prompt=prompt, model="small")] == [first] * 2
        assert (await call("large", prompt)).startswith("large")
        assert len(origin.calls) == 2
        (key,) = detected.keys
        assert key.startswith("llm:small:")
        assert prompt not in key
        kept = await cache.get(key)
        assert kept == first
        with closing(sqlite3.connect(f"{url.removeprefix('disk://')}/resilient.db", timeout=60)) as database:
            ((size,),) = database.execute("SELECT length(record) FROM entries WHERE key = ?", [key])
        # As much of the same as this is takes a hundredth.
        assert size < len(kept) / 20
        cache.setup(url, **patient)
        assert await call("small", prompt) == first
        assert len(origin.calls) == 2
        assert await cache.delete_many(key, key.replace("small", "large")) == 2
        await cache.aclose()

    asyncio.run(main())


async def test_a_transaction_sets_both_values_or_none(scene, names):
    """Both values are there at the end; if one of them fails, neither is."""
    cache = names["cache"]
    text = block("Transactions")
    await run(text, names)
    assert await cache.get_many("key1", "key2") == ("value1", "value2")
    await cache.clear()

    async def failing(proceed, command, *args, **kwargs):
        if args and args[0] == "key2":
            raise Failure
        return await proceed(*args, **kwargs)

    cache.add_middleware(failing)
    with pytest.raises(Failure):
        await run(text, names)
    assert await cache.get("key1") is None


async def test_a_time_that_depends_on_the_call(scene, names, origin):
    """Four hours for some, half an hour for others."""
    await run(block("Dynamic TTL"), names)
    feed = names["get_user_feed"]
    for user_type in ("premium", "basic"):
        await feed(user_type)
    await scene.sleep(1799)
    assert [(await feed(user_type))["call"] for user_type in ("premium", "basic")] == [1, 2]
    await scene.sleep(2)
    assert [(await feed(user_type))["call"] for user_type in ("premium", "basic")] == [1, 3]
    await scene.sleep(4 * 3600 - 1803)
    assert (await feed("premium"))["call"] == 1
    await scene.sleep(3)
    assert (await feed("premium"))["call"] == 4
