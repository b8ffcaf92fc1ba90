"""Work in the background: nobody waits for it, and its runtime owns it until its end."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from resilient.events import BackgroundBegan, BackgroundDropped, BackgroundEnded, Event
from resilient.locks import fork_safe_lock
from resilient.ports import Job, Signal
from resilient.runtime.ambient import drop_deadline
from resilient.runtime.flight import leads_nothing
from resilient.runtime.forgetting import forgets_in_children
from resilient.runtime.home import Home, is_lost

logger = logging.getLogger("resilient.background")

MOST = 64
"""How much may be under way at once."""
DRAIN = 2.0
"""Seconds that work under way is given when its runtime is closed."""
GRACE = 1.0
"""Seconds that cancelled work is given to clean up."""

Ending: TypeAlias = Literal["done", "failed", "dropped"]


class BackgroundThread(threading.Thread):
    """A thread that does background work; the interpreter does not wait for it."""

    def __init__(self, target: Callable[[], object]) -> None:
        super().__init__(target=target, name="resilient-background", daemon=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of background work.

    Attributes:
        under_way: what has not ended; with ``done``, ``failed`` and ``dropped`` it makes up all that was begun.
        done: what ended well.
        failed: what let an error out.
        dropped: what was cancelled or left behind, by the end of its event loop or of its runtime.
        refused: what was never begun: there was too much under way, or the runtime was closed.
    """

    under_way: int
    done: int
    failed: int
    dropped: int
    refused: int


class Work:
    """One piece of work under way.

    Attributes:
        key: what it is for; there is one of a key at a time.
        home: the event loop where it runs, None for a thread.
        stop: cancels it; None for a thread, which nobody can stop.
    """

    __slots__ = ("home", "key", "over", "stop")

    def __init__(self, key: str, home: Home | None) -> None:
        self.key = key
        self.home = home
        self.stop: Callable[[], None] | None = None
        self.over = False


class Crew(Protocol):
    """What closing needs of a runtime."""

    def home(self) -> Home | None:
        """The event loop of the caller, None for a thread."""
        ...

    def signal(self) -> Signal:
        """A bell that the caller waits for."""
        ...


class Background:
    """The background work of one runtime, from all its threads and event loops.

    Args:
        most: how much may be under way at once.

    Attributes:
        tell: told what becomes of it; None if nobody listens.
    """

    __slots__ = ("__weakref__", "_bells", "_closed", "_endings", "_lock", "_most", "_refused", "_work", "tell")

    def __init__(self, most: float = MOST) -> None:
        self._most = most
        self.tell: Callable[[Event], object] | None = None
        self._lock = fork_safe_lock()
        self._work: dict[str, Work] = {}
        self._bells: list[Signal] = []
        self._closed = False
        self._refused = 0
        self._endings: dict[Ending, int] = {"done": 0, "failed": 0, "dropped": 0}
        forgets_in_children(self)

    def tally(self) -> Tally:
        """What became of it all so far."""
        with self._lock:
            return Tally(under_way=len(self._work), refused=self._refused, **self._endings)

    def forget(self) -> None:
        """Let go of all work; in a forked child nobody does it."""
        self._endings["dropped"] += len(self._work)
        self._work.clear()
        self._bells.clear()

    def begin(self, key: str, home: Home | None) -> Work | None:
        """Register work for ``key`` that will run at ``home``, where the caller is.

        Returns:
            None if it must not begin: there is some for that key, or too much, or this is closed.
        """
        if key in self._work or len(self._work) >= self._most:
            self._drop_lost(home)
        with self._lock:
            if key in self._work:
                return None
            under_way, work = len(self._work), None
            if self._closed or under_way >= self._most:
                self._refused += 1
            else:
                work = self._work[key] = Work(key, home)
        if self.tell is not None:
            self.tell(BackgroundDropped(under_way=under_way) if work is None else BackgroundBegan())
        return work

    async def perform(self, work: Work, job: Job[object]) -> None:
        """Do ``job``. How it ends is counted, and an error that it lets out is logged and goes no further."""
        ending: Ending = "dropped"
        told = True
        try:
            await job()
            ending = "done"
        except GeneratorExit:
            # Collected with its loop, perhaps in the midst of whoever would be told.
            told = False
            raise
        except Exception:
            ending = "failed"
            logger.exception("background work failed; its key has the digest %s", _digest(work.key))
        finally:
            self.end(work, ending, told=told)

    def end(self, work: Work, ending: Ending, *, told: bool = True) -> None:
        """Count the end of ``work``, once, and tell of it."""
        # Looked at without the lock: work may be collected, with a loop that is gone, while this thread holds it.
        if work.over:
            return
        with self._lock:
            if self._work.get(work.key) is not work:
                return
            work.over = True
            del self._work[work.key]
            self._endings[ending] += 1
            if not self._work:
                for bell in self._bells:
                    bell.set()
        if told and self.tell is not None:
            self.tell(BackgroundEnded(dropped=ending == "dropped"))

    async def settle(self, crew: Crew, drain: float) -> None:
        """As :meth:`resilient.ports.Runtime.settle`."""
        with self._lock:
            self._closed = True
            if not self._work:
                return
        here = crew.home()
        self._drop_lost(here)
        bell = crew.signal()
        with self._lock:
            if not self._work:
                return
            self._bells.append(bell)
        settled = False
        try:
            settled = await bell.wait(drain)
        finally:
            if not settled:
                self._stop_all(here)
        if not settled:
            await bell.wait(GRACE)

    def _stop_all(self, here: Home | None) -> None:
        self._drop_lost(here)
        for work in list(self._work.values()):
            if work.stop is None:
                self.end(work, "dropped")
            else:
                work.stop()

    def _drop_lost(self, here: Home | None) -> None:
        for work in list(self._work.values()):
            if is_lost(work.home, here):
                self.end(work, "dropped")
                if work.stop is not None:
                    work.stop()


def detached() -> Context:
    """The caller's context, but for what only concerns who waits: its deadline and the flights that it leads."""
    context = copy_context()
    context.run(drop_deadline)
    context.run(leads_nothing)
    return context


def _digest(key: str) -> str:
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=6).hexdigest()
