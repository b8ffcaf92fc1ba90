"""Writes events into the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from msgspec.structs import asdict

from resilient.checks import need
from resilient.events import Event
from resilient.logs.limit import Limit
from resilient.logs.lines import LINES
from resilient.telemetry import Source

logging.getLogger("resilient").addHandler(logging.NullHandler())

_limit = Limit()
_lines = dict(LINES)
_loggers = {line.logger: logging.getLogger(f"resilient.{line.logger}") for line in LINES.values()}


def is_written(kind: type[Event]) -> bool:
    """Whether events of that kind are written, as the program's log is set up now."""
    line = _lines.get(kind)
    return line is not None and _loggers[line.logger].isEnabledFor((line.grave or line).level)


def write(event: Event, source: Source, mark: Callable[[], bytes] | None = None) -> None:
    """Write ``event``, if it is, unless the like of it was written a moment ago.

    Args:
        event: what happened.
        source: whose event it is.
        mark: gives the span in which it happened, 24 bytes.
    """
    line = _lines.get(type(event))
    if line is None:
        return
    if line.grave is not None and line.grave.of(event, source) is not None:
        line = line.grave
    if not (logger := _loggers[line.logger]).isEnabledFor(line.level):
        return
    if (of := line.of(event, source)) is None:
        return
    suppressed = 0
    if line.level > logging.DEBUG:
        kept_back = _limit.kept_back((line.text, of), time.monotonic(), line.pause)
        if kept_back is None:
            return
        suppressed = kept_back
    said = {**asdict(source), **asdict(event)}
    extra: dict[str, object] = {"event": event.name, "resilient": said, "suppressed": suppressed}
    if mark is not None and len(span := mark()) == 24:
        extra |= {"trace_id": span[:16].hex(), "span_id": span[16:].hex()}
    more = f" ({suppressed} more of it since)" if suppressed else ""
    logger.log(line.level, "%s: %s%s", line.text, of, more, extra=extra)


def set_levels(levels: Mapping[type[Event], int]) -> None:
    """Write events at other levels from now on, such as ``{CircuitOpened: logging.ERROR}``.

    A graver line of its own, as of a store that does not let us in, is written at its own level, or at a higher one.

    Args:
        levels: by kind of event; numbers as ``logging`` has them.

    Raises:
        ConfigurationError: one of them is no event that is written, or no level.
    """
    for kind, level in levels.items():
        need(kind in LINES, "levels", kind, f"one of {', '.join(each.__name__ for each in LINES)}")
        need(isinstance(level, int) and not isinstance(level, bool), "levels", level, "a level, such as logging.ERROR")
    for kind, level in levels.items():
        line = LINES[kind]
        grave = line.grave and line.grave._replace(level=max(level, line.grave.level))
        _lines[kind] = line._replace(level=level, grave=grave)
