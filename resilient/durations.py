"""Durations as people write them, parsed in this one place."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TypeAlias

from resilient.errors import ConfigurationError

Duration: TypeAlias = float | timedelta | str
"""A number of seconds, a ``timedelta``, or text such as ``"1h30m"``, ``"500ms"``, ``"1d2h3m50s"``."""

_UNITS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_TEXT = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+(?:\.[0-9]+)?){unit}(?![a-z]))?" for unit in _UNITS))
ACCEPTED = "a number of seconds, a timedelta, or text such as '500ms', '30s', '1h30m', '1d2h3m50s', '1w'"


def seconds_of(duration: Duration, *, option: str) -> float:
    """Seconds of ``duration``.

    Args:
        duration: as in :data:`Duration`; more than nothing, and finite.
        option: what it was given for, named in the error.

    Raises:
        ConfigurationError: it is none of the accepted forms.
    """
    seconds = _parsed(duration)
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        raise ConfigurationError(f"{option}={duration!r} is not a duration above zero; give {ACCEPTED}")
    return seconds


_SHOWN = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def shown(seconds: float) -> str:
    """A duration for people: ``50 ms``, ``2.5 s``, ``1 min 30 s``, ``6 h``; its two largest units."""
    if seconds == math.inf:
        return "for ever"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    parts: list[str] = []
    left = round(seconds)
    for unit, size in _SHOWN:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _parsed(duration: object) -> float | None:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, bool):
        return None
    if isinstance(duration, int | float):
        return _as_float(duration)
    if isinstance(duration, str) and duration.isascii() and (found := _TEXT.fullmatch(duration)):
        parts = [_as_float(float(text)) * _UNITS[unit] for unit, text in found.groupdict().items() if text]
        return sum(parts) if parts else None
    return None


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
