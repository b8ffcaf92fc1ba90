"""What was exported of a test's calls, as a tree of spans in lines, and whether all names in it are defined.

A line is a span: its name, its status or outcome, what the cache said, and ``->`` what it points at, by the place of
that line, counted from 1.
"""

import importlib
import pkgutil

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv import attributes as conventions
from opentelemetry.semconv._incubating.attributes.url_attributes import URL_TEMPLATE

from resilient_adapters.opentelemetry import OpenTelemetry

SHOWN = (
    "http.response.status_code", "resilient.outcome", "resilient.cache.status", "resilient.attempt.kind", "error.type"
)  # fmt: skip


class Spans:
    """What was exported, and a provider that exports there."""

    def __init__(self, **options):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def sink(self, **options):
        return OpenTelemetry(tracer_provider=self.provider, meter_provider=self.meters, **options)

    @property
    def spans(self):
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time)

    def tree(self):
        """Names by depth, siblings in the order in which they began."""
        spans = self.spans
        ids = {span.context.span_id for span in spans}

        def below(parent):
            return [
                [span.name, *below(span.context.span_id)]
                for span in spans
                if (span.parent.span_id if span.parent and span.parent.span_id in ids else None) == parent
            ]

        return below(None)

    def lines(self):
        """Trees as lines: a name, what became of it, and what it points at, by the place of that line, from 1."""
        order = self._in_order()
        places = {span.context.span_id: place for place, (_, span) in enumerate(order, 1)}
        return [f"{'  ' * depth}{told(span, places)}" for depth, span in order]

    def _in_order(self):
        spans = self.spans
        ids = {span.context.span_id for span in spans}

        def below(parent, depth):
            for span in spans:
                if (span.parent.span_id if span.parent and span.parent.span_id in ids else None) == parent:
                    yield depth, span
                    yield from below(span.context.span_id, depth + 1)

        return list(below(None, 0))

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def metrics(self):
        """The points of each metric, by name."""
        data = self.reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = list(metric.data.data_points)
        return found


def told(span, places):
    """A span as a line."""
    words = [str(span.attributes[name]) for name in SHOWN if name in span.attributes]
    bad = ["!"] if not span.status.is_ok and not span.status.is_unset else []
    links = [f"-> {link.attributes['resilient.link']} {places.get(link.context.span_id)}" for link in span.links]
    return " ".join([span.name, *words, *bad, *links])


def names_in(package):
    """The names of all attributes that a package of the conventions defines."""
    modules = [
        importlib.import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    ]
    return {value for module in modules for name, value in vars(module).items() if name.isupper() and value}


STABLE = names_in(conventions)
NAMES = STABLE | {URL_TEMPLATE}
"""What the conventions define and call stable, and the one name of theirs that is not stable yet."""


def check_names(spans):
    """Each attribute has a name of the conventions, or one of ours."""
    said = {name for span in spans.spans for name in span.attributes}
    assert said
    assert {name for name in said if not name.startswith("resilient.")} <= NAMES
    assert not {name for name in NAMES if name.startswith("resilient")}
