"""What a client and a cache do is counted, once, under names that stay."""

import asyncio
import gc
import json
import subprocess
import sys
import time
import weakref
from importlib.metadata import version

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from resilient import (
    Cache,
    CircuitBreaker,
    CircuitOpenError,
    Policy,
    ResilientClient,
    ResponseCache,
    Retry,
    StoreUnavailableError,
)
from resilient.events import (
    AttemptEnded,
    BackgroundBegan,
    BackgroundDropped,
    BackgroundEnded,
    BackgroundFailed,
    CacheLookup,
    CacheStored,
    CallEnded,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    LockLost,
    LockTaken,
    LockWaited,
    Rejected,
    ReplicaConnected,
    ReplicaFlushed,
    ReplicaInvalidated,
    Retried,
    RetryExhausted,
    StoreAsked,
    StoreDegraded,
    StoreEvicted,
    StoreFailed,
    StoreMeasured,
    StoreRecovered,
    Waited,
)
from resilient.middlewares import BaseMiddleware
from resilient.middlewares.prometheus import create_metrics_middleware
from resilient.outcome import Failure, Outcome
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.telemetry import Source
from resilient.testing import FakeClock, Origin
from resilient_adapters.prometheus import Prometheus
from tests.middlewares.conftest import Breaking


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def clock():
    return FakeClock()


class Scrape:
    """What a registry exports, as Prometheus reads it: by its parsers for both formats, which have to agree."""

    def __init__(self, registry):
        self.text = generate_latest(registry).decode()
        self.samples = values_of(parse_text(self.text))
        assert values_of(parse_openmetrics(generate_openmetrics(registry).decode())) == self.samples

    def __call__(self, name, **labels):
        """The value of one sample, None if it is not there."""
        return self.samples.get((f"resilient_{name}", frozenset(labels.items())))

    def above_zero(self, name):
        """The labels and values of all samples of that name that are above 0."""
        found = {key: value for key, value in self.samples.items() if key[0] == f"resilient_{name}" and value}
        return {tuple(sorted(dict(labels).items())): value for (_, labels), value in found.items()}


def values_of(families):
    """Numbers, not instants; a bound is a number, however it is written."""
    found = {}
    for family in families:
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                labels = {name: float(value) if name == "le" else value for name, value in sample.labels.items()}
                found[sample.name, frozenset(labels.items())] = sample.value
    return found


# --- names, labels and buckets ---

