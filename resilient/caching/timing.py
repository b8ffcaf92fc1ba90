"""How long stores take, told to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from resilient.errors import StoreError
from resilient.events import Event, StoreAsked
from resilient.ports import Clock

T = TypeVar("T")


async def timed(
    answer: Coroutine[Any, Any, T], clock: Clock, store: str, operation: str, tell: Callable[[Event], None]
) -> T:
    """What ``answer`` comes to; tells how long it took, or until it failed.

    A store that is left alone was not asked. What is cancelled, or collected with its event loop, says nothing of it.

    Args:
        answer: asks the store.
        clock: tells the time.
        store: the store's name.
        operation: what is asked of it.
        tell: is told.
    """
    began = clock.now()
    try:
        found = await answer
    except Exception as error:
        if isinstance(error, StoreError) and error.kind == "degraded":
            raise
        tell(StoreAsked(store=store, operation=operation, seconds=clock.now() - began, failed=True))
        raise
    tell(StoreAsked(store=store, operation=operation, seconds=clock.now() - began))
    return found
