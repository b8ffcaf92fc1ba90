"""What is told of waits, locks, stores and background work, and counted, in both colours."""

import asyncio
import threading
import time
from dataclasses import replace

import httpx
import pytest
from prometheus_client import CollectorRegistry

from resilient import (
    Cache,
    CircuitBreaker,
    CorruptEntryError,
    Fallback,
    Policy,
    RateLimit,
    ResilientClient,
    ResponseCache,
    Retry,
    StoreUnavailableError,
)
from resilient.entry import Entry
from resilient.events import (
    BackgroundBegan,
    BackgroundDropped,
    BackgroundEnded,
    CallEnded,
    Rejected,
    StoreAsked,
    StoreFailed,
    Waited,
)
from resilient.middlewares.prometheus import create_metrics_middleware
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.stores.memory import MemoryStore
from resilient.telemetry import Source
from resilient.testing import FakeClock
from resilient_adapters.prometheus import Prometheus
from resilient_adapters.records import records
from tests.adapters.test_prometheus import EVERY_EVENT, Scrape


@pytest.fixture
def registry():
    return CollectorRegistry()


def of_kind(events, *kinds):
    return [event for event in events if isinstance(event, kinds)]


# --- calls ---


def test_a_call_says_what_saved_it(world, origin):
    """A retry, a kept answer, a fallback; nothing where nothing failed, or where nothing helped."""
    once = Policy(retry=None, breaker=None)
    policies = {
        "api.test/retried": Policy(retry=Retry(max_attempts=2), breaker=None),
        "api.test/kept": replace(once, cache=ResponseCache.failover(ttl="1h")),
        "api.test/fallen": replace(once, fallback=Fallback(lambda request, failure: world.family.http.Response(200))),
        "*": once,
    }
    events = []
    client = world.client(origin, policies, telemetry=[events.append])
    client.get("/retried"), client.get("/kept"), client.get("/fallen"), client.get("/")
    origin.answers(503, times=1)
    client.get("/retried")
    origin.answers(503, times=1)
    client.get("/kept")
    origin.answers(503, times=1)
    client.get("/fallen")
    origin.answers(503, times=2)
    client.get("/retried")
    assert [event.saved_by for event in of_kind(events, CallEnded)] == [None] * 4 + ["retry", "stale", "fallback", None]


def test_a_refusal_can_be_survived_too(world, origin):
    """By a kept answer, while the circuit is open."""
    policy = Policy(retry=None, breaker=CircuitBreaker(failures=1), cache=ResponseCache.failover(ttl="1h"))
    events = []
    client = world.client(origin, policy, telemetry=[events.append])
    client.get()
    origin.answers(503, times=1)
    client.get(), client.get()
    assert [event.saved_by for event in of_kind(events, CallEnded)] == [None, "stale", "stale"]
    assert len(origin.requests) == 2


def test_waits_under_a_rate_limit_are_measured(world, origin, registry):
    """As long as they were, not as long as they might have been; no journey holds them."""
    client = world.client(
        origin, Policy(rate_limit=RateLimit("2/s", burst=1)), name="shop", telemetry=[Prometheus(registry)]
    )
    answers = world.run([client.ask] * 3)
    scrape = Scrape(registry)
    assert scrape("queue_wait_seconds_count", client="shop") == 2
    assert scrape("queue_wait_seconds_sum", client="shop") == pytest.approx(0.5 + 1.0)
    assert all(not answer.extensions["resilient"].events(Waited) for answer in answers)


def test_a_function_that_waits_for_its_turn_is_measured(registry):
    """Under the name of its cache."""
    clock = FakeClock()
    cache = Cache(name="prices", clock=clock, telemetry=[Prometheus(registry)])
    limited = cache.rate_limit("1/s", burst=1, max_wait="1m")(lambda: 1)
    limited(), limited()
    assert Scrape(registry)("queue_wait_seconds_sum", client="prices") == pytest.approx(1.0)


# --- stores ---


@pytest.fixture
def told():
    return []


