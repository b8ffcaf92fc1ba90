"""The metrics of one registry, made once."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from resilient.metrics.definitions import BUILD_INFO, METRICS, OVERFLOW, Metric

Exported: TypeAlias = Counter | Gauge | Histogram
PREFIX = "resilient"


class Metrics:
    """The metrics of one registry.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._exported = {metric: _exported(metric, registry) for metric in METRICS}
        self._adders: dict[tuple[Metric, tuple[str, ...]], Callable[[float], None]] = {}
        self.add(BUILD_INFO, (version("resilient-client"),), 1)

    def export(self, metric: Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
        """Export the one with these labels from now on; what lets it grow, sets it, or counts a value more."""
        child = self._exported[metric].labels(*labels)
        if isinstance(child, Counter):
            add: Callable[[float], None] = child.inc
        else:
            add = child.set if isinstance(child, Gauge) else child.observe
        return self._adders.setdefault((metric, labels), add)

    def add(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Let it grow, set it, or count one more of its values; found without the metric's own lock."""
        add = self._adders.get((metric, labels))
        if add is None:
            add = self.export(metric, labels)
        add(value)

    def overflowed(self, label: str) -> None:
        """A value of ``label`` was one too many."""
        self.add(OVERFLOW, (label,), 1)


def _exported(metric: Metric, registry: CollectorRegistry) -> Exported:
    name = "_".join(part for part in (PREFIX, metric.name, metric.unit) if part)
    if metric.kind == "counter":
        return Counter(f"{name}_total", metric.about, metric.labels, registry=registry)
    if metric.kind == "gauge":
        return Gauge(name, metric.about, metric.labels, registry=registry, multiprocess_mode=metric.merged)
    return Histogram(name, metric.about, metric.labels, registry=registry, buckets=metric.buckets)
