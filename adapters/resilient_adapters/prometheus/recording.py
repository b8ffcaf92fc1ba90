"""Which events count in which metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from resilient.events import (
    AttemptEnded,
    BackgroundFailed,
    CacheLookup,
    CacheStored,
    CallEnded,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    Event,
    Rejected,
    Retried,
    RetryExhausted,
    StoreEvicted,
    StoreFailed,
)
from resilient.telemetry import Source
from resilient_adapters.prometheus.labels import OTHER, Bounded, Children
from resilient_adapters.prometheus.metrics import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
REASONS = frozenset({"5xx", "429", "connect", "timeout", "protocol"})
RESULTS = ("hit", "stale", "miss", "collapsed", "bypass", "error")
TRIGGERS = ("miss", "early", "soft", "refresh")
FILLS = ("stored", "not_storable", "failed")
STATES = ("closed", "open", "half_open", "forced_open", "disabled")


class Recording:
    """Counts the events of one route of a client, or of one cache. What it needs of a metric is looked up once.

    The sets of labels that are known before anything happens are exported at 0, so that their first event is an
    increase.

    Args:
        metrics: where it counts.
        source: whose events they are, as labels have it.
        circuits: the names of circuits.
    """

    def __init__(self, metrics: Metrics, source: Source, circuits: Bounded) -> None:
        name, route = source.name, source.route
        self._metrics = metrics
        self._circuits = circuits
        self._calls = Children(metrics.calls, name, route)
        self._call_seconds = Children(metrics.call_seconds, name, route)
        self._attempt_seconds = Children(metrics.attempt_seconds, name, route)
        self._retries = Children(metrics.retries, name, route)
        self._retries_denied = Children(metrics.retries_denied, name, route)
        self._retry_delay = Children(metrics.retry_delay, name)
        self._rejected = Children(metrics.rejected, name)
        self._cache_requests = Children(metrics.cache_requests, name)
        self._cache_fills = Children(metrics.cache_fills, name)
        self._entry_age = Children(metrics.entry_age, name)
        self._evictions = Children(metrics.evictions, name)
        self._store_errors = Children(metrics.store_errors)
        self._background_failures = Children(metrics.background_failures, name)
        self._by_kind: dict[type[Event], Callable[[Any], None]] = {
            CallEnded: self._call_ended,
            AttemptEnded: self._attempt_ended,
            Retried: self._retried,
            RetryExhausted: self._retry_exhausted,
            Rejected: self._was_rejected,
            CircuitOpened: self._circuit_opened,
            CircuitHalfOpened: lambda event: self._circuit(event.circuit, "half_open"),
            CircuitClosed: lambda event: self._circuit(event.circuit, "closed"),
            CacheLookup: self._cache_asked,
            CacheStored: self._cache_stored,
            BackgroundFailed: self._background_failed,
            StoreFailed: lambda event: self._store_errors(event.store, event.kind).inc(),
            StoreEvicted: lambda event: self._evictions(event.store, "size").inc(event.entries),
        }
        self._export_client() if source.kind == "client" else self._export_cache()

    def record(self, event: Event) -> None:
        """Count ``event``, if it counts anywhere."""
        count = self._by_kind.get(type(event))
        if count is not None:
            count(event)

    def _export_client(self) -> None:
        self._retry_delay()
        for reason in ("circuit", "rate"):
            self._rejected(reason)
        self._background_failures("refresh")

    def _export_cache(self) -> None:
        self._entry_age()
        self._background_failures("refresh")
        for result in RESULTS:
            self._cache_requests(result)
        for trigger in TRIGGERS:
            for result in FILLS:
                self._cache_fills(trigger, result)

    def _call_ended(self, event: CallEnded) -> None:
        method = event.method if event.method in METHODS else OTHER
        self._calls(method, event.outcome.value).inc()
        source = "cache" if event.attempts == 0 and event.status is not None else "upstream"
        self._call_seconds(source).observe(event.seconds)

    def _attempt_ended(self, event: AttemptEnded) -> None:
        status = "exc" if event.status is None else f"{event.status // 100}xx"
        self._attempt_seconds(status).observe(event.seconds)

    def _retried(self, event: Retried) -> None:
        self._retries(event.reason if event.reason in REASONS else "other").inc()
        self._retry_delay().observe(event.delay)

    def _retry_exhausted(self, event: RetryExhausted) -> None:
        self._retries_denied("body" if event.stop == "body_not_replayable" else event.stop).inc()

    def _was_rejected(self, event: Rejected) -> None:
        self._rejected(event.by).inc()
        if event.by == "circuit":
            self._metrics.circuit_rejected.labels(self._circuits(event.origin)).inc()

    def _circuit_opened(self, event: CircuitOpened) -> None:
        self._circuit(event.circuit, "forced_open" if event.open_for == math.inf else "open")
        self._metrics.circuit_opened.labels(self._circuits(event.circuit)).set(time.time())

    def _circuit(self, circuit: str, to: str) -> None:
        circuit = self._circuits(circuit)
        self._metrics.circuit_transitions.labels(circuit, to).inc()
        for state in STATES:
            self._metrics.circuit_state.labels(circuit, state).set(state == to)

    def _cache_asked(self, event: CacheLookup) -> None:
        self._cache_requests(event.result).inc()
        if event.age is not None:
            self._entry_age().observe(event.age)

    def _cache_stored(self, event: CacheStored) -> None:
        trigger = _trigger(event.strategy) if event.background else "miss"
        self._cache_fills(trigger, "stored" if event.detail is None else "not_storable").inc()

    def _background_failed(self, event: BackgroundFailed) -> None:
        self._background_failures(event.what).inc()
        self._cache_fills(_trigger(event.strategy), "failed").inc()


def _trigger(strategy: str) -> str:
    """What had a value made anew while a kept one was served."""
    return strategy if strategy in TRIGGERS else "refresh"
