"""Who hears of events and counts them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry

from resilient.checks import need
from resilient.events import Event
from resilient.metrics.bounds import Bounds
from resilient.metrics.counting import Counting
from resilient.telemetry import Source, Tracer
from resilient_adapters.prometheus.metrics import Metrics


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
        self._counting: dict[Source, Counting] = {}
        self._lock = Lock()

    def of(self, source: Source) -> Counting:
        """What counts the events of ``source``; of two clients or caches of one name the same."""
        shown = self._bounds.of(source)
        with self._lock:
            if (counting := self._counting.get(shown)) is None:
                counting = self._counting[shown] = Counting(shown, self._bounds, self.metrics.bind)
        return counting


class Prometheus:
    """Counts what clients and caches do, in metrics whose names start with ``resilient_``.

    ``ResilientClient(telemetry=[Prometheus()])``, ``cache.setup(url, telemetry=[Prometheus()])``. The metrics are made
    with the first object for a registry, and shared by all others. A client or cache that is told of two of them, or
    of one of them and a metrics middleware, counts once. No label holds an address, a key, or a value.

    Args:
        registry: where the metrics are registered; the one of ``prometheus_client`` if not given.
        tracer: who follows calls, such as an ``OpenTelemetry()`` that is told too: calls and requests above 0.1 s point
            at their spans, by exemplars. All objects for one registry have it then.

    Raises:
        ConfigurationError: ``tracer`` follows nothing.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, tracer: Tracer | None = None) -> None:
        self.sources = sources_of(registry)
        if tracer is not None:
            mark = getattr(tracer, "mark", None)
            need(callable(mark), "tracer", tracer, "one who follows calls, such as OpenTelemetry()")
            self.sources.metrics.pointers.follow(tracer.mark)

    def of(self, source: Source) -> Callable[[Event], object]:
        """What counts the events of ``source``."""
        return self.sources.of(source)

    def record(self, event: Event) -> None:
        """Count an event of nobody in particular."""
        self.sources.of(Source())(event)


_sources: WeakKeyDictionary[CollectorRegistry, Sources] = WeakKeyDictionary()
_lock = Lock()


def sources_of(registry: CollectorRegistry) -> Sources:
    """What is counted in ``registry``, which has the metrics from now on."""
    with _lock:
        if (sources := _sources.get(registry)) is None:
            sources = _sources[registry] = Sources(registry)
    return sources
