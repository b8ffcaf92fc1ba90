"""Running a coroutine that never suspends, without an event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from resilient.errors import SuspendedError

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """What ``coroutine`` returns; it runs to its end in one step, on this thread.

    Raises:
        SuspendedError: it awaited something that needs an event loop.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    # What it does on its way out may await too, and fail for that.
    with suppress(RuntimeError):
        coroutine.close()
    raise SuspendedError
