"""What clients and transports have in common."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.caching.cache import Cache, cache_of
from resilient.engine import Engine
from resilient.httpx.library import LIBRARY
from resilient.policies import Policies, PolicyMap
from resilient.policy import Policy
from resilient.ports import StorePair
from resilient.runtime.drive import drive
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.sinks import Sinks
from resilient.telemetry import Sink, Source

Store = str | StorePair | Cache


class Owner:
    """What clients and transports have in common: an engine, and a cache that may be theirs to close."""

    def __init__(
        self,
        runtime: TaskRuntime | ThreadRuntime,
        policies: PolicyMap | Policies | Policy | None,
        store: Store | None,
        name: str,
        telemetry: Sequence[Sink],
    ) -> None:
        found = policies if isinstance(policies, Policies) else Policies(policies)
        sinks = Sinks(telemetry, Source("client", name))
        runtime.background.tell = sinks
        if store is None and found.keep_answers():
            store = "mem://"
        cache = None if store is None else cache_of(store, clock=runtime.clock, record=sinks if sinks.listens else None)
        self.engine = Engine(found, runtime, LIBRARY, cache, name, sinks)
        self._own = None if isinstance(store, Cache) else cache

    def settle(self) -> None:
        """Let background work end, which needs the connections."""
        drive(self.engine.runtime.settle())

    async def asettle(self) -> None:
        """Let background work end, which needs the connections."""
        await self.engine.runtime.settle()

    def close(self) -> None:
        """Close the cache, unless it was given."""
        if self._own is not None:
            self._own.close()

    async def aclose(self) -> None:
        """Close the cache, unless it was given."""
        if self._own is not None:
            await self._own.aclose()
