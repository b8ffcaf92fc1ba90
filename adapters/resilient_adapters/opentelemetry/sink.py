"""What is given as telemetry: spans of calls, and metrics of their events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version

from opentelemetry.metrics import MeterProvider, NoOpMeter, get_meter
from opentelemetry.trace import TracerProvider, get_current_span, get_tracer

from resilient.checks import are_all, need
from resilient.durations import Duration, seconds_of
from resilient.events import Event, StoreAsked
from resilient.messages import URL
from resilient.metrics.definitions import ATTEMPT
from resilient.telemetry import Source
from resilient_adapters.opentelemetry import stores
from resilient_adapters.opentelemetry.calls import CallSpan
from resilient_adapters.opentelemetry.functions import FunctionSpan
from resilient_adapters.opentelemetry.harmless import harmless
from resilient_adapters.opentelemetry.instruments import Instruments, Recording
from resilient_adapters.opentelemetry.propagation import Propagation
from resilient_adapters.opentelemetry.settings import Settings
from resilient_adapters.opentelemetry.spans import mark_of

_NAME = "resilient"


class OpenTelemetry:
    """Follows calls with spans, and counts events with metrics.

    ``ResilientClient(telemetry=[OpenTelemetry()])``. Each call has a span of kind INTERNAL, and below it each request
    on the wire one of kind CLIENT, by the conventions for HTTP clients; the origin can go on with the trace of the
    request that it got. Without an SDK nothing is recorded.

    Args:
        tracer_provider: makes the spans; the global one if not given.
        meter_provider: makes the metrics; the global one if not given.
        http_metrics: whether requests count in ``http.client.request.duration``; False where another library does that.
        propagate_to: patterns of hosts that may go on with the trace, such as ``"*.example.com"``; all if not given.
        baggage_to: patterns of hosts that get the baggage too; none if not given.
        safe_params: names of query values that may be seen in addresses; all others are hidden.
        ok_statuses: by route, answers of 400 and above that are no errors, such as ``{"items": {404}}``.
        filled_by: whether what is served from a cache points at the call that filled it.
        store_span_min: how long a store takes at least that has a span; one that fails has one in any case.
        key_hash: whether spans show eight digits of the digest under which an answer is kept.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        http_metrics: bool = True,
        propagate_to: Collection[str] | None = None,
        baggage_to: Collection[str] = (),
        safe_params: Collection[str] = (),
        ok_statuses: Mapping[str, Collection[int]] | None = None,
        filled_by: bool = True,
        key_hash: bool = False,
        store_span_min: Duration = "5ms",
    ) -> None:
        for name, given in {"propagate_to": propagate_to, "baggage_to": baggage_to, "safe_params": safe_params}.items():
            right = "a list of texts"
            need(given is None or (not isinstance(given, str) and are_all(str, given)), name, given, right)
        for name, switch in {"http_metrics": http_metrics, "filled_by": filled_by, "key_hash": key_hash}.items():
            need(isinstance(switch, bool), name, switch, "True or False")
        need(
            ok_statuses is None
            or (isinstance(ok_statuses, Mapping) and all(are_all(int, each) for each in ok_statuses.values())),
            "ok_statuses",
            ok_statuses,
            "statuses by route, such as {'items': {404}}",
        )
        ours = version("resilient-client")
        meter = get_meter(_NAME, ours, meter_provider)
        self._settings = Settings(
            tracer=get_tracer(_NAME, ours, tracer_provider),
            request_duration=(meter if http_metrics else NoOpMeter(_NAME)).create_histogram(
                "http.client.request.duration",
                "s",
                "Duration of HTTP client requests.",
                explicit_bucket_boundaries_advisory=ATTEMPT,
            ),
            propagation=Propagation(propagate_to, baggage_to),
            safe_params=frozenset(safe_params),
            ok_statuses={route: frozenset(statuses) for route, statuses in (ok_statuses or {}).items()},
            filled_by=filled_by,
            key_hash=key_hash,
            store_span_min=seconds_of(store_span_min, option="store_span_min"),
        )
        self._instruments = Instruments(meter)

    @harmless(None)
    def begin(self, source: Source, method: str, url: URL, named: str | None) -> CallSpan | None:
        """The span of a call that begins now."""
        return CallSpan(self._settings, source, method, url, named)

    @harmless(None)
    def begin_function(self, source: Source, function: str, store: str) -> FunctionSpan | None:
        """The span of a call of a function whose results are kept."""
        return FunctionSpan(self._settings, source, function, store)

    def mark(self) -> bytes:
        """What one would point at from here."""
        return mark_of(get_current_span())

    def of(self, source: Source) -> Callable[[Event], object]:
        """What counts the events of ``source``."""
        count, settings = Recording(self._instruments, source).record, self._settings

        def record(event: Event) -> None:
            if isinstance(event, StoreAsked):
                stores.told(settings, event)
            count(event)

        return record

    def record(self, event: Event) -> None:
        """Count an event of nobody in particular."""
        self.of(Source())(event)
