"""How long an entry may live, by a clock that nobody can set.

The wall clock can be set back, and then every entry would live longer than it was meant to. So a record says
as well at which instant of the machine's monotonic clock its life ends. That clock is one for all processes
since the machine was started; a record of an earlier start is judged by the wall clock alone.
"""

from __future__ import annotations

from resilient.entry import Entry
from resilient.ports import Clock
from resilient.runtime.clock import which_clock
from resilient_adapters.records.records import Life


class Lives:
    """Measures lives on ``clock``."""

    __slots__ = ("_now", "_wall", "_which")

    def __init__(self, clock: Clock) -> None:
        self._now, self._wall = clock.now, clock.wall
        self._which = which_clock(clock)

    def of(self, entry: Entry) -> Life:
        """The life of an entry that is written now."""
        return self._which, self._now() + max(0.0, entry.expires_at - self._wall())

    def goes_on(self, entry: Entry, life: Life) -> bool:
        """Whether the entry may still be given back."""
        which, ends = life
        return entry.is_alive(self._wall()) and (which != self._which or self._now() < ends)
