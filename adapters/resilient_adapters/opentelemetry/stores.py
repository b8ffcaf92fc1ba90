"""The span of a store that took long, or failed: known only when it is over."""

from __future__ import annotations

import time

from opentelemetry import context as contexts
from opentelemetry.trace import SpanKind, get_current_span

from resilient.events import StoreAsked
from resilient_adapters.opentelemetry.conventions import Attributes
from resilient_adapters.opentelemetry.harmless import harmless
from resilient_adapters.opentelemetry.settings import Settings
from resilient_adapters.opentelemetry.spans import ended, is_followed

FAILED = "store_unavailable"


@harmless(None)
def told(settings: Settings, event: StoreAsked) -> None:
    """A store was asked; if that is worth a span, it gets one below that of the call."""
    if not (event.failed or event.seconds >= settings.store_span_min) or not is_followed(get_current_span()):
        return
    now = time.time_ns()
    attributes: Attributes = {"resilient.store.name": event.store}
    span = settings.tracer.start_span(
        f"resilient.store {event.operation}",
        contexts.get_current(),
        SpanKind.INTERNAL,
        attributes,
        start_time=now - int(event.seconds * 1e9),
    )
    ended(span, dict, FAILED if event.failed else None, now)
