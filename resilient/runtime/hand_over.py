"""Exchanges that outlive their callers: who gives up leaves at once, and what it began is wound up behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from resilient.ports import Job

T = TypeVar("T")
_STEPS = 10
"""Turns of the loop that an abandoned exchange gets before it is cancelled: enough to get from a connection that was
promised to one that is used, which is the stretch in which httpx's pool cannot bear a cancellation."""


class Exchanges:
    """Runs exchanges in tasks of their own, which nobody but it ever cancels."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def pending(self) -> int:
        """How many are being wound up."""
        return len(self._tasks)

    async def run(self, job: Job[T], undo: Callable[[T], Coroutine[Any, Any, object]] | None = None) -> T:
        """What ``job`` returns; if the caller is cancelled meanwhile, ``undo`` gets what it returned too late."""
        task = asyncio.get_running_loop().create_task(job())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._tasks.add(task)
            task.add_done_callback(partial(self._wound_up, undo))
            if undo is not None:
                _after(_STEPS, task)
            raise

    def _wound_up(self, undo: Callable[[Any], Coroutine[Any, Any, object]] | None, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if undo is None or task.cancelled() or task.exception() is not None:
            return
        closing = task.get_loop().create_task(undo(task.result()))
        self._tasks.add(closing)
        closing.add_done_callback(partial(self._wound_up, None))

    async def settle(self) -> None:
        """Wait until everything that was abandoned is wound up."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _after(steps: int, task: asyncio.Task[Any]) -> None:
    if steps > 0:
        task.get_loop().call_soon(_after, steps - 1, task)
    else:
        task.cancel()
