"""What comes again and again is told now and then."""

from __future__ import annotations

from collections.abc import Hashable

from resilient.locks import fork_safe_lock

PAUSE = 10.0
"""Seconds in which one thing is told once, unless it has a pause of its own."""
MOST = 1000
"""Things that are remembered."""


class Limit:
    """Remembers what was told, when, and how often it was kept back since."""

    __slots__ = ("_lock", "_told")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._told: dict[Hashable, tuple[float, int]] = {}

    def kept_back(self, what: Hashable, now: float, pause: float = PAUSE) -> int | None:
        """How often ``what`` was kept back since it was told; None if it is to be kept back now too.

        Args:
            what: the same for what is told once.
            now: the instant, on a clock that never jumps.
            pause: seconds in which it is told once.
        """
        with self._lock:
            at, count = self._told.get(what, (-pause, 0))
            if 0 <= now - at < pause:
                self._told[what] = at, count + 1
                return None
            if len(self._told) >= MOST:
                self._told.clear()
            self._told[what] = now, 0
        return count
