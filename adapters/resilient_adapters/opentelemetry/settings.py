"""What was asked for, and what it takes from OpenTelemetry."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from opentelemetry.metrics import Histogram
from opentelemetry.trace import Tracer

from resilient_adapters.opentelemetry.propagation import Propagation


@dataclass(frozen=True, slots=True)
class Settings:
    """What the spans of calls and requests go by.

    Attributes:
        tracer: makes spans.
        request_duration: measures requests.
        propagation: what goes with requests.
        safe_params: the names of query values that may be seen.
        ok_statuses: answers of 400 and above that are no errors, by route.
        filled_by: whether what is served from a cache points at what has filled it.
        key_hash: whether the digest of an answer's key may be seen.
        store_span_min: seconds from which on a store that was asked has a span.
    """

    tracer: Tracer
    request_duration: Histogram
    propagation: Propagation
    safe_params: Collection[str]
    ok_statuses: Mapping[str, Collection[int]]
    filled_by: bool
    key_hash: bool
    store_span_min: float

    def is_ok(self, route: str, status: int) -> bool:
        """Whether an answer of that route with ``status`` is what was hoped for."""
        return status in self.ok_statuses.get(route, ())
