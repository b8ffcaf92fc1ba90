"""Clocks that move when a test says so."""

from __future__ import annotations

import asyncio
import math
import threading

from resilient.durations import Duration
from resilient.runtime.background import BackgroundThread
from resilient.testing.checks import instant, span

START = 1_000.0
NEW_YEAR_2025 = 1_735_689_600.0
GLANCE = 0.005
"""Real seconds after which background threads look at the clock again."""


class FakeClock:
    """A clock that stands still until :meth:`advance` moves it; whoever sleeps on it moves it too.

    Sleeping takes no real time: the clock jumps to the end of the sleep. That is all that a test needs where
    one call at a time is made, in either colour; for many at once see :class:`resilient.testing.Simulation`.

    Args:
        now: what the monotonic clock shows at first.
        wall: seconds since the epoch at first; the start of 2025 in UTC.
    """

    def __init__(self, *, now: float = START, wall: float = NEW_YEAR_2025) -> None:
        self._now = now
        self._ahead = wall - now
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} now={self._now:.9g}>"

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return self._now

    def wall(self) -> float:
        """Seconds since the epoch."""
        return instant(self._now + self._ahead)

    def reach(self, now: float) -> None:
        """Move on to the instant ``now``; never back."""
        with self._lock:
            self._now = max(self._now, now)

    def advance(self, duration: Duration) -> None:
        """Let ``duration`` pass: seconds, a ``timedelta``, or text such as ``"1h30m"``."""
        seconds = span(duration, option="duration")
        with self._lock:
            self._now = instant(self._now + seconds)

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back where ``seconds`` is negative; no time passes."""
        with self._lock:
            self._ahead += seconds

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        if seconds == math.inf:
            raise RuntimeError(self._for_ever("sleep"))
        if seconds > 0:
            self.advance(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Whether ``event`` is set; if it is not, ``timeout`` seconds pass, during which it may become so.

        What waits in the background moves no time: it waits until somebody else has moved it so far.
        """
        if event.is_set():
            return True
        if isinstance(threading.current_thread(), BackgroundThread):
            ends = math.inf if timeout is None else self._now + timeout
            while not event.wait(GLANCE):
                if self._now >= ends:
                    return False
            return True
        if timeout is None or timeout == math.inf:
            raise RuntimeError(self._for_ever("wait"))
        self.sleep(timeout)
        return event.is_set()

    async def asleep(self, seconds: float) -> None:
        """Let ``seconds`` pass, and other tasks have a turn."""
        self.sleep(seconds)
        await asyncio.sleep(0)

    def _for_ever(self, what: str) -> str:
        return (
            f"this {what} on a {type(self).__name__} would never end: nothing else runs that could end it; "
            "set a timeout, or run the callers in a resilient.testing.Simulation"
        )
