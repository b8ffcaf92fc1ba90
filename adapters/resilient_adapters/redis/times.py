"""Whose clock tells the time: the server's own, unless a clock was given that shows another one."""

from __future__ import annotations

from resilient.ports import Clock
from resilient.runtime.clock import SystemClock

_SLACK = 60.0
"""Seconds that a server keeps what ends by another clock than its own."""

_LONGEST = 1e10
"""Seconds; more than three centuries, and as far as servers count."""


class Times:
    """Instants and spans as scripts and servers take them.

    The clocks of two machines never agree to the millisecond. So what ends is ended by the server, which is one for
    all; a writer only says how long it has to live. With a clock that shows another time than the machine's, as tests
    have, the server is told that time with every command.
    """

    __slots__ = ("_clock", "_is_own")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_own = not isinstance(clock, SystemClock)

    def told(self) -> tuple[float | str, float | str]:
        """The wall clock and the steady one, as a script is told them; empty for the server's."""
        return (self._clock.wall(), self._clock.now()) if self._is_own else ("", "")

    def life(self, expires_at: float) -> int | str:
        """Milliseconds that a server keeps what is written now; empty for ever."""
        seconds = expires_at - self._clock.wall()
        if seconds > _LONGEST:
            return ""
        # What has ended already must take the place of what was there.
        return max(1, round((seconds + _SLACK * self._is_own) * 1000))

    @staticmethod
    def span(seconds: float) -> float:
        """Seconds of a lease, no longer than servers count."""
        return min(seconds, _LONGEST)
