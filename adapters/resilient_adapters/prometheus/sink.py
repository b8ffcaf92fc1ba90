"""Who hears of events and counts them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry

from resilient.events import Event
from resilient.telemetry import Source
from resilient_adapters.prometheus.labels import Bounded
from resilient_adapters.prometheus.metrics import Metrics
from resilient_adapters.prometheus.recording import Recording

MAX_NAMES = 20
"""How many clients, and how many caches, have a name in labels."""
MAX_ROUTES = 50
"""How many routes of a client have."""
MAX_CIRCUITS = 100
"""How many circuits have, of all clients and caches."""


class Sources:
    """The clients and caches that are counted in one registry.

    Args:
        registry: where the metrics are registered.

    Attributes:
        metrics: the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.metrics = Metrics(registry)
        overflow = self.metrics.overflow
        self._names = {kind: Bounded(kind, MAX_NAMES, overflow) for kind in ("client", "cache")}
        self._routes: dict[str, Bounded] = {}
        self._circuits = Bounded("circuit", MAX_CIRCUITS, overflow)
        self._recordings: dict[Source, Recording] = {}
        self._lock = Lock()

    def of(self, source: Source) -> Recording:
        """What counts the events of ``source``; of two clients or caches of one name the same."""
        with self._lock:
            name = self._names[source.kind](source.name)
            route = ""
            if source.kind == "client" and source.route:
                if name not in self._routes:
                    self._routes[name] = Bounded("route", MAX_ROUTES, self.metrics.overflow)
                route = self._routes[name](source.route)
            shown = Source(source.kind, name, route)
            if (recording := self._recordings.get(shown)) is None:
                recording = self._recordings[shown] = Recording(self.metrics, shown, self._circuits)
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
