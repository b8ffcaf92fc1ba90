"""The instruments of a meter, by which events are counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from opentelemetry.metrics import Meter

from resilient.events import Event
from resilient.metrics.bounds import Bounds
from resilient.metrics.counting import Add, Counting
from resilient.metrics.definitions import METRICS, OVERFLOW, Metric
from resilient.telemetry import Source
from resilient_adapters.opentelemetry.harmless import harmless

_UNITS = {"seconds": "s", "bytes": "By", "": "1"}


class Instruments:
    """All metrics as instruments of one meter.

    Args:
        meter: makes them.

    Attributes:
        bounds: on the values of labels.
    """

    def __init__(self, meter: Meter) -> None:
        self.bounds = Bounds(lambda label: self.bind(OVERFLOW, (label,))(1))
        self._adders = {metric: _adder(meter, metric) for metric in METRICS}
        self._labels = {metric: tuple(f"resilient.{label}" for label in metric.labels) for metric in METRICS}

    def bind(self, metric: Metric, labels: tuple[str, ...]) -> Add:
        """What lets it grow, sets it, or counts a value more."""
        return partial(self._adders[metric], attributes=dict(zip(self._labels[metric], labels, strict=True)))


def _adder(meter: Meter, metric: Metric) -> Callable[..., None]:
    name, unit = f"resilient.{metric.name.replace('_', '.')}", _UNITS[metric.unit]
    if metric.kind == "counter":
        return meter.create_counter(name, unit, metric.about).add
    if metric.kind == "level":
        return meter.create_up_down_counter(name, unit, metric.about).add
    if metric.kind == "gauge":
        return meter.create_gauge(name, unit, metric.about).set
    return meter.create_histogram(name, unit, metric.about, explicit_bucket_boundaries_advisory=metric.buckets).record


class Recording:
    """Counts the events of one source.

    Args:
        instruments: where they count.
        source: whose events they are.
    """

    __slots__ = ("_count",)

    def __init__(self, instruments: Instruments, source: Source) -> None:
        self._count = Counting(instruments.bounds.of(source), instruments.bounds, instruments.bind)

    @harmless(None)
    def record(self, event: Event) -> None:
        """Count ``event``, if it counts anywhere."""
        self._count(event)
