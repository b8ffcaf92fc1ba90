"""A clock for many callers at once."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Protocol

from resilient.errors import ResilientError
from resilient.testing.clock import NEW_YEAR_2025, START, FakeClock


class DeadlockError(ResilientError, RuntimeError):
    """Everybody waits and nobody will ever ring: no timer is set, and no outside work is under way.

    Attributes:
        waiting: who waits, and where.
    """

    def __init__(self, waiting: list[str]) -> None:
        listed = "".join(f"\n  {line}" for line in waiting)
        super().__init__(f"nothing can ever happen again in virtual time; still waiting:{listed}")
        self.waiting = waiting


_PLUMBING = {threading.__file__, asyncio.locks.__file__, asyncio.tasks.__file__}
_HERE = Path(__file__).parent
_PLUMBING_IN = {_HERE, _HERE.parent / "runtime"}


def is_plumbing(filename: str) -> bool:
    """Whether ``filename`` is code that waits on behalf of the code that somebody looks for."""
    return filename in _PLUMBING or Path(filename).parent in _PLUMBING_IN


class Timekeeper(Protocol):
    """Who moves a virtual clock while something runs on it."""

    def sleep(self, seconds: float) -> None:
        """Block the calling thread for ``seconds``."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block the calling thread until ``event`` is set, at most ``timeout`` seconds; whether it was."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling task for ``seconds``."""


class VirtualClock(FakeClock):
    """The clock of a virtual loop or of virtual threads: it moves when all of them sleep.

    While nothing runs on it, it is a :class:`FakeClock`.

    Attributes:
        timekeeper: the loop or the threads that run on it now.
    """

    def __init__(self, *, now: float = START, wall: float = NEW_YEAR_2025) -> None:
        super().__init__(now=now, wall=wall)
        self.timekeeper: Timekeeper | None = None

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds``."""
        if self.timekeeper is None:
            return super().sleep(seconds)
        return self.timekeeper.sleep(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block this thread until ``event`` is set, at most ``timeout`` seconds; whether it was set."""
        if self.timekeeper is None:
            return super().wait(event, timeout)
        return self.timekeeper.wait(event, timeout)

    async def asleep(self, seconds: float) -> None:
        """Suspend this task for ``seconds``."""
        if self.timekeeper is None:
            return await super().asleep(seconds)
        return await self.timekeeper.asleep(seconds)
