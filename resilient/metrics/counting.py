"""Which event counts in which metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

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
    Event,
    LockLost,
    LockReleased,
    LockTaken,
    LockWaited,
    Rejected,
    ReplicaConnected,
    ReplicaFlushed,
    ReplicaInvalidated,
    ReplicaLost,
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
from resilient.metrics import definitions as of
from resilient.metrics.bounds import OTHER, Bounds
from resilient.metrics.definitions import METRICS, Metric
from resilient.telemetry import Source

Add: TypeAlias = Callable[[float], object]
"""Lets one metric with its labels grow, sets it, or counts one more of its values."""
Bind: TypeAlias = Callable[[Metric, tuple[str, ...]], Add]
"""Gives that for a metric and the values of its labels."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
REASONS = frozenset({"5xx", "429", "connect", "timeout", "protocol"})
RESULTS = ("hit", "stale", "revalidated", "miss", "collapsed", "bypass", "error")
TRIGGERS = ("miss", "early", "soft", "refresh")
FILLS = ("stored", "not_storable", "failed")
STATES = ("closed", "open", "half_open", "forced_open", "disabled")
OPERATIONS = {
    "get": "get", "get_many": "get", "exists": "get", "get_expire": "get", "ping": "get",
    "set": "set", "set_many": "set", "expire": "set", "incr": "set",
    "delete": "delete", "delete_many": "delete", "delete_match": "delete", "delete_tags": "delete", "clear": "delete",
    "lock": "lock",
}  # fmt: skip
"""The label of each command; iterators are not measured, since their time is that of whoever iterates."""


class Bound(dict[tuple[str, ...], Add]):
    """One metric of one source, by those of its labels that differ from event to event.

    Args:
        bind: gives what counts.
        metric: which.
        first: the values of its first labels, which are the source's.
    """

    __slots__ = ("_bind", "_first", "_metric")

    def __init__(self, bind: Bind, metric: Metric, first: tuple[str, ...]) -> None:
        self._bind = bind
        self._metric = metric
        self._first = first

    def __missing__(self, labels: tuple[str, ...]) -> Add:
        # What counts is found once, since that takes longer than counting.
        add = self[labels] = self._bind(self._metric, self._first + labels)
        return add


