"""Which origins get to know of a trace, and which of what is carried with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from opentelemetry import baggage, propagate
from opentelemetry.context import Context

from resilient.messages import URL
from resilient.pattern import Pattern, canonical
from resilient_adapters.opentelemetry.harmless import harmless

_NOTHING: Mapping[str, str] = {}


class Propagation:
    """Which origins get to know of a trace; decided anew for each request, so also for each hop of a redirect.

    Args:
        trace: patterns of hosts that may go on with the trace, None for all.
        baggage: patterns of hosts that get the baggage too.

    Raises:
        ConfigurationError: one of them is no pattern.
    """

    def __init__(self, trace: Collection[str] | None, baggage: Collection[str]) -> None:
        self._trace = None if trace is None else [Pattern.read(text) for text in trace]
        self._baggage = [Pattern.read(text) for text in baggage]

    @harmless(_NOTHING)
    def fields(self, url: URL, around: Context) -> Mapping[str, str]:
        """The header fields that go with a request to ``url``."""
        if self._trace is not None and not _applies(self._trace, url):
            return _NOTHING
        if baggage.get_all(around) and not (self._baggage and _applies(self._baggage, url)):
            around = baggage.clear(around)
        carrier: dict[str, str] = {}
        propagate.inject(carrier, around)
        return carrier


def _applies(patterns: list[Pattern], url: URL) -> bool:
    host = canonical(url.host)
    return any(pattern.is_for(host, url.port) and pattern.matches("", url.path) for pattern in patterns)
