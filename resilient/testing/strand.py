"""One thread among virtual threads."""

from __future__ import annotations

import contextvars
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from resilient.testing.virtual import is_plumbing

T = TypeVar("T")

really_start = threading.Thread.start


class Stopped(BaseException):
    """Unwinds a thread that still waits when the run is over."""


class Scheduler(Protocol):
    """What a strand asks of the threads that it belongs to."""

    @property
    def is_stopping(self) -> bool:
        """Whether the run is over."""
        ...

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Let the others run until ``event`` is set."""
        ...

    def retire(self, strand: Strand[Any]) -> None:
        """Pass the turn on for good."""


class Strand(Generic[T]):
    """A job on a thread of its own, which runs when it is its turn.

    Attributes:
        name: for errors.
        ended: set once the job is over.
        baton: free while it is this thread's turn.
        thread: None before its first turn.
        ticket: the number of the sleep or wait that it is in, 0 in none.
        served: whether the last wait ended by its event.
    """

    def __init__(self, scheduler: Scheduler, job: Callable[[], T], name: str) -> None:
        self.name = name
        self.ended = threading.Event()
        self.baton = threading.Lock()
        self.baton.acquire()
        self.thread: threading.Thread | None = None
        self.ticket = 0
        self.served = False
        self._scheduler = scheduler
        self._job = job
        self._context = contextvars.copy_context()
        self._outcome: list[T] = []
        self._error: BaseException | None = None

    def result(self) -> T:
        """What the job returned; waits for its end, and raises what it raised."""
        self._scheduler.wait(self.ended, None)
        if self._outcome:
            return self._outcome[0]
        raise (RuntimeError(f"{self.name!r} was stopped before its end") if self._error is None else self._error)

    def go(self) -> None:
        """Let it run on, or start."""
        if self.thread is not None:
            self.baton.release()
            return
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        really_start(self.thread)

    def _run(self) -> None:
        try:
            self._outcome.append(self._context.run(self._job))
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error
        finally:
            self._scheduler.retire(self)

    def follow(self, run: Callable[[], None]) -> None:
        """Be the thread that calls this, and ``run`` its job; it begins when it is its turn."""
        self.baton.acquire()
        try:
            if not self._scheduler.is_stopping:
                run()
        except Stopped:
            pass
        finally:
            self._scheduler.retire(self)

    def place(self) -> str:
        """Where it is, outside of what waits for it."""
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
        frame = None if self.thread is None else frames.get(self.thread.ident or 0)
        if frame is None:
            return f"thread {self.name!r}"
        stack = traceback.extract_stack(frame)
        at = next((at for at in reversed(stack) if not is_plumbing(at.filename)), stack[-1])
        return f"thread {self.name!r} at {at.filename}:{at.lineno}, in {at.name}"
