"""Leaving an origin alone for a while."""

from __future__ import annotations

import math

from resilient.locks import fork_safe_lock

LONGEST = 60.0
"""Seconds; nobody waits longer for a quota to be filled again, whatever the origin says."""


class Pause:
    """Until when an origin that said that nothing remains of our quota is left alone."""

    __slots__ = ("_lock", "_until")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._until = -math.inf

    def extend(self, seconds: float, now: float) -> None:
        """Last for ``seconds`` from ``now`` on, :data:`LONGEST` at most; or longer, if it does already."""
        with self._lock:
            self._until = max(self._until, now + min(seconds, LONGEST))

    def left(self, now: float) -> float:
        """Seconds until its end; 0 once it is over."""
        return max(0.0, self._until - now)
