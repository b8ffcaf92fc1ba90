"""Where events go: every subscriber hears of them, and none can hurt the call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.ports import Telemetry

logger = logging.getLogger("resilient.telemetry")
logger.addHandler(logging.NullHandler())


class Sinks:
    """Tells each sink of each event. A sink that raises is counted and logged once, and hears the next one too.

    Attributes:
        failures: how many times a sink has raised.
    """

    __slots__ = ("_complained", "_records", "failures")

    def __init__(self, sinks: Sequence[Telemetry | Callable[[Event], object]]) -> None:
        self._records = [_record_of(sink) for sink in sinks]
        self._complained: set[int] = set()
        self.failures = 0

    def add(self, sinks: Sequence[Telemetry | Callable[[Event], object]]) -> None:
        """Tell these too.

        Raises:
            ConfigurationError: one of them can neither be called nor has a ``record`` method.
        """
        self._records += [_record_of(sink) for sink in sinks]

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


def sinks_of(telemetry: Sequence[Telemetry | Callable[[Event], object]]) -> Sinks | None:
    """The sinks of a client, None if nobody listens.

    Raises:
        ConfigurationError: one of them can neither be called nor has a ``record`` method.
    """
    need(isinstance(telemetry, Sequence), "telemetry", telemetry, "a list of objects with record(event), or callables")
    return Sinks(telemetry) if telemetry else None


def _record_of(sink: Telemetry | Callable[[Event], object]) -> Callable[[Event], object]:
    record = getattr(sink, "record", sink)
    if not callable(record):
        raise ConfigurationError(f"telemetry={sink!r} is not right; give objects with record(event), or callables")
    found: Callable[[Event], object] = record
    return found
