"""The machine's clock."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from pathlib import Path

from resilient.ports import Clock


class SystemClock:
    """Real time."""

    __slots__ = ()

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds``."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block this thread until ``event`` is set, at most ``timeout`` seconds; whether it was set."""
        # A thread cannot wait for centuries, nor for an infinite time, but for ever it can.
        return event.wait(None if timeout is None or timeout > threading.TIMEOUT_MAX else timeout)

    async def asleep(self, seconds: float) -> None:
        """Suspend this task for ``seconds``."""
        await asyncio.sleep(seconds)


def which_clock(clock: Clock) -> bytes:
    """Eight bytes that two readings of ``now()`` have in common exactly if they can be compared.

    The machine's monotonic clock is one for all processes since the machine was started.
    """
    if isinstance(clock, SystemClock):
        return _MACHINE
    return hashlib.blake2b(b"%d %d" % (os.getpid(), id(clock)), digest_size=8).digest()


def _machine() -> bytes:
    try:
        return hashlib.blake2b(Path("/proc/sys/kernel/random/boot_id").read_bytes(), digest_size=8).digest()
    except OSError:
        # This system does not tell when it was started, so only this process's own readings compare.
        return os.urandom(8)


_MACHINE = _machine()
