"""What is to be done later: one thread waits for all of it, and is there while there is something to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from resilient.locks import fork_safe_lock
from resilient.ports import Clock
from resilient.runtime.background import BackgroundThread
from resilient.runtime.forgetting import forgets_in_children


class Alarm:
    """Something to be done at an instant.

    Attributes:
        ring: does it; it takes little time, raises nothing, and is called on the thread that waits for all.
        at: the instant.
        is_off: whether it was called off, for good.
    """

    __slots__ = ("at", "is_off", "ring")

    def __init__(self, ring: Callable[[], object]) -> None:
        self.ring = ring
        self.at = 0.0
        self.is_off = False


class Alarms:
    """The alarms of all threads of a runtime.

    Args:
        clock: what tells the time.
    """

    __slots__ = ("__weakref__", "_bell", "_clock", "_lock", "_pending", "_wakes_at")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = fork_safe_lock()
        self._pending: dict[Alarm, None] = {}
        self._bell: threading.Event | None = None
        """Wakes the thread that waits; None while there is no thread."""
        self._wakes_at = 0.0
        """When that wakes by itself."""
        forgets_in_children(self)

    def forget(self) -> None:
        """Let go of all alarms; in a forked child nobody waits for them."""
        self._pending.clear()
        self._bell = None

    def set(self, alarm: Alarm, seconds: float) -> None:
        """Ring ``alarm`` after ``seconds``, unless it was called off."""
        with self._lock:
            if alarm.is_off:
                return
            alarm.at = self._clock.now() + seconds
            self._pending[alarm] = None
            bell, starts = self._bell, self._bell is None
            if bell is None:
                bell = self._bell = threading.Event()
            sooner = alarm.at < self._wakes_at
        if starts:
            self._start(bell)
        elif sooner:
            bell.set()

    def call_off(self, alarm: Alarm) -> None:
        """Do not ring ``alarm`` any more, whenever it is set."""
        with self._lock:
            alarm.is_off = True
            self._pending.pop(alarm, None)
            bell = None if self._pending else self._bell
        if bell is not None:
            bell.set()

    def _start(self, bell: threading.Event) -> None:
        try:
            BackgroundThread(partial(self._run, bell)).start()
        except RuntimeError:
            # No more threads can be had, or the interpreter is on its way out.
            self._ended(bell)

    def _run(self, bell: threading.Event) -> None:
        try:
            while (seconds := self._ring(bell)) is not None:
                self._clock.wait(bell, seconds)
                bell.clear()
        finally:
            self._ended(bell)

    def _ring(self, bell: threading.Event) -> float | None:
        """Do what is due; seconds until the next time, None if there is none."""
        with self._lock:
            now = self._clock.now()
            due = [alarm for alarm in self._pending if alarm.at <= now]
            for alarm in due:
                del self._pending[alarm]
            if not self._pending and not due:
                # From here on whoever sets one starts another thread.
                self._bell = None
                return None
            self._wakes_at = min((alarm.at for alarm in self._pending), default=now)
        for alarm in due:
            alarm.ring()
        return max(0.0, self._wakes_at - self._clock.now())

    def _ended(self, bell: threading.Event) -> None:
        with self._lock:
            if self._bell is bell:
                self._bell = None
