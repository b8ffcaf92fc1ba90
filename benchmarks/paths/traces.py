"""What traces cost: a call that is recorded, beside OpenTelemetry's own instrumentation, and a hit."""

from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from benchmarks.measure import COLOURS, Bench, Colour, Contestant
from benchmarks.origins import FIELDS, FRESH, URL, Family, Fields, families, is_answer, is_sent
from benchmarks.paths.hit import is_hit
from benchmarks.rows import Row, at_most, ratio_at_most
from resilient import Policy, ResponseCache
from resilient_adapters.opentelemetry import OpenTelemetry


class Nowhere(SpanExporter):
    """Exports at once."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class Providers:
    """Makers of spans, which are closed at the end."""

    def __init__(self) -> None:
        self.recorded = TracerProvider(sampler=ALWAYS_ON)
        self.recorded.add_span_processor(BatchSpanProcessor(Nowhere()))
        self.sampled_out = TracerProvider(sampler=ALWAYS_OFF)

    def close(self) -> None:
        """Let go of the processor's thread."""
        self.recorded.shutdown()
        self.sampled_out.shutdown()


def measure(bench: Bench) -> list[Row]:
    """What recording a call adds: to our client, and to the library's own by OpenTelemetry's instrumentation of httpx.

    Over a transport that does nothing, with the SDK and its batch processor, without metrics. Ours are two spans, that
    of the call and that of its request; the instrumentation's is one. A hit, which has one span, is compared where
    nobody follows it, and where its trace is not sampled.
    """
    providers = bench.own(Providers())
    httpx = next(family for family in families() if family.name == "httpx")
    added: list[tuple[str, Contestant, Contestant, Contestant, Contestant]] = []
    hits: list[tuple[str, Contestant, Contestant]] = []
    for colour in COLOURS:
        ours = partial(_ours, bench, httpx, colour)
        bare, instrumented = (httpx.bare(bench, colour, transport=httpx.origin()) for _ in range(2))
        HTTPXClientInstrumentor.instrument_client(
            instrumented, tracer_provider=providers.recorded, meter_provider=NoOpMeterProvider()
        )
        found = (
            bench.add(colour, ours(providers.recorded), is_sent),
            bench.add(colour, ours(None), is_sent),
            bench.add(colour, partial(instrumented.get, URL), is_answer),
            bench.add(colour, partial(bare.get, URL), is_answer),
        )
        added.append((f"{colour} httpx", *found))
        calls = [ours(provider, Policy(cache=ResponseCache()), FRESH) for provider in (providers.sampled_out, None)]
        for call in calls:
            bench.once(colour, call)
        hits.append((f"{colour} httpx", *(bench.add(colour, call, is_hit) for call in calls)))
    bench.run()
    return [
        *(
            Row(
                what="recording a call",
                client=which,
                ours=(traced.seconds - untraced.seconds) * 1e6,
                peer="OpenTelemetry's instrumentation",
                theirs=(instrumented.seconds - bare.seconds) * 1e6,
                unit="µs",
                goal=ratio_at_most(0.5),
            )
            for which, traced, untraced, instrumented, bare in added
        ),
        *(
            Row(
                what="a hit whose trace is not sampled, more than one that is not followed",
                client=which,
                ours=(followed.seconds - not_followed.seconds) * 1e6,
                peer="the hit",
                theirs=not_followed.micros,
                unit="µs",
                goal=at_most(12),
            )
            for which, followed, not_followed in hits
        ),
    ]


def sink(provider: TracerProvider) -> OpenTelemetry:
    """What follows calls, and counts nothing."""
    return OpenTelemetry(tracer_provider=provider, meter_provider=NoOpMeterProvider())


def _ours(
    bench: Bench,
    family: Family,
    colour: Colour,
    provider: TracerProvider | None,
    policy: Policy | None = None,
    fields: Fields = FIELDS,
) -> Callable[[], Any]:
    """A call of our client, followed if somebody makes spans."""
    followed = [] if provider is None else [sink(provider)]
    client = family.ours(bench, colour, transport=family.origin(fields=fields), policies=policy, telemetry=followed)
    return partial(client.get, URL)
