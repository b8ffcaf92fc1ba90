"""What the testing kit asks of its options."""

from __future__ import annotations

import math

from resilient.checks import is_number, need
from resilient.durations import Duration, seconds_of


def span(duration: Duration, *, option: str) -> float:
    """Seconds of ``duration``; none at all are allowed here.

    Raises:
        ConfigurationError: it is negative, endless, or no duration.
    """
    return 0.0 if duration == 0 and not isinstance(duration, bool) else seconds_of(duration, option=option)


def rate(value: float, *, option: str) -> float:
    """``value`` as a share of all cases.

    Raises:
        ConfigurationError: it is not between 0 and 1.
    """
    need(is_number(value) and 0.0 <= value <= 1.0, option, value, "a rate from 0.0 (never) to 1.0 (always)")
    return float(value)


def count(value: int, *, option: str, least: int = 0) -> int:
    """``value`` as a number of things.

    Raises:
        ConfigurationError: it is not a whole number, or below ``least``.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
    need(is_whole and value >= least, option, value, f"a whole number from {least} on")
    return value


def one_of(value: str, known: tuple[str, ...], *, option: str) -> str:
    """``value``, if it is one of ``known``.

    Raises:
        ConfigurationError: it is not.
    """
    need(value in known, option, value, f"one of {', '.join(map(repr, known))}")
    return value


def instant(seconds: float) -> float:
    """``seconds`` as an instant of virtual time, to the nanosecond.

    Sums of decimal fractions differ in their last bit with the order of adding; instants that are meant to be
    the same have to be the same, or traces would differ.
    """
    return round(seconds, 9) if math.isfinite(seconds) else seconds
