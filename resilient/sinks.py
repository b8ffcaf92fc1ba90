"""Where events go: every subscriber hears of them, and none can hurt the call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.ports import Telemetry

logger = logging.getLogger("resilient.telemetry")
logger.addHandler(logging.NullHandler())

Sink: TypeAlias = Telemetry | Callable[[Event], object]
Kind: TypeAlias = Literal["client", "cache"]


class Sinks:
    """Tells each sink of each event. A sink that raises is counted and logged once, and hears the next one too.

    Args:
        sinks: who is told.
        kind: whose events they are: a client's or a cache's.
        name: its name.

    Attributes:
        failures: how many times a sink has raised.
    """

    __slots__ = ("_complained", "_kind", "_name", "_records", "failures")

    def __init__(self, sinks: Sequence[Sink] = (), *, kind: Kind = "client", name: str = "") -> None:
        self._kind: Kind = kind
        self._name = name
        self._records: list[Callable[[Event], object]] = []
        self._complained: set[int] = set()
        self.failures = 0
        self.add(sinks)

    def add(self, sinks: Sequence[Sink]) -> None:
        """Tell these too; one that is told already is not told twice.

        Raises:
            ConfigurationError: one of them can neither be called nor has a ``record`` method.
        """
        need(isinstance(sinks, Sequence), "telemetry", sinks, "a list of objects with record(event), or callables")
        for record in [_record_of(sink, self._kind, self._name) for sink in sinks]:
            if record not in self._records:
                self._records.append(record)

    @property
    def listens(self) -> bool:
        """Whether anybody does."""
        return bool(self._records)

    def __call__(self, event: Event) -> None:
        """Tell everybody."""
        for number, record in enumerate(self._records):
            try:
                record(event)
            except Exception:
                self.failures += 1
                if number not in self._complained:
                    self._complained.add(number)
                    logger.exception("a telemetry sink failed; its further failures are only counted")


def sinks_of(telemetry: Sequence[Sink], client: str = "") -> Sinks | None:
    """The sinks of the client of that name, None if nobody listens.

    Raises:
        ConfigurationError: one of them can neither be called nor has a ``record`` method.
    """
    sinks = Sinks(telemetry, name=client)
    return sinks if telemetry else None


def _record_of(sink: Sink, kind: Kind, name: str) -> Callable[[Event], object]:
    named = getattr(sink, "named", None)
    record = getattr(sink, "record", sink) if named is None else named(kind, name)
    if not callable(record):
        raise ConfigurationError(f"telemetry={sink!r} is not right; give objects with record(event), or callables")
    found: Callable[[Event], object] = record
    return found
