"""The machine's clock."""

from __future__ import annotations

import asyncio
import threading
import time


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
