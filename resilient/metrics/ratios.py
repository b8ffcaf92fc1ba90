"""Which share of the latest requests to an origin failed."""

from __future__ import annotations

import time

from resilient.events import AttemptEnded
from resilient.locks import fork_safe_lock
from resilient.mechanics.window import Window
from resilient.outcome import Failure, is_failed_status, is_throttled_status

SPAN = 10.0
"""Seconds that are looked back."""
_NOT_ITS_FAULT = frozenset({Failure.CANCELLED, Failure.REJECTED, Failure.POOL, Failure.INVALID, Failure.OTHER})


class Ratios:
    """The shares of all circuits. There are as many as circuits have names."""

    __slots__ = ("_lock", "_windows")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._windows: dict[str, Window] = {}

    def with_(self, circuit: str, event: AttemptEnded) -> float | None:
        """The share with this request; None if it says nothing about its origin."""
        if event.failure in _NOT_ITS_FAULT:
            return None
        status = event.status
        failed = status is None or is_failed_status(status) or is_throttled_status(status)
        now = time.monotonic()
        with self._lock:
            window = self._windows.get(circuit)
            if window is None:
                window = self._windows[circuit] = Window()
            window.failed(SPAN, now) if failed else window.ok(SPAN, now)
            figures = window.figures(now)
        return figures.failed / figures.calls if figures.calls else None
