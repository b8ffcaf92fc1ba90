"""Where events go: into the log, and to every subscriber; none can hurt the call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias, cast

from msgspec.structs import replace

from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.logs.logs import is_written, write
from resilient.telemetry import Sink, Source, Tracer

logger = logging.getLogger("resilient.telemetry")

NOBODY = Source()

MAX_ROUTES = 1000
"""How many routes are kept ready; sinks are asked anew for each event of any other."""

Record: TypeAlias = Callable[[Event], object]


class Sinks:
    """Writes events into the log, and tells each sink of each.

    A sink that raises is counted and logged once, and hears the next event too.

    Args:
        sinks: who is told.
        source: whose events they are.

    Attributes:
        failures: how many times a sink has raised.
        source: as given.
        tracer: the sink that follows calls, None if none does.
    """

    __slots__ = ("_by_route", "_complained", "_records", "_sinks", "_writes", "failures", "source", "tracer")

    def __init__(self, sinks: Sequence[Sink] = (), source: Source = NOBODY) -> None:
        self.source = source
        self._sinks: list[Sink] = []
        self._records: list[Record] = []
        self._by_route: dict[str, Callable[[Event], None]] = {}
        self._complained: set[int] = set()
        self._writes = True
        self.failures = 0
        self.tracer: Tracer | None = None
        self.add(sinks)

    def add(self, sinks: Sequence[Sink]) -> None:
        """Tell these too; one that is told already is not told twice.

        Raises:
            ConfigurationError: one of them can neither be called nor has a ``record`` method, or two follow calls.
        """
        need(isinstance(sinks, Sequence), "telemetry", sinks, "a list of objects with record(event), or callables")
        for sink in sinks:
            if any(sink is each for each in self._sinks) or (record := _record_of(sink, self.source)) in self._records:
                continue
            if callable(getattr(sink, "begin", None)):
                need(self.tracer is None, "telemetry", sinks, "a list in which one at most follows calls")
                self.tracer = cast("Tracer", sink)
            self._records.append(record)
            self._sinks.append(sink)
            # Others who tell of events write them too.
            self._writes = self._writes and not isinstance(sink, Sinks)

    @property
    def listens(self) -> bool:
        """Whether anybody does, beside the log."""
        return bool(self._records)

    def hears(self, kind: type[Event]) -> bool:
        """Whether anybody hears of events of that kind, or they are written."""
        return bool(self._records) or is_written(kind)

    def __call__(self, event: Event) -> None:
        """Tell everybody of an event that belongs to no route."""
        self._tell(self.source, self._records, event)

    def of(self, route: str) -> Callable[[Event], None]:
        """What tells everybody of the events of one route."""
        tell = self._by_route.get(route)
        if tell is not None:
            return tell
        source = replace(self.source, route=route)
        tell = partial(self._tell, source, [_record_of(sink, source) for sink in self._sinks])
        if len(self._by_route) < MAX_ROUTES:
            self._by_route[route] = tell
        return tell

    def _tell(self, source: Source, records: Sequence[Record], event: Event) -> None:
        if self._writes:
            write(event, source, None if self.tracer is None else self.tracer.mark)
        for number, record in enumerate(records):
            try:
                record(event)
            except Exception:
                self.failures += 1
                if number not in self._complained:
                    self._complained.add(number)
                    logger.exception("a telemetry sink failed; its further failures are only counted")


def _record_of(sink: Sink, source: Source) -> Record:
    of = getattr(sink, "of", None)
    record = getattr(sink, "record", sink) if of is None else of(source)
    if not callable(record):
        raise ConfigurationError(f"telemetry={sink!r} is not right; give objects with record(event), or callables")
    found: Record = record
    return found
