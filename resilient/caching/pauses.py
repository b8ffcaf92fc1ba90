"""How long to leave alone what failed a moment ago."""

from __future__ import annotations

from collections import OrderedDict

from resilient.locks import fork_safe_lock

FIRST = 1.0
LAST = 30.0
"""Seconds of the first pause, and of the longest; each is twice the one before."""
MOST = 10_000
"""Keys that are remembered; the oldest failure is forgotten first."""


class Pauses:
    """The keys whose values could not be made, and since when."""

    __slots__ = ("_failures", "_lock")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """By key: failures in a row, and the instant of the last."""

    def failed(self, key: str, now: float) -> None:
        """Note one more failure."""
        with self._lock:
            times, _ = self._failures.pop(key, (0, 0.0))
            self._failures[key] = (times + 1, now)
            if len(self._failures) > MOST:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget its failures."""
        if self._failures:
            with self._lock:
                self._failures.pop(key, None)

    def is_paused(self, key: str, now: float) -> bool:
        """Whether its last failure is so near that another try has to wait."""
        times, at = self._failures.get(key, (0, 0.0))
        return times > 0 and now - at < min(LAST, FIRST * 2.0 ** min(times - 1, 10))

    def failed_within(self, key: str, now: float, seconds: float) -> bool:
        """Whether its last failure was less than ``seconds`` ago."""
        times, at = self._failures.get(key, (0, 0.0))
        return times > 0 and now - at < seconds
