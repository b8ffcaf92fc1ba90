"""Slow calls and requests point at their spans, as Prometheus reads it; never more than now and then."""

import subprocess
import sys
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from resilient import ConfigurationError
from resilient_adapters.opentelemetry import OpenTelemetry
from resilient_adapters.prometheus import Prometheus
from resilient_adapters.prometheus import pointers as room


class Followed:
    """What a client is told by: spans in memory, and metrics that point at them."""

    def __init__(self, sampler):
        self.spans = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.registry = CollectorRegistry()
        tracer = OpenTelemetry(tracer_provider=provider)
        self.telemetry = [tracer, Prometheus(self.registry, tracer=tracer)]

    def pointers(self):
        """What each metric points at: its name, the labels and value of the pointer, by its own words."""
        families = parse(generate_latest(self.registry).decode())
        samples = [sample for family in families for sample in family.samples if sample.exemplar]
        return [(each.name.removesuffix("_bucket"), each.exemplar.labels, each.exemplar.value) for each in samples]


@pytest.fixture
def instant(monkeypatch):
    """The machine's clock, which stands still between steps of a second."""
    now = [time.monotonic()]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

    monkeypatch.setattr(room, "time", Clock)
    return lambda: now.__setitem__(0, now[0] + 1.0)


def slow_origin(world, seconds=0.2):
    origin = world.origin()
    origin.answers(200, latency=seconds)
    return origin


def test_slow_calls_and_requests_point_at_the_span_of_their_call(world, instant):
    """In the text that Prometheus reads, with the trace and the span as its own parser finds them."""
    followed = Followed(ALWAYS_ON)
    client = world.client(slow_origin(world), telemetry=followed.telemetry)
    client.get()
    [call] = [span for span in followed.spans.get_finished_spans() if span.name.startswith("resilient ")]
    at = {"trace_id": f"{call.context.trace_id:032x}", "span_id": f"{call.context.span_id:016x}"}
    assert followed.pointers() == [
        ("resilient_call_duration_seconds", at, pytest.approx(0.2)),
        ("resilient_attempt_duration_seconds", at, pytest.approx(0.2)),
    ]


def test_there_is_one_pointer_a_second(world, instant):
    """Of each metric with its labels; the next second has its own."""
    followed = Followed(ALWAYS_ON)
    client = world.client(slow_origin(world), telemetry=followed.telemetry)
    client.get()
    first = followed.pointers()
    client.get()
    assert followed.pointers() == first
    instant()
    client.get()
    assert {labels["trace_id"] for _, labels, _ in followed.pointers()}.isdisjoint(
        labels["trace_id"] for _, labels, _ in first
    )


@pytest.mark.parametrize("why", ["fast", "not kept", "not followed"])
def test_nothing_points_at_what_is_not_worth_it_or_not_there(world, instant, why):
    """Fast calls, spans that are sampled out, and programs without any."""
    followed = Followed(ALWAYS_OFF if why == "not kept" else ALWAYS_ON)
    telemetry = [Prometheus(followed.registry)] if why == "not followed" else followed.telemetry
    client = world.client(slow_origin(world, 0.05 if why == "fast" else 0.2), telemetry=telemetry)
    client.get()
    assert followed.pointers() == []


def test_what_follows_nothing_is_refused():
    """With the option and the right thing."""
    with pytest.raises(ConfigurationError, match=r"tracer=7 .*such as OpenTelemetry"):
        Prometheus(CollectorRegistry(), tracer=7)


PROCESS = """
from prometheus_client import CollectorRegistry
from resilient_adapters.prometheus import Prometheus

class Tracer:
    def mark(self):
        raise AssertionError("asked")

sink = Prometheus(CollectorRegistry(), tracer=Tracer())
sink.sources.metrics.bind(__import__("resilient.metrics.definitions", fromlist=["*"]).CALL_DURATION, ("a", "b", "c"))(5)
"""


def test_several_processes_point_at_nothing(tmp_path):
    """What they write into files has no room for pointers, so nobody asks for them."""
    command, environment = [sys.executable, "-c", PROCESS], {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
