"""Every metric by its name, labels and buckets."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

_CALL = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ATTEMPT = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Seconds; the bounds that OpenTelemetry's conventions ask for."""
_DELAY = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGE = (1, 10, 60, 300, 1800, 3600, 21600, 86400)
_LOCK = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30)
_STORE = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1)


SLOW = 0.1
"""Seconds; what takes longer may be worth a look at its trace."""


class Metric(Struct, frozen=True, eq=False):
    """Something that is counted or measured.

    Attributes:
        kind: a counter only grows, a level grows and shrinks, a gauge is what it was set to last, a histogram says how
            its values are spread.
        name: its own, after ``resilient``.
        about: what it is, for people.
        labels: their names.
        unit: of its values, empty for a plain number.
        buckets: the upper bounds of a histogram's.
        merged: how the gauges of several processes become one, in the words of ``prometheus_client``.
        points: whether a value above :data:`SLOW` may point at the span that it was measured in.
    """

    kind: Literal["counter", "level", "gauge", "histogram"]
    name: str
    about: str
    labels: tuple[str, ...]
    unit: Literal["", "seconds", "bytes"] = ""
    buckets: tuple[float, ...] = ()
    merged: Literal["livemax", "livemin", "livesum", "livemostrecent"] = "livemax"
    points: bool = False


def _counter(name: str, about: str, *labels: str) -> Metric:
    return Metric("counter", name, about, labels)


def _level(name: str, about: str, *labels: str) -> Metric:
    return Metric("level", name, about, labels, merged="livesum")


def _seconds(name: str, about: str, buckets: tuple[float, ...], *labels: str, points: bool = False) -> Metric:
    return Metric("histogram", name, about, labels, "seconds", buckets, points=points)


CALLS = _counter("calls", "Calls, as their callers see them.", "client", "route", "method", "outcome")
CALLS_SAVED = _counter(
    "calls_saved", "Calls that ended well although an attempt failed or was refused.", "client", "route", "by"
)
CALL_DURATION = _seconds(
    "call_duration", "How long calls took, waits and retries included.", _CALL, "client", "route", "source", points=True
)
ATTEMPT_DURATION = _seconds(
    "attempt_duration", "How long requests on the wire took.", ATTEMPT, "client", "route", "status", points=True
)
RETRIES = _counter("retries", "Failed attempts that were followed by another.", "client", "route", "reason")
RETRIES_DENIED = _counter("retries_denied", "Failed attempts that were not, and why.", "client", "route", "why")
RETRY_DELAY = _seconds("retry_delay", "How long retries waited.", _DELAY, "client")
QUEUE_WAIT = _seconds("queue_wait", "How long calls waited for their turn under a rate limit.", _DELAY, "client")
REJECTED = _counter("rejected", "Attempts that a policy refused to send.", "client", "reason")
CIRCUIT_STATE = Metric("gauge", "circuit_state", "1 for the state that a circuit is in.", ("circuit", "state"))
CIRCUIT_OPENED = Metric(
    "gauge", "circuit_opened_timestamp", "When a circuit opened last.", ("circuit",), "seconds", merged="livemostrecent"
)
CIRCUIT_TRANSITIONS = _counter("circuit_transitions", "How often circuits changed their state.", "circuit", "to")
CIRCUIT_FAILURE_RATIO = Metric(
    "gauge", "circuit_failure_ratio", "Which share of the requests of the last ten seconds failed.", ("circuit",)
)
CIRCUIT_REJECTED = _counter("circuit_rejected", "Attempts that circuits refused.", "circuit")
CACHE_REQUESTS = _counter("cache_requests", "Questions to a cache, by its answer.", "cache", "result")
CACHE_FILLS = _counter("cache_fills", "Values that were made, and what became of them.", "cache", "trigger", "result")
ENTRY_AGE = _seconds("cache_entry_age", "How old the values were that were served.", _AGE, "cache")
CACHE_ENTRIES = Metric("gauge", "cache_entries", "How many entries a store keeps, as it said last.", ("cache", "store"))
CACHE_SIZE = Metric("gauge", "cache_size", "How much a store keeps, as it said last.", ("cache", "store"), "bytes")
EVICTIONS = _counter("cache_evictions", "Entries that stores dropped early.", "cache", "store", "reason")
REJECTED_ENTRIES = _counter("cache_rejected_entries", "Entries that were refused, and why.", "cache", "reason")
LOCK_WAIT = _seconds("lock_wait", "How long callers waited for locks, or for what their holders made.", _LOCK, "cache")
LOCK_HELD = _level("lock_held", "Locks that are held.", "cache")
LOCK_LOST = _counter("lock_lost", "Locks that were lost while they were held.", "cache", "reason")
LOCK_TIMEOUTS = _counter("lock_timeouts", "How often a lock was waited for in vain.", "cache")
STORE_DURATION = _seconds(
    "store_operation_duration", "How long commands took, failed ones included.", _STORE, "store", "op"
)
STORE_ERRORS = _counter("store_errors", "How often stores failed.", "store", "kind")
STORE_UP = Metric(
    "gauge",
    "store_up",
    "0 while a store that failed again and again is left alone, 1 once it is back.",
    ("store",),
    merged="livemin",
)
STORE_DEGRADED = Metric(
    "counter", "store_degraded", "How long calls went on without a store, until it was back.", ("store",), "seconds"
)
REPLICA_CONNECTED = Metric(
    "gauge",
    "csc_connected",
    "1 while a server tells of changes, so that copies are served.",
    ("store",),
    merged="livemin",
)
REPLICA_INVALIDATIONS = _counter("csc_invalidations", "Changes that servers told of.", "store")
REPLICA_STALENESS = Metric(
    "gauge", "csc_staleness_bound", "How long a copy is served at most without asking again.", ("store",), "seconds"
)
REPLICA_FLUSHES = _counter("csc_flushes", "How often all copies were dropped at once.", "store", "reason")
BACKGROUND_TASKS = _level("background_tasks", "Work in the background that is under way.", "client")
BACKGROUND_DROPPED = _counter(
    "background_dropped", "Work in the background that was not begun, or not ended.", "client", "why"
)
BACKGROUND_FAILURES = _counter("background_failures", "Work in the background that failed.", "client", "kind")
OVERFLOW = _counter("label_overflow", "How often a label's value was replaced by _other.", "label")
BUILD_INFO = Metric("gauge", "build_info", "1 for the version of resilient that runs.", ("version",))

METRICS = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