class Counting:
    """Counts the events of one route of a client, or of one cache.

    Args:
        source: whose events they are, as labels have it.
        bounds: on the names of circuits and stores.
        bind: gives what counts.
    """

    def __init__(self, source: Source, bounds: Bounds, bind: Bind) -> None:
        self._source = source
        self._bounds = bounds
        self._bound = {metric: Bound(bind, metric, _first(source, metric)) for metric in METRICS}
        self._calls, self._call_duration = self._bound[of.CALLS], self._bound[of.CALL_DURATION]
        self._asked, self._age = self._bound[of.CACHE_REQUESTS], self._bound[of.ENTRY_AGE]
        self._by_kind: dict[type[Event], Callable[[Any], object]] = {
            CallEnded: self._call_ended,
            AttemptEnded: self._attempt_ended,
            Retried: self._retried,
            RetryExhausted: self._retry_exhausted,
            Waited: self._waited,
            Rejected: self._rejected,
            CircuitOpened: self._circuit_opened,
            CircuitHalfOpened: lambda event: self._changed(event.circuit, "half_open"),
            CircuitClosed: lambda event: self._changed(event.circuit, "closed"),
            CacheLookup: self._cache_asked,
            CacheStored: self._cache_stored,
            BackgroundBegan: lambda event: self._add(of.BACKGROUND_TASKS, 1),
            BackgroundEnded: self._background_ended,
            BackgroundDropped: lambda event: self._add(of.BACKGROUND_DROPPED, 1, "refused"),
            BackgroundFailed: self._background_failed,
            LockWaited: self._lock_waited,
            LockTaken: lambda event: self._add(of.LOCK_HELD, 1),
            LockReleased: lambda event: self._add(of.LOCK_HELD, -1),
            LockLost: self._lock_lost,
            StoreAsked: self._store_asked,
            StoreMeasured: self._store_measured,
            StoreFailed: self._store_failed,
            StoreEvicted: self._store_evicted,
            StoreDegraded: lambda event: self._add(of.STORE_UP, 0, bounds.store(event.store)),
            StoreRecovered: self._store_recovered,
            ReplicaConnected: self._replica_connected,
            ReplicaInvalidated: lambda event: self._add(
                of.REPLICA_INVALIDATIONS, event.names, bounds.store(event.store)
            ),
            ReplicaLost: lambda event: self._add(of.REPLICA_CONNECTED, 0, bounds.store(event.store)),
            ReplicaFlushed: lambda event: self._add(of.REPLICA_FLUSHES, 1, bounds.store(event.store), event.reason),
        }
        for metric, labels in self._known():
            self._bound[metric][labels]  # is exported from now on

    def __call__(self, event: Event) -> None:
        """Count ``event``, if it counts anywhere."""
        count = self._by_kind.get(type(event))
        if count is not None:
            count(event)

    def _add(self, metric: Metric, value: float, *labels: str) -> None:
        self._bound[metric][labels](value)

    def _call_ended(self, event: CallEnded) -> None:
        method = event.method if event.method in METHODS else OTHER
        self._calls[method, event.outcome._value_](1)
        source = "cache" if event.attempts == 0 and event.status is not None else "upstream"
        self._call_duration[source,](event.seconds)
        if event.saved_by is not None:
            self._add(of.CALLS_SAVED, 1, event.saved_by)

    def _attempt_ended(self, event: AttemptEnded) -> None:
        status = "exc" if event.status is None else f"{event.status // 100}xx"
        self._add(of.ATTEMPT_DURATION, event.seconds, status)
        circuit = self._bounds.circuit(event.origin)
        ratio = self._bounds.ratios.with_(circuit, event)
        if ratio is not None:
            self._add(of.CIRCUIT_FAILURE_RATIO, ratio, circuit)

    def _retried(self, event: Retried) -> None:
        self._add(of.RETRIES, 1, event.reason if event.reason in REASONS else "other")
        self._add(of.RETRY_DELAY, event.delay)

    def _retry_exhausted(self, event: RetryExhausted) -> None:
        self._add(of.RETRIES_DENIED, 1, "body" if event.stop == "body_not_replayable" else event.stop)

    def _waited(self, event: Waited) -> None:
        if event.by == "rate":
            self._add(of.QUEUE_WAIT, event.seconds)

    def _rejected(self, event: Rejected) -> None:
        self._add(of.REJECTED, 1, event.by)
        if event.by == "circuit":
            self._add(of.CIRCUIT_REJECTED, 1, self._bounds.circuit(event.origin))

    def _circuit_opened(self, event: CircuitOpened) -> None:
        self._changed(event.circuit, "forced_open" if event.open_for == math.inf else "open")
        self._add(of.CIRCUIT_OPENED, time.time(), self._bounds.circuit(event.circuit))

    def _changed(self, circuit: str, to: str) -> None:
        circuit = self._bounds.circuit(circuit)
        self._add(of.CIRCUIT_TRANSITIONS, 1, circuit, to)
        for state in STATES:
            self._add(of.CIRCUIT_STATE, state == to, circuit, state)

    def _cache_asked(self, event: CacheLookup) -> None:
        self._asked[event.result,](1)
        if event.age is not None:
            self._age[()](event.age)

    def _cache_stored(self, event: CacheStored) -> None:
        trigger = _trigger(event.strategy) if event.background else "miss"
        self._add(of.CACHE_FILLS, 1, trigger, "stored" if event.detail is None else "not_storable")

    def _replica_connected(self, event: ReplicaConnected) -> None:
        store = self._bounds.store(event.store)
        self._add(of.REPLICA_CONNECTED, 1, store)
        self._add(of.REPLICA_STALENESS, event.staleness, store)

    def _background_ended(self, event: BackgroundEnded) -> None:
        self._add(of.BACKGROUND_TASKS, -1)
        if event.dropped:
            self._add(of.BACKGROUND_DROPPED, 1, "ended")

    def _background_failed(self, event: BackgroundFailed) -> None:
        self._add(of.BACKGROUND_FAILURES, 1, event.what)
        self._add(of.CACHE_FILLS, 1, _trigger(event.strategy), "failed")

    def _lock_waited(self, event: LockWaited) -> None:
        self._add(of.LOCK_WAIT, event.seconds)
        if event.result == "timeout":
            self._add(of.LOCK_TIMEOUTS, 1)

    def _lock_lost(self, event: LockLost) -> None:
        self._add(of.LOCK_HELD, -1)
        self._add(of.LOCK_LOST, 1, event.reason)

    def _store_asked(self, event: StoreAsked) -> None:
        operation = OPERATIONS.get(event.operation)
        if operation is not None:
            self._add(of.STORE_DURATION, event.seconds, self._bounds.store(event.store), operation)

    def _store_measured(self, event: StoreMeasured) -> None:
        store = self._bounds.store(event.store)
        self._add(of.CACHE_ENTRIES, event.entries, store)
        self._add(of.CACHE_SIZE, event.size, store)

    def _store_failed(self, event: StoreFailed) -> None:
        self._add(of.STORE_ERRORS, 1, self._bounds.store(event.store), event.kind)
        if event.rejected is not None:
            self._add(of.REJECTED_ENTRIES, 1, event.rejected)

    def _store_evicted(self, event: StoreEvicted) -> None:
        self._add(of.EVICTIONS, event.entries, self._bounds.store(event.store), "size")

    def _store_recovered(self, event: StoreRecovered) -> None:
        store = self._bounds.store(event.store)
        self._add(of.STORE_UP, 1, store)
        self._add(of.STORE_DEGRADED, event.seconds, store)

    def _known(self) -> Iterator[tuple[Metric, tuple[str, ...]]]:
        """The sets of labels that are known beforehand: exported at 0, so that their first event is an increase."""
        yield of.BACKGROUND_TASKS, ()
        yield of.BACKGROUND_FAILURES, ("refresh",)
        for why in ("refused", "ended"):
            yield of.BACKGROUND_DROPPED, (why,)
        for reason in ("damaged", "version", "signature", "value"):
            yield of.REJECTED_ENTRIES, (reason,)
        if self._source.kind == "client":
            yield of.RETRY_DELAY, ()
            for reason in ("circuit", "rate"):
                yield of.REJECTED, (reason,)
            return
        for reason in ("expired", "stolen", "store"):
            yield of.LOCK_LOST, (reason,)
        yield of.ENTRY_AGE, ()
        yield of.LOCK_TIMEOUTS, ()
        for result in RESULTS:
            yield of.CACHE_REQUESTS, (result,)
        for trigger in TRIGGERS:
            for result in FILLS:
                yield of.CACHE_FILLS, (trigger, result)


def _first(source: Source, metric: Metric) -> tuple[str, ...]:
    """The labels of ``metric`` that are the source's."""
    if metric.labels[1:2] == ("route",):
        return source.name, source.route
    return (source.name,) if metric.labels[0] in ("client", "cache") else ()


def _trigger(strategy: str) -> str:
    """What had a value made anew while a kept one was served."""
    return strategy if strategy in TRIGGERS else "refresh"
