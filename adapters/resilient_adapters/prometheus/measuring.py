"""The middleware that has a cache counted."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Self

from prometheus_client import REGISTRY, CollectorRegistry

from resilient.caching.control import Command
from resilient.caching.core import Core, Proceed
from resilient_adapters.prometheus.sink import Prometheus


class Measuring:
    """Has :class:`Prometheus` count a cache's events, among them how long its commands took; lets all of them pass.

    Args:
        registry: where the metrics are registered; the one of ``prometheus_client`` if not given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._sink = Prometheus(REGISTRY if registry is None else registry)

    def attach(self, core: Core) -> Self:
        """Count the events of one cache from now on."""
        core.sinks.add([self._sink])
        return self

    def __call__(self, proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Do ``command``."""
        return proceed(*args, **kwargs)
