"""The generic cell rate algorithm: so many at once, and no more than so many in a time after that.

It is the form of the algorithm that ITU-T I.371 calls the continuous-state leaky bucket: what goes fills a bucket
of the size ``burst``, which empties at the steady ``rate``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from resilient.checks import is_count, need
from resilient.durations import seconds_of
from resilient.errors import ConfigurationError

ON_TIME = 1e-6
"""Seconds; who comes so little early is on time, since no timer and no sum of readings of a clock is more exact."""

_RATE = re.compile(r"([1-9][0-9]{0,8})/([0-9.]*)(.+)")
_NEARLY = re.compile(
    r"\s*([1-9][0-9]{0,8})(?![0-9.])[^0-9]*?([1-9][0-9]*)?\s*"
    r"(ms|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:eeks?)?)\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many may go.

    Attributes:
        rate: so many a second in the long run.
        burst: so many at once, after a time in which none went.
    """

    rate: float
    burst: int


def quota_of(rate: str, burst: int | None) -> Quota:
    """The quota that is meant by ``"60/1m"``, ``"5/s"``, ``"100/1h"``, and how many may go at once; all if None.

    Raises:
        ConfigurationError: one of the two is not right; names what would be.
    """
    count, seconds = _read(rate)
    need(burst is None or is_count(burst), "burst", burst, f"a whole number of at least 1; {count} if left out")
    return Quota(count / seconds, count if burst is None else burst)


def _read(rate: object) -> tuple[int, float]:
    if isinstance(rate, str) and (found := _RATE.fullmatch(rate)):
        count, number, unit = found.groups()
        try:
            return int(count), seconds_of(f"{number or 1}{unit}", option="rate")
        except ConfigurationError:
            pass
    right = "a whole number per time, such as '60/1m', '5/s' or '100/1h'"
    if isinstance(rate, str) and (near := _NEARLY.fullmatch(rate)):
        count, number, unit = near.groups()
        right = repr(f"{count}/{number or 1}{'ms' if unit.lower() == 'ms' else unit[0].lower()}")
    raise ConfigurationError(f"rate={rate!r} is not right; give {right}")


class Gcra:
    """How much of a quota is used. Over any ``w`` seconds at most ``burst + rate * w`` go.

    What was used is kept as a number, so that it counts under another quota too, as far as that one's burst. It
    is not locked: it belongs to a line that is.
    """

    __slots__ = ("_at", "_used")

    def __init__(self) -> None:
        self._at = -math.inf
        self._used = 0.0

    def take(self, quota: Quota, now: float, ahead: int = 0) -> float:
        """Let one go at the instant ``now``, if it need not wait.

        Args:
            quota: how many may go, as it is now.
            now: the clock's reading, seconds.
            ahead: how many more have to go before it.

        Returns:
            0.0 if it goes, else seconds that it has to wait; then nothing was used.
        """
        wait = self.wait(quota, now, ahead)
        if not wait:
            self._used += 1
        return wait

    def wait(self, quota: Quota, now: float, ahead: int = 0) -> float:
        """What :meth:`take` would say, and no more than that."""
        wait = (self.used(quota, now) + ahead + 1 - quota.burst) / quota.rate
        return wait if wait > ON_TIME else 0.0

    def used(self, quota: Quota, now: float) -> float:
        """How many of ``quota.burst`` are used."""
        # Threads read the clock before they queue for the lock, so an instant may come after a later one.
        if now > self._at:
            self._used = max(0.0, self._used - quota.rate * (now - self._at))
            self._at = now
        # Who is let go a little early uses a little more than the burst, and that has to count.
        self._used = min(self._used, quota.burst + quota.rate * ON_TIME)
        return self._used