def test_what_a_store_takes_is_told_of_calls_and_of_commands(tmp_path, told, registry):
    """Each once, whether the metrics middleware is there or not."""
    for cache, middleware in ((Cache(name="bare"), False), (Cache(name="counted"), True)):
        cache.setup(f"disk://{tmp_path}/{cache.name}", telemetry=[told.append, Prometheus(registry)])
        if middleware:
            cache.add_middleware(create_metrics_middleware(registry))
        told.clear()
        cache(ttl="1h", key="k")(lambda: 1)()
        cache.blocking.get("k"), cache.blocking.incr("n"), cache.blocking.delete("k")
        with cache.lock("k"):
            pass
        asked = of_kind(told, StoreAsked)
        assert [event.operation for event in asked] == ["get", "set", "get", "incr", "delete", "lock", "lock"]
        assert all(event.store == "disk" and event.seconds > 0 for event in asked)
        cache.close()
    counts = Scrape(registry).above_zero("store_operation_duration_seconds_count")
    assert {dict(labels)["op"]: value for labels, value in counts.items()} == {
        "get": 4,
        "set": 4,
        "delete": 2,
        "lock": 4,
    }


def test_what_a_clients_store_takes_is_told_too(tmp_path, told):
    """To those who listen to the client."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="ok"))
    policy = Policy(cache=ResponseCache(ttl="1h", store_budget=None))
    with ResilientClient(
        transport=transport, policies=policy, store=f"disk://{tmp_path}", telemetry=[told.append]
    ) as client:
        client.get("https://api.test/"), client.get("https://api.test/")
    assert {(event.store, event.operation) for event in of_kind(told, StoreAsked)} == {("disk", "get"), ("disk", "set")}


def test_of_memory_nothing_is_told_unless_a_middleware_is_around_it(told):
    """Nobody waits for it, and telling would take longer than asking."""
    cache = Cache("mem://", telemetry=[told.append])
    ask = cache(ttl="1h", key="k")(lambda: 1)
    ask(), ask(), cache.blocking.get("k")
    assert of_kind(told, StoreAsked) == []

    async def passing(proceed, command, *args, **kwargs):
        return await proceed(*args, **kwargs)

    cache.add_middleware(passing)
    ask()
    assert [event.operation for event in of_kind(told, StoreAsked)] == ["get"]


class Failing(MemoryStore):
    """Takes a second for each answer, and fails."""

    name = "failing"

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.passed = clock.advance

    def get(self, key):
        self.passed(1.0)
        raise StoreUnavailableError("it fails")

    def set(self, key, entry):
        return self.get(key)


def test_failures_take_time_too_and_what_was_not_asked_took_none(told):
    """Five failures; after them the store is left alone, which is no answer of its."""
    clock = FakeClock()
    store = Failing(clock)
    cache = Cache(StorePair(store, Lifted(store)), clock=clock, telemetry=[told.append])
    cache.setup(StorePair(store, Lifted(store)), store_budget="1h")
    ask = cache(ttl="1h", key="k")(lambda: 1)
    for _ in range(5):
        ask()
    assert {event.seconds for event in of_kind(told, StoreAsked)} == {1.0}
    assert len(of_kind(told, StoreAsked)) == 5
    assert "degraded" in {event.kind for event in of_kind(told, StoreFailed)}


def test_without_anybody_who_listens_nothing_is_built(tmp_path, monkeypatch):
    """Neither of stores nor of locks."""

    def built(*args, **kwargs):
        raise AssertionError("an event is built")

    for room, name in (("timing", "StoreAsked"), ("leases", "LockTaken"), ("leases", "LockWaited")):
        monkeypatch.setattr(f"resilient.caching.{room}.{name}", built)
    cache = Cache(f"disk://{tmp_path}")
    cache.locked(ttl="1h", key="k")(lambda: 1)()
    cache.blocking.get("k")
    cache.close()


def test_how_much_there_is_can_be_asked_for(tmp_path, registry):
    """The disk tells it whenever the cache's stats are asked for; memory by itself."""
    with_disk, in_memory = Cache(name="disk"), Cache(name="memory")
    with_disk.setup(f"disk://{tmp_path}", telemetry=[Prometheus(registry)])
    in_memory.setup("mem://", telemetry=[Prometheus(registry)])
    for cache in (with_disk, in_memory):
        for number in range(5):
            cache.blocking.set(f"k{number}", number)
    assert Scrape(registry).above_zero("cache_entries") == {(("cache", "memory"), ("store", "mem")): 5}
    with_disk.blocking.stats()
    scrape = Scrape(registry)
    assert scrape("cache_entries", cache="disk", store="disk") == 5
    assert scrape("cache_size_bytes", cache="disk", store="disk") > 0
    with_disk.close()


