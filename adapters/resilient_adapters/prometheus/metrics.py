"""Every metric by its name, labels and buckets; made once for a registry."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CALL = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ATTEMPT = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
DELAY = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
AGE = (1, 10, 60, 300, 1800, 3600, 21600, 86400)
STORE = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1)


class Metrics:
    """The metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"resilient_{name}", about, labels, registry=registry)

        def histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"resilient_{name}", about, labels, registry=registry, buckets=buckets)

        self.calls = counter("calls_total", "Calls, as their callers see them.", "client", "route", "method", "outcome")
        self.call_seconds = histogram(
            "call_duration_seconds",
            "How long calls took, waits and retries included.",
            CALL,
            "client",
            "route",
            "source",
        )
        self.attempt_seconds = histogram(
            "attempt_duration_seconds", "How long requests on the wire took.", ATTEMPT, "client", "route", "status"
        )
        self.retries = counter(
            "retries_total", "Failed attempts that were followed by another.", "client", "route", "reason"
        )
        self.retries_denied = counter(
            "retries_denied_total", "Failed attempts that were not, and why.", "client", "route", "why"
        )
        self.retry_delay = histogram("retry_delay_seconds", "How long retries waited.", DELAY, "client")
        self.rejected = counter("rejected_total", "Attempts that a policy refused to send.", "client", "reason")
        self.circuit_state = Gauge(
            "resilient_circuit_state",
            "1 for the state that a circuit is in.",
            ("circuit", "state"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.circuit_opened = Gauge(
            "resilient_circuit_opened_timestamp_seconds",
            "When a circuit opened last.",
            ("circuit",),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self.circuit_transitions = counter(
            "circuit_transitions_total", "How often circuits changed their state.", "circuit", "to"
        )
        self.circuit_rejected = counter("circuit_rejected_total", "Attempts that circuits refused.", "circuit")
        self.cache_requests = counter("cache_requests_total", "Questions to a cache, by its answer.", "cache", "result")
        self.cache_fills = counter(
            "cache_fills_total", "Values that were made, and what became of them.", "cache", "trigger", "result"
        )
        self.entry_age = histogram("cache_entry_age_seconds", "How old the values were that were served.", AGE, "cache")
        self.evictions = counter(
            "cache_evictions_total", "Entries that stores dropped early.", "cache", "store", "reason"
        )
        self.store_seconds = histogram(
            "store_operation_duration_seconds", "How long commands took, failed ones included.", STORE, "store", "op"
        )
        self.store_errors = counter("store_errors_total", "How often stores failed.", "store", "kind")
        self.background_failures = counter(
            "background_failures_total", "Work in the background that failed.", "client", "kind"
        )
        self.overflow = counter("label_overflow_total", "Events whose label was replaced by _other.", "label")
        built = Gauge(
            "resilient_build_info",
            "1 for the version of resilient that runs.",
            ("version",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        built.labels(version("resilient-client")).set(1)
