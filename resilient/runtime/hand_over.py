"""Exchanges that outlive their callers: who gives up leaves at once, and what it began is wound up behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from resilient.ports import Job

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that whoever closes a client waits for what was abandoned."""


class Leash:
    """By which an abandoned exchange is stopped, as soon as that does no harm.

    From the moment in which a connection is promised until it is used, a cancellation loses it; and so it does while
    the connection is put away. An exchange whose caller has gone is therefore cancelled only while its connection
    works for it.
    """

    __slots__ = ("_abandoned", "_working")

    def __init__(self) -> None:
        self._working = False
        self._abandoned: asyncio.Task[Any] | None = None

    def works(self) -> None:
        """The connection has begun to work for the exchange."""
        self._working = True
        if self._abandoned is not None:
            self._abandoned.cancel()

    def rests(self) -> None:
        """The connection has ended its work, well or not; the exchange will soon have ended too."""
        self._working = False

    def abandon(self, task: asyncio.Task[Any]) -> None:
        """Nobody waits for ``task`` any more."""
        self._abandoned = task
        if self._working:
            task.cancel()


class Exchanges:
    """Runs exchanges in tasks of their own, which no caller's cancellation reaches."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def pending(self) -> int:
        """How many are being wound up."""
        return len(self._tasks)

    async def run(
        self, job: Job[T], undo: Callable[[T], Coroutine[Any, Any, object]] | None = None, leash: Leash | None = None
    ) -> T:
        """What ``job`` returns; if the caller is cancelled meanwhile, it goes on without it.

        Args:
            job: the work.
            undo: gets what the job returned too late.
            leash: stops the abandoned job early.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        task = loop.create_task(_telling(ended, job))
        # A task that is cancelled before its first step tells nothing itself.
        task.add_done_callback(lambda _: _tell(ended))
        try:
            # Where asyncio.shield wakes the caller a turn of the loop later, which is much while many turns are taken.
            await ended
        except asyncio.CancelledError:
            self._tasks.add(task)
            task.add_done_callback(partial(self._wound_up, undo))
            if leash is not None:
                leash.abandon(task)
            raise
        return task.result()

    def _wound_up(self, undo: Callable[[Any], Coroutine[Any, Any, object]] | None, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if undo is None or task.cancelled() or task.exception() is not None:
            return
        closing = task.get_loop().create_task(undo(task.result()))
        self._tasks.add(closing)
        closing.add_done_callback(partial(self._wound_up, None))

    async def settle(self) -> None:
        """Wait until everything that was abandoned on this loop is wound up; what takes too long is stopped.

        It may wait for a connection that never comes about. Its pool is about to be closed, so stopping it does no
        harm any more.
        """
        if not self._tasks:
            return
        loop = asyncio.get_running_loop()
        ends = loop.time() + PATIENCE
        while tasks := [task for task in self._tasks if task.get_loop() is loop]:
            if loop.time() >= ends:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=max(ends - loop.time(), 0.1))


async def _telling(ended: asyncio.Future[None], job: Job[T]) -> T:
    """What ``job`` returns; with its last step, the caller is told."""
    try:
        return await job()
    finally:
        _tell(ended)


def _tell(ended: asyncio.Future[None]) -> None:
    if not ended.done():  # or its caller has gone
        ended.set_result(None)