CACHE = {
    "resilient_cache_requests": {"cache", "result"},
    "resilient_cache_fills": {"cache", "trigger", "result"},
    "resilient_cache_entry_age_seconds": {"cache"},
    "resilient_cache_entries": {"cache", "store"},
    "resilient_cache_size_bytes": {"cache", "store"},
    "resilient_cache_evictions": {"cache", "store", "reason"},
    "resilient_cache_rejected_entries": {"cache", "reason"},
    "resilient_lock_wait_seconds": {"cache"},
    "resilient_lock_held": {"cache"},
    "resilient_lock_lost": {"cache", "reason"},
    "resilient_lock_timeouts": {"cache"},
    "resilient_store_operation_duration_seconds": {"store", "op"},
    "resilient_store_errors": {"store", "kind"},
    "resilient_store_up": {"store"},
    "resilient_store_degraded_seconds": {"store"},
    "resilient_csc_connected": {"store"},
    "resilient_csc_invalidations": {"store"},
    "resilient_csc_staleness_bound_seconds": {"store"},
    "resilient_csc_flushes": {"store", "reason"},
    "resilient_background_tasks": {"client"},
    "resilient_background_dropped": {"client", "why"},
    "resilient_background_failures": {"client", "kind"},
}
CLIENT = {
    "resilient_calls": {"client", "route", "method", "outcome"},
    "resilient_calls_saved": {"client", "route", "by"},
    "resilient_call_duration_seconds": {"client", "route", "source"},
    "resilient_attempt_duration_seconds": {"client", "route", "status"},
    "resilient_retries": {"client", "route", "reason"},
    "resilient_retries_denied": {"client", "route", "why"},
    "resilient_retry_delay_seconds": {"client"},
    "resilient_queue_wait_seconds": {"client"},
    "resilient_rejected": {"client", "reason"},
    "resilient_circuit_state": {"circuit", "state"},
    "resilient_circuit_transitions": {"circuit", "to"},
    "resilient_circuit_rejected": {"circuit"},
    "resilient_circuit_failure_ratio": {"circuit"},
    "resilient_circuit_opened_timestamp_seconds": {"circuit"},
    "resilient_label_overflow": {"label"},
    "resilient_build_info": {"version"},
}
BUCKETS = {
    "resilient_call_duration_seconds": [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    "resilient_attempt_duration_seconds": [
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
    ],
    "resilient_retry_delay_seconds": [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    "resilient_queue_wait_seconds": [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    "resilient_lock_wait_seconds": [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
    "resilient_cache_entry_age_seconds": [1, 10, 60, 300, 1800, 3600, 21600, 86400],
    "resilient_store_operation_duration_seconds": [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1],
}  # fmt: skip
ORIGIN = "https://api.test"
EVERY_EVENT = [
    CallEnded(
        client="shop", route="*", method="GET", origin=ORIGIN, outcome=Outcome.OK, status=200, seconds=0.2, attempts=2,
        saved_by="retry",
    ),
    Waited(seconds=0.3, by="rate"),
    AttemptEnded(number=1, origin=ORIGIN, status=200, failure=None, seconds=0.2),
    Retried(attempt=1, reason="5xx", delay=0.1),
    RetryExhausted(attempts=3, reason="5xx", stop="limit"),
    Rejected(by="circuit", origin=ORIGIN, retry_in=1.0),
    CircuitOpened(circuit=ORIGIN, open_for=1.0, cause="run"),
    CacheLookup(result="hit", strategy="simple", age=3.0, ttl=4.0),
    CacheStored(strategy="simple", ttl=4.0),
    BackgroundFailed(what="refresh", strategy="soft", error="OSError"),
    BackgroundBegan(),
    BackgroundEnded(dropped=True),
    BackgroundDropped(under_way=64),
    LockWaited(seconds=0.1, result="timeout"),
    LockTaken(),
    LockLost(seconds=1.0, reason="stolen"),
    StoreAsked(store="disk", operation="get", seconds=0.2),
    StoreMeasured(store="mem", entries=5, size=500),
    StoreFailed(store="disk", operation="get", kind="corrupt", rejected="signature"),
    StoreDegraded(store="disk"),
    StoreRecovered(store="disk", seconds=3.0),
    ReplicaConnected(store="redis", staleness=10.0),
    ReplicaInvalidated(store="redis", names=3),
    ReplicaFlushed(store="redis", reason="lost", entries=5),
    StoreEvicted(store="mem", entries=5),
]  # fmt: skip


def test_every_metric_has_its_name_its_labels_and_its_buckets(registry):
    """No dashboard goes blank unseen: this is the list that they are made from."""
    sink = Prometheus(registry)
    record = sink.of(Source("client", "shop"))
    for event in EVERY_EVENT:
        record(event)
    sink.sources.metrics.overflowed("route")
    found, bounds = {}, {}
    for family in registry.collect():
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                bounds.setdefault(family.name, set()).add(float(sample.labels["le"]))
            else:
                found[family.name] = set(sample.labels)
    assert found == {**CLIENT, **CACHE}
    assert {name: sorted(bound)[:-1] for name, bound in bounds.items()} == BUCKETS
    Scrape(registry)


def test_a_registry_gets_the_metrics_once_however_often_they_are_asked_for(registry):
    """Two sinks, a middleware, and the default registry beside one's own."""
    for _ in range(2):
        Prometheus(registry)
        create_metrics_middleware(registry)
        create_metrics_middleware()
        Prometheus()
    names = [metric.name for metric in registry.collect()]
    assert len(names) == len(set(names)) == len(CLIENT) + len(CACHE)
    assert REGISTRY.get_sample_value("resilient_build_info", {"version": version("resilient-client")}) == 1


def test_importing_makes_no_metric():
    """A program that imports and does not ask has a registry of its own things only."""
    code = (
        "import resilient_adapters.prometheus, resilient.middlewares.prometheus, prometheus_client;"
        "print('resilient' in prometheus_client.generate_latest().decode())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_a_registry_that_nobody_has_goes():
    """The metrics do not keep it."""
    registry = CollectorRegistry()
    Prometheus(registry).record(EVERY_EVENT[0])
    gone = weakref.ref(registry)
    del registry
    gc.collect()
    assert gone() is None


# --- a cache ---


@pytest.fixture(params=["sink", "middleware", "both", "both, the other way round", "twice"])
def counted(request, registry, clock):
    """A cache in memory that is counted in one of the ways; a ``bare`` one is without."""
    cache = Cache(name="prices", clock=clock)
    way = request.param
    if way in ("middleware", "both, the other way round"):
        cache.add_middleware(create_metrics_middleware(registry))
    cache.setup("mem://", telemetry=[] if way == "middleware" else [Prometheus(registry)])
    if way in ("both", "twice"):
        cache.add_middleware(create_metrics_middleware(registry))
    if way == "twice":
        cache.setup("mem://", telemetry=[Prometheus(registry)])
        cache.add_middleware(create_metrics_middleware(registry))
    yield cache
    cache.close()


def test_hits_misses_and_stale_answers_are_counted_once(counted, registry, clock):
    """Whichever way the cache is counted, or several at once."""
    calls = []

    @counted.soft(ttl="1h", soft_ttl="30m", key="k")
    def price():
        calls.append(1)
        return len(calls)

    price(), price(), price()
    clock.advance(2000)
    assert price() == 1
    settle(counted)
    with counted.disabling("get"):
        price()
    counted.blocking.get("other")
    scrape = Scrape(registry)
    asked = {dict(labels)["result"]: value for labels, value in scrape.above_zero("cache_requests_total").items()}
    assert asked == {"miss": 2, "hit": 2, "stale": 1, "bypass": 1}
    assert scrape("cache_fills_total", cache="prices", trigger="miss", result="stored") == 2
    assert scrape("cache_fills_total", cache="prices", trigger="soft", result="stored") == 1
    assert scrape("cache_entry_age_seconds_count", cache="prices") == 3
    assert scrape("cache_entry_age_seconds_sum", cache="prices") == 2000


def settle(cache):
    """Wait for the background, for real."""
    background = cache._core.threads.background
    while background.tally().under_way:
        time.sleep(0.001)


def test_what_is_not_kept_and_what_fails_in_the_background_is_counted(counted, registry, clock):
    """By what had it made."""
    answers = iter([1, OSError("no"), OSError("no")])

    @counted.soft(ttl="1h", soft_ttl="30m", key="k")
    def price():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @counted(ttl="1h", condition=lambda result: False)
    def refused():
        return 1

    price(), refused()
    clock.advance(2000)
    price()
    settle(counted)
    scrape = Scrape(registry)
    assert scrape("cache_fills_total", cache="prices", trigger="miss", result="not_storable") == 1
    assert scrape("cache_fills_total", cache="prices", trigger="soft", result="failed") == 1
    assert scrape("background_failures_total", client="prices", kind="refresh") == 1


def test_known_sets_of_labels_are_exported_at_zero(counted, registry):
    """Else the first hit of a process is no increase to Prometheus."""
    scrape = Scrape(registry)
    for result in ("hit", "stale", "miss", "collapsed", "bypass", "error"):
        assert scrape("cache_requests_total", cache="prices", result=result) == 0
    assert scrape("cache_fills_total", cache="prices", trigger="soft", result="failed") == 0
    assert scrape("cache_entry_age_seconds_count", cache="prices") == 0
    assert scrape("background_failures_total", client="prices", kind="refresh") == 0


def test_evictions_are_counted_with_their_number(registry):
    """By the store that made room."""
    cache = Cache(name="small")
    cache.setup("mem://?size=10", telemetry=[Prometheus(registry)])
    for number in range(25):
        cache.blocking.set(f"k{number}", number)
    assert Scrape(registry).above_zero("cache_evictions_total") == {
        (("cache", "small"), ("reason", "size"), ("store", "mem")): 25 - len(list(cache.blocking.scan()))
    }


class Swallowing(BaseMiddleware):
    """The specification's middleware for errors, less the logging."""

    async def get(self, key, **kwargs):
        try:
            return await super().get(key, **kwargs)
        except Exception:  # noqa: BLE001
            return None

    async def set(self, key, value, **kwargs):
        try:
            return await super().set(key, value, **kwargs)
        except Exception:  # noqa: BLE001
            return None


@pytest.mark.parametrize("swallowing", ["not at all", "outside", "inside"])
def test_a_failure_of_the_store_is_counted_once_whoever_sees_it(registry, clock, swallowing):
    """Of decorated calls and of commands; also if a middleware keeps it to itself, on either side of the metrics."""
    store = Breaking(clock)
    cache = Cache(StorePair(store, Lifted(store)), name="prices", clock=clock)
    if swallowing == "outside":
        cache.add_middleware(Swallowing())
    cache.add_middleware(create_metrics_middleware(registry))
    if swallowing == "inside":
        cache.add_middleware(Swallowing())
    price = cache(ttl="1m", key="k")(lambda: 1)
    store.broken = True
    assert price() == 1
    assert Scrape(registry).above_zero("store_errors_total") == {(("kind", "other"), ("store", "breaking")): 2}
    if swallowing == "not at all":
        with pytest.raises(StoreUnavailableError):
            cache.blocking.get("k")
    else:
        assert cache.blocking.get("k") is None
    assert Scrape(registry)("store_errors_total", store="breaking", kind="other") == 3


def test_a_store_that_is_too_slow_is_counted_as_a_timeout(registry, clock):
    """The command that was given directly raises, and is measured with the time that it took."""
    cache = Cache("mem://", name="prices", clock=clock)
    cache.setup("mem://", timeout="1s")
    cache.add_middleware(create_metrics_middleware(registry))

    async def slow(proceed, command, *args, **kwargs):
        clock.advance(3)
        raise TimeoutError

    cache.add_middleware(slow)
    with pytest.raises(StoreUnavailableError):
        cache.blocking.get("k")
    scrape = Scrape(registry)
    assert scrape("store_errors_total", store="mem", kind="timeout") == 1
    assert scrape("store_operation_duration_seconds_sum", store="mem", op="get") == 3


def test_commands_are_measured_by_store_and_operation(registry, clock):
    """With the cache's clock; of a decorated call the reading and the writing; iterators are not measured."""
    cache = Cache(name="prices", clock=clock)
    cache.setup("mem://", store_budget=None)
    cache.add_middleware(create_metrics_middleware(registry))

    async def slow(proceed, command, *args, **kwargs):
        clock.advance(0.25)
        return await proceed(*args, **kwargs)

    cache.add_middleware(slow)
    ask = cache.blocking
    ask.set("k", 1), ask.get("k"), ask.incr("n"), ask.get_many("k", "n"), ask.set_many({"k": 1}), ask.delete("k")
    ask.ping(), ask.clear(), list(ask.scan("*"))
    cache(ttl="1m", key="k")(lambda: 1)()
    counts = Scrape(registry).above_zero("store_operation_duration_seconds_count")
    assert {dict(labels)["op"]: value for labels, value in counts.items()} == {"get": 4, "set": 4, "delete": 2}
    assert Scrape(registry)("store_operation_duration_seconds_sum", store="mem", op="get") == 1.0


def test_caches_are_counted_by_their_names_and_twenty_have_one(registry):
    """One registry for all; the names beyond are ``_other``, and that is counted."""
    sink = Prometheus(registry)
    for number in range(25):
        cache = Cache(name=f"cache {number}")
        cache.setup("mem://", telemetry=[sink])
        cache.blocking.get("k")
    scrape = Scrape(registry)
    misses = {dict(labels)["cache"]: value for labels, value in scrape.above_zero("cache_requests_total").items()}
    assert misses == {**{f"cache {number}": 1 for number in range(20)}, "_other": 5}
    assert scrape("label_overflow_total", label="cache") == 5


def test_async_functions_are_counted_too(registry):
    """Fifty at once: one miss, the others waited for it."""
    cache = Cache(name="prices")
    cache.setup("mem://")
    cache.add_middleware(create_metrics_middleware(registry))

    @cache(ttl="1m", key="k")
    async def price():
        await asyncio.sleep(0)
        return 1

    async def main():
        await asyncio.gather(*[price() for _ in range(50)])

    asyncio.run(main())
    scrape = Scrape(registry)
    assert scrape("cache_requests_total", cache="prices", result="miss") == 1
    assert sum(scrape.above_zero("cache_requests_total").values()) == 50


def test_no_key_and_no_value_is_in_what_is_exported(registry):
    """Labels hold names that the program gave, and words of a fixed set."""
    cache = Cache(name="prices")
    cache.setup("mem://", telemetry=[Prometheus(registry)])
    cache.add_middleware(create_metrics_middleware(registry))

    @cache.soft(ttl="1m", soft_ttl="1s", key="key-of-{user}", tags=["tag-of-{user}"])
    def load(user):
        return f"value-of-{user}"

    load("ann"), load("ann")
    cache.blocking.set("key-of-ann", "value-of-ann")
    assert "ann" not in Scrape(registry).text


# --- a client ---


@pytest.fixture
def origin(clock):
    return Origin(clock=clock)


def test_calls_attempts_and_retries_are_counted(registry, clock, origin):
    """One call that fails twice and is answered, one POST that is not repeated."""
    policy = Policy(retry=Retry(max_attempts=3), breaker=None)
    with ResilientClient(
        transport=origin, policies={"api.test": policy}, clock=clock, name="shop", telemetry=[Prometheus(registry)]
    ) as client:
        origin.answers(503, times=2)
        client.get("https://api.test/items/7?secret=1")
        origin.answers(503, times=1)
        client.post("https://api.test/orders")
    scrape = Scrape(registry)
    one = {"client": "shop", "route": "api.test"}
    assert scrape("calls_total", **one, method="GET", outcome="ok") == 1
    assert scrape("calls_total", **one, method="POST", outcome="error") == 1
    assert scrape("call_duration_seconds_count", **one, source="upstream") == 2
    assert scrape("attempt_duration_seconds_count", **one, status="5xx") == 3
    assert scrape("attempt_duration_seconds_count", **one, status="2xx") == 1
    assert scrape("retries_total", **one, reason="5xx") == 2
    assert scrape("retries_denied_total", **one, why="not_idempotent") == 1
    assert scrape("retry_delay_seconds_count", client="shop") == 2
    assert "secret" not in scrape.text
    assert "/items" not in scrape.text


def test_the_answers_of_a_clients_cache_are_counted_under_its_name(registry, clock, origin):
    """A hit is a call without a request."""
    policy = Policy(cache=ResponseCache(ttl="1m"))
    with ResilientClient(
        transport=origin, policies=policy, clock=clock, name="shop", telemetry=[Prometheus(registry)]
    ) as client:
        for _ in range(3):
            client.get("https://api.test/")
    scrape = Scrape(registry)
    assert scrape("cache_requests_total", cache="shop", result="miss") == 1
    assert scrape("cache_requests_total", cache="shop", result="hit") == 2
    assert scrape("call_duration_seconds_count", client="shop", route="*", source="cache") == 2


def test_the_state_of_a_circuit_is_one_of_five(registry, clock, origin):
    """Open, half open, closed, and held open by hand."""
    policy = Policy(retry=None, breaker=CircuitBreaker(failures=2))
    seen = []

    def state():
        states = Scrape(registry).above_zero("circuit_state")
        [labels] = states
        seen.append(dict(labels)["state"])

    with ResilientClient(
        transport=origin, policies=policy, clock=clock, name="shop", telemetry=[Prometheus(registry)]
    ) as client:
        origin.answers(503, times=2)
        client.get(ORIGIN), client.get(ORIGIN)
        state()
        with pytest.raises(CircuitOpenError):
            client.get(ORIGIN)
        clock.advance(60)
        client.get(ORIGIN)
        state()
        client.circuit(ORIGIN).isolate()
        state()
    assert seen == ["open", "closed", "forced_open"]
    scrape = Scrape(registry)
    assert scrape("circuit_rejected_total", circuit=ORIGIN) == 1
    assert scrape("rejected_total", client="shop", reason="circuit") == 1
    assert scrape("circuit_transitions_total", circuit=ORIGIN, to="half_open") == 1
    assert scrape("circuit_opened_timestamp_seconds", circuit=ORIGIN) == pytest.approx(time.time(), abs=600)


def test_the_share_of_failures_is_that_of_the_latest_requests(registry, clock, origin):
    """Of the origin's own failures: what was refused here, or given up, says nothing of it."""
    policy = Policy(retry=None, breaker=CircuitBreaker(failures=4), cache=None)
    with ResilientClient(
        transport=origin, policies=policy, clock=clock, name="shop", telemetry=[Prometheus(registry)]
    ) as client:
        origin.answers(500, times=1)
        for _ in range(4):
            client.get("https://api.test/")
        assert Scrape(registry)("circuit_failure_ratio", circuit=ORIGIN) == 0.25
        origin.answers(429, times=1)
        client.get("https://api.test/")
        client.circuit("https://api.test/").isolate()
        with pytest.raises(CircuitOpenError):
            client.get("https://api.test/")
    assert Scrape(registry)("circuit_failure_ratio", circuit=ORIGIN) == 0.4


def test_fifty_routes_have_a_name(registry):
    """For each client; the others are ``_other``."""
    sink = Prometheus(registry)
    first = EVERY_EVENT[0]
    for number in range(60):
        sink.of(Source("client", "shop", f"route {number}"))(first)
    sink.of(Source("client", "shop", "route 60"))(type(first)(**{**fields_of(first), "method": "BREW"}))
    scrape = Scrape(registry)
    routes = {dict(labels)["route"] for labels in scrape.above_zero("calls_total")}
    assert len(routes) == 51
    assert scrape("calls_total", client="shop", route="_other", method="GET", outcome="ok") == 10
    assert scrape("calls_total", client="shop", route="_other", method="_other", outcome="ok") == 1
    assert scrape("label_overflow_total", label="route") == 11


def fields_of(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


@pytest.mark.parametrize(
    ("event", "name", "labels"),
    [
        (Retried(attempt=1, reason="418", delay=0.1), "retries_total", {"route": "", "reason": "other"}),
        (
            RetryExhausted(attempts=1, reason="5xx", stop="body_not_replayable"),
            "retries_denied_total",
            {"route": "", "why": "body"},
        ),
        (Rejected(by="rate", origin=ORIGIN, retry_in=1.0), "rejected_total", {"reason": "rate"}),
        (
            AttemptEnded(number=1, origin=ORIGIN, status=None, failure=Failure.TIMEOUT, seconds=1.0),
            "attempt_duration_seconds_count",
            {"route": "", "status": "exc"},
        ),
        (
            BackgroundFailed(what="refresh", strategy="hit", error="OSError"),
            "background_failures_total",
            {"kind": "refresh"},
        ),
    ],
)
def test_labels_have_few_values(registry, event, name, labels):
    """What is not in the set has a word that stands for it."""
    Prometheus(registry).of(Source("client", "shop"))(event)
    assert Scrape(registry)(name, client="shop", **labels) == 1


def test_circuits_of_one_name_and_events_of_nobody_are_counted(registry):
    """A sink may be called by whoever has events."""
    sink = Prometheus(registry)
    sink.record(CircuitHalfOpened(circuit=ORIGIN))
    sink.record(CircuitClosed(circuit=ORIGIN))
    scrape = Scrape(registry)
    assert scrape("circuit_state", circuit=ORIGIN, state="closed") == 1
    assert scrape("circuit_state", circuit=ORIGIN, state="half_open") == 0


# --- many processes ---

WORKER = """
import sys
from resilient import Cache
from resilient.middlewares.prometheus import create_metrics_middleware
from resilient_adapters.prometheus import Prometheus

cache = Cache(name="prices")
cache.setup("mem://", telemetry=[Prometheus()])
cache.add_middleware(create_metrics_middleware())
price = cache(ttl="1m", key="k")(lambda: 1)
for _ in range(int(sys.argv[1])):
    price()
"""
COLLECTOR = """
import json, sys
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.parser import text_string_to_metric_families

registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
families = text_string_to_metric_families(generate_latest(registry).decode())
print(json.dumps([[sample.name, sample.labels, sample.value] for family in families for sample in family.samples]))
"""


def test_several_processes_are_summed_in_multiprocess_mode(tmp_path):
    """As under gunicorn: each writes into one folder, and any of them answers for all, also for one that has ended."""

    def run(code, *arguments):
        command = [sys.executable, "-W", "error", "-c", code, *arguments]
        environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": "", "PYTHONPATH": ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    run(WORKER, "3")
    run(WORKER, "5")
    samples = json.loads(run(COLLECTOR))
    found = {(name, *sorted(labels.values())): value for name, labels, value in samples}
    assert found["resilient_cache_requests_total", "hit", "prices"] == 6
    assert found["resilient_cache_requests_total", "miss", "prices"] == 2
    assert found["resilient_store_operation_duration_seconds_count", "get", "mem"] == 8


# --- without the extra ---

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("prometheus_client", "fastapi"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from resilient.middlewares.prometheus import create_metrics_middleware
for job in (create_metrics_middleware, lambda: __import__("resilient_adapters.fastapi")):
    try:
        job()
    except ImportError as error:
        print(error)
"""


def test_a_missing_extra_is_one_clear_line():
    """The doorway can be imported without it; what is behind says what to install."""
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True, timeout=60)
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == [
        "pip install 'resilient-client[prometheus]'",
        "pip install 'resilient-client[fastapi]'",
    ]