def test_an_entry_that_is_refused_is_counted_by_its_reason(tmp_path, registry):
    """Of a command and of a decorated call; the forged one is read from the disk, as another process would."""
    mine, theirs = Cache(name="mine"), Cache(name="theirs")
    mine.setup(f"disk://{tmp_path}", secret="s" * 16, telemetry=[Prometheus(registry)])
    theirs.setup(f"disk://{tmp_path}", secret="t" * 16)
    theirs.blocking.set("k", "v")
    ask = mine(ttl="1h", key="k")(lambda: 1)
    assert mine.blocking.get("k") is None
    scrape = Scrape(registry)
    assert scrape("cache_rejected_entries_total", cache="mine", reason="signature") == 1
    assert scrape("cache_rejected_entries_total", cache="mine", reason="damaged") == 0
    theirs(ttl="1h", key="k")(lambda: 2)()
    assert ask() == 1
    assert Scrape(registry)("cache_rejected_entries_total", cache="mine", reason="signature") == 2
    mine.close(), theirs.close()


def test_what_is_wrong_with_a_record_is_a_word():
    """Of few: damaged, or another version's."""
    now = time.time()
    entry = Entry(body=b"body", stored_at=now, fresh_until=now + 9, expires_at=now + 9)
    record = records.encode("k", entry, (b"", 0.0), None)
    for wrong, reason in {record[:-1]: "damaged", b"rsl\x07" + record[4:]: "version"}.items():
        with pytest.raises(CorruptEntryError) as raised:
            records.decode("k", wrong)
        assert raised.value.rejected == reason


# --- background ---


@pytest.mark.parametrize("colour", ["threads", "tasks"])
def test_background_work_is_told_from_its_beginning_to_its_end(told, colour):
    """What ends, what is cancelled with its runtime, and what there is no room for."""

    async def main():
        runtime = TaskRuntime() if colour == "tasks" else ThreadRuntime()
        runtime.background.tell = told.append
        runtime.background._most = 2
        ends = threading.Event()

        async def job():
            while not ends.is_set():
                await runtime.sleep(0.001)

        assert [runtime.spawn(key, job) for key in "abbc"] == [True, True, False, False]
        assert told == [BackgroundBegan(), BackgroundBegan(), BackgroundDropped(under_way=2)]
        del told[:]
        ends.set()
        await runtime.settle(30.0)

    asyncio.run(main())
    assert told == [BackgroundEnded(dropped=False)] * 2


def test_work_that_is_collected_with_its_loop_tells_nobody(told):
    """Whoever would be told may be what the garbage collector has interrupted; it is counted all the same."""
    background = TaskRuntime().background
    background.tell = told.append
    work = background.begin("key", None)
    coroutine = background.perform(work, lambda: asyncio.sleep(0))
    coroutine.send(None)
    coroutine.close()
    assert background.tally().dropped == 1
    assert told == [BackgroundBegan()]


def test_a_refresh_is_under_way_until_it_ends(registry):
    """The gauge goes up and down again."""
    cache = Cache(name="prices", telemetry=[Prometheus(registry)])
    cache.setup("mem://")
    begun, ends = threading.Event(), threading.Event()
    calls = []

    @cache.soft(ttl="1h", soft_ttl=0.01, key="k")
    def price():
        calls.append(1)
        if len(calls) > 1:
            begun.set()
            assert ends.wait(30)
        return 1

    price()
    time.sleep(0.02)
    price()
    assert begun.wait(30)
    assert Scrape(registry)("background_tasks", client="prices") == 1
    ends.set()
    cache.close()
    assert Scrape(registry)("background_tasks", client="prices") == 0


# --- bounds ---


def test_ten_thousand_addresses_make_a_bounded_number_of_series(registry):
    """As routes, as origins and as names of stores; what is beyond is counted as the others."""
    sink = Prometheus(registry)
    for number in range(10_000):
        name = f"https://host-{number}.test/items/{number}?token={number}"
        record = sink.of(Source("client", "shop", name))
        for event in (*EVERY_EVENT[:2], Rejected(by="circuit", origin=name, retry_in=1.0)):
            record(event)
        record(StoreAsked(store=name, operation="get", seconds=0.1))
    scrape = Scrape(registry)
    values = {label: set() for label in ("route", "circuit", "store")}
    for _, labels in scrape.samples:
        for label, value in labels:
            if label in values:
                values[label].add(value)
    assert {label: len(found) for label, found in values.items()} == {"route": 51, "circuit": 101, "store": 21}
    assert scrape("label_overflow_total", label="route") == 10_000 - 50
    assert scrape("calls_total", client="shop", route="_other", method="GET", outcome="ok") == 10_000 - 50
    assert len(scrape.samples) < 51 * 60 + 1_000
