"""What virtual threads change in the process while they run: who starts threads, and where those run."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from resilient.testing.strand import Strand

EXECUTORS = "concurrent.futures.thread"
"""Whose threads wait on queues for real, and are waited for in real life: they take no part."""


class Family(Protocol):
    """Threads that take others in."""

    @property
    def is_running_here(self) -> bool:
        """Whether the calling thread is one of these."""
        ...

    def spawn(self, job: Any, *, name: str) -> Strand[Any]:
        """Take in one more."""
        ...

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Let the others run until ``event`` is set."""
        ...


@contextmanager
def adopting(threads: Family) -> Generator[None, None, None]:
    """Meanwhile, threads that one of ``threads`` starts are among them; joining them takes virtual time."""
    adopted: WeakKeyDictionary[threading.Thread, Strand[Any]] = WeakKeyDictionary()
    start_before, join_before = threading.Thread.start, threading.Thread.join

    def start(thread: threading.Thread) -> None:
        target = getattr(thread, "_target", None)
        if not threads.is_running_here or getattr(target, "__module__", None) == EXECUTORS:
            return start_before(thread)
        run = thread.run
        strand = adopted[thread] = threads.spawn(run, name=thread.name)
        strand.thread = thread
        # On this one object only; the class is left alone.
        thread.__dict__["run"] = lambda: strand.follow(run)
        return start_before(thread)

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        strand = adopted.get(thread)
        if strand is None or not threads.is_running_here:
            return join_before(thread, timeout)
        if threads.wait(strand.ended, timeout):
            join_before(thread)
        return None

    setattr(threading.Thread, "start", start)  # noqa: B010 - the only place that may
    setattr(threading.Thread, "join", join)  # noqa: B010
    try:
        yield
    finally:
        setattr(threading.Thread, "start", start_before)  # noqa: B010
        setattr(threading.Thread, "join", join_before)  # noqa: B010


@contextmanager
def on_one_processor() -> Generator[None, None, None]:
    """Meanwhile, this thread and those that it starts stay on one processor.

    Only one runs at a time; handing the turn to a thread on another processor, which is asleep more often
    than not, takes ten times as long.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # Test runners use several processes.
    os.sched_setaffinity(0, {sorted(before)[os.getpid() % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
