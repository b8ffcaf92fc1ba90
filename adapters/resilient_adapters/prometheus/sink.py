"""Who hears of events and counts them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry

from resilient.events import Event
from resilient.metrics.bounds import Bounds
from resilient.metrics.counting import Counting
from resilient.telemetry import Source
from resilient_adapters.prometheus.metrics import Metrics


class Recording:
    """Counts the events of one route of a client, or of one cache.

    Args:
        metrics: where it counts.
        counting: knows what an event counts.
    """

    __slots__ = ("_counting", "_metrics")

    def __init__(self, metrics: Metrics, counting: Counting) -> None:
        self._metrics = metrics
        self._counting = counting
        for metric, labels in counting.known():
            metrics.export(metric, labels)

    def record(self, event: Event) -> None:
        """Count ``event``, if it counts anywhere."""
        add = self._metrics.add
        for metric, labels, value in self._counting(event):
            add(metric, labels, value)


class Sources:
    """The clients and caches that are counted in one registry.

    Args:
        registry: where the metrics are registered.

    Attributes:
        metrics: the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.metrics = Metrics(registry)
        self._bounds = Bounds(self.metrics.overflowed)
        self._recordings: dict[Source, Recording] = {}
        self._lock = Lock()

    def of(self, source: Source) -> Recording:
        """What counts the events of ``source``; of two clients or caches of one name the same."""
        shown = self._bounds.of(source)
        with self._lock:
            if (recording := self._recordings.get(shown)) is None:
                counting = Counting(shown, self._bounds.circuit)
                recording = self._recordings[shown] = Recording(self.metrics, counting)
        return recording


class Prometheus:
    """Counts what clients and caches do, in metrics whose names start with ``resilient_``.

    ``ResilientClient(telemetry=[Prometheus()])``, ``cache.setup(url, telemetry=[Prometheus()])``. The metrics are made
    with the first object for a registry, and shared by all others. A client or cache that is told of two of them, or
    of one of them and a metrics middleware, counts once. No label holds an address, a key, or a value.

    Args:
        registry: where the metrics are registered; the one of ``prometheus_client`` if not given.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.sources = sources_of(registry)

    def of(self, source: Source) -> Callable[[Event], object]:
        """What counts the events of ``source``."""
        return self.sources.of(source).record

    def record(self, event: Event) -> None:
        """Count an event of nobody in particular."""
        self.sources.of(Source()).record(event)


_sources: WeakKeyDictionary[CollectorRegistry, Sources] = WeakKeyDictionary()
_lock = Lock()


def sources_of(registry: CollectorRegistry) -> Sources:
    """What is counted in ``registry``, which has the metrics from now on."""
    with _lock:
        if (sources := _sources.get(registry)) is None:
            sources = _sources[registry] = Sources(registry)
    return sources
