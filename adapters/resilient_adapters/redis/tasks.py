"""Connections for tasks: each event loop has its own, and closes them when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from resilient.locks import fork_safe_lock
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.links import Links
from resilient_adapters.redis.pool import closed
from resilient_adapters.redis.script import Command


class Tasks:
    """The connections of all event loops. Nothing is bounded in time here: whoever asks is cancelled in time.

    After a fork nothing has to be done: the loops that ran are the parent's, and the child's are new ones.

    Args:
        address: where they lead.
        sizes: how many connections each loop keeps, and how many it has at most.
    """

    def __init__(self, address: Address, sizes: tuple[int, int]) -> None:
        self._address = address
        self._sizes = sizes
        self._lock = fork_safe_lock()
        self._homes: dict[asyncio.AbstractEventLoop, Links] = {}
        self._closed = False

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """What a server answers to each of ``commands``; what it refuses is an error in its place.

        Raises:
            StoreUnavailableError: the server did not answer; the commands may be done all the same.
        """
        return await self._here().ask(commands)

    async def close(self) -> None:
        """Close all connections: those of this loop now, those of others as soon as they have a moment."""
        here = asyncio.get_running_loop()
        for home in self._shut():
            if home.loop is here:
                await home.close()
            else:
                home.close_from_elsewhere()

    def close_from_elsewhere(self) -> None:
        """Close all connections as soon as their loops have a moment."""
        for home in self._shut():
            home.close_from_elsewhere()

    def _shut(self) -> list[Links]:
        with self._lock:
            self._closed = True
            homes = list(self._homes.values())
            self._homes = {}
        return homes

    def _here(self) -> Links:
        """The connections of this loop."""
        loop = asyncio.get_running_loop()
        home = self._homes.get(loop)
        if home is None:
            with self._lock:
                if self._closed:
                    raise closed()
                self._homes = {each: found for each, found in self._homes.items() if not each.is_closed()}
                home = self._homes[loop] = Links(loop, self._address, *self._sizes)
            # Its first step tells the loop of it; a loop closes its asynchronous generators when it ends.
            home.keeper = _open_until_closed(partial(self._leave, home))
            with suppress(StopIteration):
                home.keeper.asend(None).send(None)
        return home

    async def _leave(self, home: Links) -> None:
        with self._lock:
            if self._homes.get(home.loop) is home:
                del self._homes[home.loop]
        await home.close()


async def _open_until_closed(leave: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await leave()
