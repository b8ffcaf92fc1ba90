"""A waiting line: whoever finds a quota used up goes as soon as it allows, first come, first served."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from resilient.locks import fork_safe_lock
from resilient.mechanics.gcra import ON_TIME, Gcra, Quota
from resilient.ports import Runtime, Signal
from resilient.runtime.forgetting import forgets_in_children

PATIENCE = 1.0
"""Seconds; who comes so late to its turn is stuck, or gone with its event loop."""


class _Place:
    """Where one stands in the line."""

    __slots__ = ("bell", "due", "number")

    def __init__(self) -> None:
        self.number = 0
        """Grows from place to place, in the order of the line."""
        self.due = 0.0
        """When its turn comes, as far as is known."""
        self.bell: Signal | None = None
        """Rung once it is the first; None while it is."""


class _Turn(NamedTuple):
    wait: float
    """Seconds until one goes; 0.0 if one just did."""
    bell: Signal | None
    """What will ring when the place is the first; None if it is."""


class Line:
    """How much of a quota is used, and who waits for more of it.

    Only the first one waits for a time, all others for their turn to be the first. So if somebody gives up,
    those behind move on, and nobody waits for nothing. The lock is never held across an ``await``.
    """

    __slots__ = ("__weakref__", "_gcra", "_joined", "_lock", "_places")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._gcra = Gcra()
        self._places: OrderedDict[_Place, None] = OrderedDict()
        self._joined = 0
        forgets_in_children(self)

    def take(self, quota: Quota, now: float) -> float:
        """Go now, if nobody has to wait; 0.0, or the seconds that one would have to, and then nothing was used."""
        with self._lock:
            self._forget_lost(now)
            return self._gcra.take(quota, now, len(self._places))

    async def wait(self, quota: Quota, runtime: Runtime, most: float) -> float:
        """Wait for one's turn and go, in ``most`` seconds or not at all.

        Returns:
            0.0 if it went; else the seconds that it would have to wait yet, as soon as that is too long.
        """
        clock = runtime.clock
        latest = clock.now() + most + ON_TIME
        place = _Place()
        try:
            while True:
                now = clock.now()
                wait, bell = self._ask(place, quota, now, runtime)
                if not wait:
                    return 0.0
                if now + wait > latest:
                    self._leave(place)
                    return wait
                if bell is None:
                    await runtime.sleep(wait)
                else:
                    await bell.wait(wait + PATIENCE)
        except GeneratorExit:
            # The garbage collector may be at work in the midst of this very class: no lock. The place will be lost.
            raise
        except BaseException:
            self._leave(place)
            raise

    def snapshot(self, quota: Quota, now: float) -> dict[str, object]:
        """For pages and tests: what is used of the burst, who waits, and seconds that a newcomer would wait."""
        with self._lock:
            return {
                "used": self._gcra.used(quota, now),
                "burst": quota.burst,
                "waiting": len(self._places),
                "retry_in": self._gcra.wait(quota, now, len(self._places)),
            }

    def forget(self) -> None:
        """Let go of all who wait: in a forked child there are none. What was used stays so."""
        self._places = OrderedDict()

    def _ask(self, place: _Place, quota: Quota, now: float, runtime: Runtime) -> _Turn:
        """Go, if it is time; to begin with join the line, and again after having been taken for lost."""
        with self._lock:
            if place not in self._places:
                self._joined += 1
                place.number = self._joined
                self._places[place] = None
            place.due = now
            self._forget_lost(now)
            first = next(iter(self._places))
            # Some of those between may have left, but never are more ahead than there are others.
            ahead = min(place.number - first.number, len(self._places) - 1)
            wait = self._gcra.take(quota, now, ahead)
            place.due = now + wait
            place.bell = None if place is first else runtime.signal()
            if not wait:
                self._remove(place)
            return _Turn(wait, place.bell)

    def _leave(self, place: _Place) -> None:
        with self._lock:
            if place in self._places:
                self._remove(place)

    def _forget_lost(self, now: float) -> None:
        while self._places and (first := next(iter(self._places))).due + PATIENCE < now:
            self._remove(first)

    def _remove(self, place: _Place) -> None:
        del self._places[place]
        if self._places and (bell := next(iter(self._places)).bell) is not None:
            bell.set()
