"""The connections of one event loop: as few as will do, which is one unless something large is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

from resilient.errors import StoreError
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.link import Asked, Link, fail
from resilient_adapters.redis.pool import UnreachedError, closed
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.trouble import failure
from resilient_adapters.redis.wire import packed

AGAIN = 1.0
"""Seconds after which another connection is tried beside one that is still being opened."""


class Links:
    """The connections of one event loop, which alone may touch them.

    Args:
        loop: the event loop.
        address: where they lead.
        minsize: connections that are kept however long nobody needs them.
        maxsize: connections at most.

    Attributes:
        loop: the event loop.
        keeper: is closed by the loop when it ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, address: Address, minsize: int, maxsize: int) -> None:
        self.loop = loop
        self.keeper: AsyncGenerator[None, None] | None = None
        self._address = address
        self._minsize, self._maxsize = minsize, maxsize
        self._links: list[Link] = []
        self._waiting: dict[Asked, None] = {}
        """Who waits for room, in the order in which they came."""
        self._openers: set[asyncio.Task[None]] = set()
        self._opened_at = 0.0
        """When the last connection was begun to be opened."""
        self._is_closed = False
        self._closer: asyncio.Task[None] | None = None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """What the server answers to each of ``commands``.

        Raises:
            StoreUnavailableError: it did not answer.
        """
        if self._is_closed:
            raise closed()
        asked = Asked(packed(commands), len(commands), self.loop.create_future())
        for link in self._links:
            if link.has_room():
                link.give(asked)
                return await asked.answered
        self._waiting[asked] = None
        try:
            self._open()
            return await asked.answered
        finally:
            self._waiting.pop(asked, None)

    async def close(self) -> None:
        """Close what is open, and open no more."""
        self._is_closed = True
        self._fail_waiting(closed())
        for task in self._openers:
            task.cancel()
        for link in self._links:
            link.close(closed())
        await asyncio.gather(*self._openers, *(link.closed for link in self._links), return_exceptions=True)

    def close_from_elsewhere(self) -> None:
        """The same for another thread; nobody waits for it."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._close_soon)

    def _close_soon(self) -> None:
        self._closer = self.loop.create_task(self.close(), name="resilient-redis-closer")

    # --- what a connection tells ----------------------------------------------------------------------------------

    def serve(self, link: Link) -> None:
        """Let those who have waited longest ask where there is room now."""
        while self._waiting and link.has_room():
            asked = next(iter(self._waiting))
            del self._waiting[asked]
            if not asked.answered.done():
                link.give(asked)

    def is_spare(self) -> bool:
        return sum(not link.is_retired for link in self._links) > self._minsize

    def lost(self, link: Link) -> None:
        self._links.remove(link)
        if self._waiting:
            self._open()

    # --- opening --------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open a connection in a task of its own: it may take longer than anybody here can wait."""
        if self._is_closed or len(self._links) + len(self._openers) >= self._maxsize:
            return
        now = self.loop.time()
        if self._openers and now - self._opened_at < AGAIN:
            return
        self._opened_at = now
        task = self.loop.create_task(self._connect(), name="resilient-redis-opener")
        self._openers.add(task)
        task.add_done_callback(self._openers.discard)

    async def _connect(self) -> None:
        try:
            link = Link(await self._address.open_for_tasks(), self.loop, self)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the connection
            self._leave_openers()
            self._failed(failure(error))
        else:
            self._leave_openers()
            self._opened(link)

    def _leave_openers(self) -> None:
        """Who hears of the outcome may ask again before this task has ended, and must not wait for it in vain."""
        task = asyncio.current_task()
        assert task is not None
        self._openers.discard(task)

    def _opened(self, link: Link) -> None:
        self._links.append(link)
        for opener in self._openers:
            opener.cancel()
        self.serve(link)
        if self._waiting:
            self.loop.call_soon(self._open)

    def _failed(self, error: StoreError) -> None:
        # Those whom a connection that is there will serve need not hear of it.
        if all(link.is_doubted() for link in self._links):
            self._fail_waiting(error)

    def _fail_waiting(self, error: StoreError) -> None:
        waiting, self._waiting = self._waiting, {}
        fail(waiting, UnreachedError(str(error), kind=error.kind))
