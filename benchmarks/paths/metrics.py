"""What metrics cost: a hit that is counted, and a scrape."""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from benchmarks.measure import Bench
from benchmarks.rows import Row, at_most
from resilient.events import AttemptEnded, CacheLookup, CallEnded, Event
from resilient.metrics.definitions import CALL_DURATION, ENTRY_AGE
from resilient.outcome import Outcome
from resilient.telemetry import Source
from resilient_adapters.prometheus import Prometheus

ROUTES = 50


def measure(bench: Bench) -> list[Row]:
    """The two events of a hit, counted, and what Prometheus reads of a client with 50 routes, of five answers each.

    Beside the same two counters and two histograms without us around them, and beside as many samples of one counter.
    """
    registry = CollectorRegistry()
    sink = Prometheus(registry)
    record = sink.of(Source("client", "shop", "*"))
    hit = bench.add("blocking", partial(_told, record), lambda _: None)
    bare = bench.add("blocking", _bare(), lambda _: None)
    _fill(sink)
    samples = _samples(registry)
    plain = CollectorRegistry()
    counter = Counter("plain", "One counter.", ("number",), registry=plain)
    for number in range(samples // 2):  # each has a second sample, which says since when
        counter.labels(number).inc()
    scrape = bench.add("blocking", partial(generate_latest, registry), _is_text)
    others = bench.add("blocking", partial(generate_latest, plain), _is_text)
    bench.run()
    return [
        Row(
            what="a hit, counted for Prometheus",
            ours=hit.micros,
            peer="its metrics alone",
            theirs=bare.micros,
            unit="µs",
            goal=at_most(3),
        ),
        Row(
            what=f"a scrape of {ROUTES} routes",
            client=f"{samples} samples",
            ours=scrape.seconds * 1e3,
            peer="as many of one counter",
            theirs=others.seconds * 1e3,
            unit="ms",
            goal=at_most(200),
        ),
    ]


def _call(route: str, outcome: Outcome, attempts: int) -> CallEnded:
    status = 200 if outcome is Outcome.OK else None
    return CallEnded(
        client="shop",
        route=route,
        method="GET",
        origin="https://api.test",
        outcome=outcome,
        status=status,
        seconds=0.0003,
        attempts=attempts,
    )


_LOOKUP = CacheLookup(result="hit", strategy="simple", age=3.0, ttl=4.0)
_CALL = _call("*", Outcome.OK, 0)


def _told(record: Callable[[Event], object]) -> None:
    record(_LOOKUP)
    record(_CALL)


def _bare() -> Callable[[], None]:
    lookups, calls = (Counter(name, name, registry=None).inc for name in ("lookups", "calls"))
    age = Histogram("age", "age", registry=None, buckets=ENTRY_AGE.buckets).observe
    duration = Histogram("duration", "duration", registry=None, buckets=CALL_DURATION.buckets).observe

    def count() -> None:
        lookups(1), age(3.0), calls(1), duration(0.0003)

    return count


def _fill(sink: Prometheus) -> None:
    for number in range(ROUTES):
        record = sink.of(Source("client", "shop", f"/route/{number}"))
        record(_call("", Outcome.OK, 0))
        record(_call("", Outcome.ERROR, 1))
        for status in (200, 301, 404, 503, None):
            record(AttemptEnded(number=1, origin="https://api.test", status=status, failure=None, seconds=0.1))


def _samples(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in registry.collect())


def _is_text(text: bytes) -> None:
    assert text.count(b"\n") > 1000, text
