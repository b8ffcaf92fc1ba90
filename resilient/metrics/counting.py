"""Which event counts in which metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

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
    StoreDegraded,
    StoreEvicted,
    StoreFailed,
    StoreRecovered,
)
from resilient.metrics import definitions as of
from resilient.metrics.bounds import OTHER
from resilient.metrics.definitions import Metric
from resilient.telemetry import Source

Count: TypeAlias = tuple[Metric, tuple[str, ...], float]
"""A metric, the values of its labels, and by how much it grows, what it is set to, or one more of its values."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
REASONS = frozenset({"5xx", "429", "connect", "timeout", "protocol"})
RESULTS = ("hit", "stale", "revalidated", "miss", "collapsed", "bypass", "error")
TRIGGERS = ("miss", "early", "soft", "refresh")
FILLS = ("stored", "not_storable", "failed")
STATES = ("closed", "open", "half_open", "forced_open", "disabled")


class Counting:
    """What the events of one route of a client, or of one cache, count.

    Args:
        source: whose events they are, as labels have it.
        circuit: the name of a circuit as labels have it.
    """

    def __init__(self, source: Source, circuit: Callable[[str], str]) -> None:
        self._source = source
        self._name, self._route = (source.name,), (source.name, source.route)
        self._circuit = circuit
        self._by_kind: dict[type[Event], Callable[[Any], Iterator[Count]]] = {
            CallEnded: self._call_ended,
            AttemptEnded: self._attempt_ended,
            Retried: self._retried,
            RetryExhausted: self._retry_exhausted,
            Rejected: self._rejected,
            CircuitOpened: self._circuit_opened,
            CircuitHalfOpened: lambda event: self._changed(event.circuit, "half_open"),
            CircuitClosed: lambda event: self._changed(event.circuit, "closed"),
            CacheLookup: self._cache_asked,
            CacheStored: self._cache_stored,
            BackgroundFailed: self._background_failed,
            StoreFailed: self._store_failed,
            StoreEvicted: self._store_evicted,
            StoreDegraded: self._store_degraded,
            StoreRecovered: self._store_recovered,
        }

    def __call__(self, event: Event) -> Iterator[Count]:
        """What ``event`` counts."""
        count = self._by_kind.get(type(event))
        return iter(()) if count is None else count(event)

    def known(self) -> Iterator[tuple[Metric, tuple[str, ...]]]:
        """The sets of labels that are known beforehand: exported at 0, so that their first event is an increase."""
        yield of.BACKGROUND_FAILURES, (*self._name, "refresh")
        if self._source.kind == "client":
            yield of.RETRY_DELAY, self._name
            for reason in ("circuit", "rate"):
                yield of.REJECTED, (*self._name, reason)
            return
        yield of.ENTRY_AGE, self._name
        for result in RESULTS:
            yield of.CACHE_REQUESTS, (*self._name, result)
        for trigger in TRIGGERS:
            for result in FILLS:
                yield of.CACHE_FILLS, (*self._name, trigger, result)

    def _call_ended(self, event: CallEnded) -> Iterator[Count]:
        method = event.method if event.method in METHODS else OTHER
        yield of.CALLS, (*self._route, method, event.outcome.value), 1
        source = "cache" if event.attempts == 0 and event.status is not None else "upstream"
        yield of.CALL_DURATION, (*self._route, source), event.seconds

    def _attempt_ended(self, event: AttemptEnded) -> Iterator[Count]:
        status = "exc" if event.status is None else f"{event.status // 100}xx"
        yield of.ATTEMPT_DURATION, (*self._route, status), event.seconds

    def _retried(self, event: Retried) -> Iterator[Count]:
        yield of.RETRIES, (*self._route, event.reason if event.reason in REASONS else "other"), 1
        yield of.RETRY_DELAY, self._name, event.delay

    def _retry_exhausted(self, event: RetryExhausted) -> Iterator[Count]:
        why = "body" if event.stop == "body_not_replayable" else event.stop
        yield of.RETRIES_DENIED, (*self._route, why), 1

    def _rejected(self, event: Rejected) -> Iterator[Count]:
        yield of.REJECTED, (*self._name, event.by), 1
        if event.by == "circuit":
            yield of.CIRCUIT_REJECTED, (self._circuit(event.origin),), 1

    def _circuit_opened(self, event: CircuitOpened) -> Iterator[Count]:
        yield from self._changed(event.circuit, "forced_open" if event.open_for == math.inf else "open")
        yield of.CIRCUIT_OPENED, (self._circuit(event.circuit),), time.time()

    def _changed(self, circuit: str, to: str) -> Iterator[Count]:
        circuit = self._circuit(circuit)
        yield of.CIRCUIT_TRANSITIONS, (circuit, to), 1
        for state in STATES:
            yield of.CIRCUIT_STATE, (circuit, state), state == to

    def _cache_asked(self, event: CacheLookup) -> Iterator[Count]:
        yield of.CACHE_REQUESTS, (*self._name, event.result), 1
        if event.age is not None:
            yield of.ENTRY_AGE, self._name, event.age

    def _cache_stored(self, event: CacheStored) -> Iterator[Count]:
        trigger = _trigger(event.strategy) if event.background else "miss"
        yield of.CACHE_FILLS, (*self._name, trigger, "stored" if event.detail is None else "not_storable"), 1

    def _background_failed(self, event: BackgroundFailed) -> Iterator[Count]:
        yield of.BACKGROUND_FAILURES, (*self._name, event.what), 1
        yield of.CACHE_FILLS, (*self._name, _trigger(event.strategy), "failed"), 1

    def _store_failed(self, event: StoreFailed) -> Iterator[Count]:
        yield of.STORE_ERRORS, (event.store, event.kind), 1

    def _store_evicted(self, event: StoreEvicted) -> Iterator[Count]:
        yield of.EVICTIONS, (*self._name, event.store, "size"), event.entries

    def _store_degraded(self, event: StoreDegraded) -> Iterator[Count]:
        yield of.STORE_UP, (event.store,), 0

    def _store_recovered(self, event: StoreRecovered) -> Iterator[Count]:
        yield of.STORE_UP, (event.store,), 1
        yield of.STORE_DEGRADED, (event.store,), event.seconds


def _trigger(strategy: str) -> str:
    """What had a value made anew while a kept one was served."""
    return strategy if strategy in TRIGGERS else "refresh"
