"""The middleware that measures a cache's commands."""

from __future__ import annotations

import copy
from typing import Any, Self

from prometheus_client import REGISTRY, CollectorRegistry

from resilient.caching.control import Command
from resilient.caching.core import Core, Proceed, key_in
from resilient.metrics.definitions import STORE_DURATION
from resilient_adapters.prometheus.sink import Prometheus

OPERATIONS = {
    Command.GET: "get",
    Command.GET_MANY: "get",
    Command.EXISTS: "get",
    Command.GET_EXPIRE: "get",
    Command.PING: "get",
    Command.SET: "set",
    Command.SET_MANY: "set",
    Command.EXPIRE: "set",
    Command.INCR: "set",
    Command.DELETE: "delete",
    Command.DELETE_MANY: "delete",
    Command.DELETE_MATCH: "delete",
    Command.DELETE_TAGS: "delete",
    Command.CLEAR: "delete",
}
"""The label of each command; iterators are not measured, since their time is that of whoever iterates."""


class Measuring:
    """Measures how long a cache's commands take, and has :class:`Prometheus` count its events.

    Args:
        registry: where the metrics are registered; the one of ``prometheus_client`` if not given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._sink = Prometheus(REGISTRY if registry is None else registry)
        self._add = self._sink.sources.metrics.add
        self._core: Core | None = None

    def attach(self, core: Core) -> Self:
        """The same for the commands of one cache, whose events are counted from now on."""
        core.sinks.add([self._sink])
        mine = copy.copy(self)
        mine._core = core
        return mine

    async def __call__(self, proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Any:
        """Do ``command`` and measure it."""
        core, operation = self._core, OPERATIONS.get(command)
        if core is None or operation is None:
            return await proceed(*args, **kwargs)
        began = core.clock.now()
        try:
            return await proceed(*args, **kwargs)
        finally:
            self._add(STORE_DURATION, (core.store_name(key_in(args)), operation), core.clock.now() - began)
