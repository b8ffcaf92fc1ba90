"""A deadline that surrounds calls: that of the request which this process itself is answering."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from resilient.durations import Duration, seconds_of
from resilient.ports import Clock
from resilient.runtime.clock import SystemClock

_deadline: ContextVar[float] = ContextVar("resilient_deadline", default=float("inf"))


@contextmanager
def deadline_scope(timeout: Duration, *, clock: Clock | None = None) -> Generator[None]:
    """Every call that is made within must be over after ``timeout``, whatever its policy says.

    It only ever shortens: an outer scope or the call's own deadline that comes earlier stands.

    Args:
        timeout: from now on: seconds, a ``timedelta``, or text such as ``"800ms"``.
        clock: the clients' clock, if they were given one.

    Raises:
        ConfigurationError: ``timeout`` is no duration.
    """
    ends = (clock or SystemClock()).now() + seconds_of(timeout, option="timeout")
    mark = _deadline.set(min(ends, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(mark)


def ambient_deadline() -> float:
    """The instant at which the surrounding scope ends; infinite without one."""
    return _deadline.get()


def drop_deadline() -> None:
    """From now on, in this context, no scope surrounds: nobody waits for what is done here."""
    _deadline.set(float("inf"))
