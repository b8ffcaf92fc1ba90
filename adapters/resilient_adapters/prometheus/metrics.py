"""The metrics of one registry, made once."""

from __future__ import annotations

from importlib.metadata import version
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from resilient.metrics.bounds import BOUNDED
from resilient.metrics.counting import Add
from resilient.metrics.definitions import BUILD_INFO, METRICS, OVERFLOW, Metric
from resilient_adapters.prometheus.pointers import Pointers

Exported: TypeAlias = Counter | Gauge | Histogram
PREFIX = "resilient"


class Metrics:
    """The metrics of one registry.

    Args:
        registry: where they are registered.

    Attributes:
        pointers: from slow values to spans.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._exported = {metric: _exported(metric, registry) for metric in METRICS}
        self.pointers = Pointers()
        self.bind(BUILD_INFO, (version("resilient-client"),))(1)
        for label in BOUNDED:
            self.bind(OVERFLOW, (label,))  # at 0, so that the first one is an increase

    def bind(self, metric: Metric, labels: tuple[str, ...]) -> Add:
        """Export the one with these labels from now on; what lets it grow, sets it, or counts a value more."""
        child = self._exported[metric].labels(*labels)
        if isinstance(child, Histogram):
            return self.pointers.observing(child) if metric.points else child.observe
        return child.set if metric.kind == "gauge" and isinstance(child, Gauge) else child.inc

    def overflowed(self, label: str) -> None:
        """A value of ``label`` was one too many."""
        self.bind(OVERFLOW, (label,))(1)


def _exported(metric: Metric, registry: CollectorRegistry) -> Exported:
    name = "_".join(part for part in (PREFIX, metric.name, metric.unit) if part)
    if metric.kind == "counter":
        return Counter(f"{name}_total", metric.about, metric.labels, registry=registry)
    if metric.kind in ("gauge", "level"):
        return Gauge(name, metric.about, metric.labels, registry=registry, multiprocess_mode=metric.merged)
    return Histogram(name, metric.about, metric.labels, registry=registry, buckets=metric.buckets)
