"""How long an entry may live, by a clock that nobody can set.

The wall clock can be set back, and then every entry would live longer than it was meant to. So a record says
as well at which instant of the machine's monotonic clock its life ends. That clock is one for all processes
since the machine was started; a record of an earlier start is judged by the wall clock alone.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from resilient.entry import Entry
from resilient.ports import Clock
from resilient.runtime.clock import SystemClock
from resilient_adapters.records.records import Life

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Lives:
    """Measures lives on ``clock``."""

    __slots__ = ("_now", "_wall", "_which")

    def __init__(self, clock: Clock) -> None:
        self._now, self._wall = clock.now, clock.wall
        self._which = _which(clock)

    def of(self, entry: Entry) -> Life:
        """The life of an entry that is written now."""
        return self._which, self._now() + max(0.0, entry.expires_at - self._wall())

    def goes_on(self, entry: Entry, life: Life) -> bool:
        """Whether the entry may still be given back."""
        which, ends = life
        return entry.is_alive(self._wall()) and (which != self._which or self._now() < ends)


def _which(clock: Clock) -> bytes:
    """Eight bytes that two readings have in common exactly if they can be compared."""
    if not isinstance(clock, SystemClock):
        return hashlib.blake2b(b"%d %d" % (os.getpid(), id(clock)), digest_size=8).digest()
    try:
        return hashlib.blake2b(_BOOT.read_bytes(), digest_size=8).digest()
    except OSError:
        # This system does not tell when it was started, so only this process's own readings compare.
        return os.urandom(8)
