"""The span of one call of a function whose results are kept."""

from __future__ import annotations

from functools import partial

from resilient.events import CacheLookup
from resilient.outcome import Outcome
from resilient.telemetry import Source
from resilient_adapters.opentelemetry.conventions import Attributes, cached, error_type
from resilient_adapters.opentelemetry.harmless import harmless
from resilient_adapters.opentelemetry.settings import Settings
from resilient_adapters.opentelemetry.works import WorkSpan


class FunctionSpan(WorkSpan):
    """The span of one call of a function; what the function does is below it.

    Args:
        settings: what was asked for.
        source: whose cache it is.
        function: the function's module and qualified name.
        store: the name of the store where its results are kept.
        cause: the mark of the call that has caused it, for one in the background.
    """

    __slots__ = ("_function", "_source", "_store")

    def __init__(
        self, settings: Settings, source: Source, function: str, store: str, cause: bytes | None = None
    ) -> None:
        super().__init__(
            settings, function, {"resilient.cache.name": source.name, "resilient.cache.store": store}, cause
        )
        self._source = source
        self._function = function
        self._store = store

    def behind(self) -> FunctionSpan:
        """The span of a call in the background: the root of a trace of its own, which points at this one."""
        return FunctionSpan(self._settings, self._source, self._function, self._store, self.mark)

    @harmless(None)
    def ended(self, lookup: CacheLookup | None, outcome: Outcome, error: BaseException | None) -> None:
        """Say what happened, and end it."""
        wrong = None if error is None or outcome is Outcome.CANCELLED else error_type(error)
        self._over(partial(self._told, lookup, outcome), wrong)

    def _told(self, lookup: CacheLookup | None, outcome: Outcome) -> Attributes:
        # In the background the cache is not asked, but filled.
        said = cached(lookup) if self._cause is None else {}
        return {"resilient.outcome": outcome.value, **said}
