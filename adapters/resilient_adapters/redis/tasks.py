"""Connections for tasks: each event loop has its own, and closes them when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from resilient.errors import StoreError
from resilient.locks import fork_safe_lock
from resilient_adapters.redis.address import Address, AsyncConnection
from resilient_adapters.redis.pool import Pool, Waiter, closed
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.trouble import failure


class Tasks:
    """The connections of all event loops. Nothing is bounded in time here: whoever asks is cancelled in time.

    After a fork nothing has to be done: the loops that ran are the parent's, and the child's are new ones.

    Args:
        address: where they lead.
        pool: makes a pool.
    """

    def __init__(self, address: Address, pool: Callable[[], Pool[AsyncConnection]]) -> None:
        self._address = address
        self._make_pool = pool
        self._lock = fork_safe_lock()
        self._homes: dict[asyncio.AbstractEventLoop, _Home] = {}
        self._closed = False

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """What a server answers to each of ``commands``; what it refuses is an error in its place.

        Raises:
            StoreUnavailableError: the server did not answer; the commands may be done all the same.
        """
        home = self._here()
        connection = await home.borrowed()
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            answers = [await _answer(connection) for _ in commands]
        except (RedisError, OSError, ValueError) as error:
            await home.drop(connection)
            raise failure(error) from None
        except BaseException:
            # Whoever asked was cancelled; the answer that is still to come must not be taken for another's.
            await home.drop(connection)
            raise
        if any(isinstance(answer, ReadOnlyError) for answer in answers):
            # It leads to what was the master once. The next one is looked up anew.
            await home.drop(connection)
        else:
            await home.give(connection)
        return answers

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

    def _shut(self) -> list[_Home]:
        with self._lock:
            self._closed = True
            homes = list(self._homes.values())
            self._homes = {}
        return homes

    def _here(self) -> _Home:
        """The connections of this loop."""
        loop = asyncio.get_running_loop()
        home = self._homes.get(loop)
        if home is None:
            with self._lock:
                if self._closed:
                    raise closed()
                self._homes = {each: found for each, found in self._homes.items() if not each.is_closed()}
                home = self._homes[loop] = _Home(loop, self._address, self._make_pool())
            # Its first step tells the loop of it; a loop closes its asynchronous generators when it ends.
            home.keeper = _open_until_closed(partial(self._leave, home))
            with suppress(StopIteration):
                home.keeper.asend(None).send(None)
        return home

    async def _leave(self, home: _Home) -> None:
        with self._lock:
            if self._homes.get(home.loop) is home:
                del self._homes[home.loop]
        await home.close()


class _Home:
    """The connections of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: Address, pool: Pool[AsyncConnection]) -> None:
        self.loop = loop
        self.keeper: AsyncGenerator[None, None] | None = None
        self._address = address
        self._pool = pool
        self._openers: set[asyncio.Task[None]] = set()
        self._closer: asyncio.Task[None] | None = None

    async def borrowed(self) -> AsyncConnection:
        while True:
            connection = await self._taken()
            if await _is_fit(connection):
                return connection
            await self.drop(connection)

    async def give(self, connection: AsyncConnection) -> None:
        await _close(self._pool.give(connection))

    async def drop(self, connection: AsyncConnection) -> None:
        """Close a connection at once; nothing is waited for here, since whoever drops it may be cancelled."""
        await _close([connection])
        if self._pool.drop():
            self._open()

    async def close(self) -> None:
        """Close what is open, and open no more."""
        for task in list(self._openers):
            task.cancel()
        await asyncio.gather(*self._openers, return_exceptions=True)
        await asyncio.gather(*(each.disconnect() for each in self._pool.close()), return_exceptions=True)

    def close_from_elsewhere(self) -> None:
        """The same for another thread; nobody waits for it."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._close_soon)

    def _close_soon(self) -> None:
        self._closer = self.loop.create_task(self.close(), name="resilient-redis-closer")

    async def _taken(self) -> AsyncConnection:
        bell: asyncio.Future[None] = self.loop.create_future()
        waiter: Waiter[AsyncConnection] = Waiter(partial(_ring, bell))
        connection, opens = self._pool.take(waiter)
        if connection is not None:
            return connection
        if opens:
            self._open()
        try:
            await bell
        except BaseException:
            connection = self._pool.withdraw(waiter)
            if connection is not None:
                # It came in the very moment in which it was not wanted any more: pass it on.
                await self.give(connection)
            raise
        if waiter.connection is None:
            raise waiter.error or closed()
        return waiter.connection

    def _open(self) -> None:
        """Open a connection in a task of its own: it may take longer than anybody here can wait."""
        task = self.loop.create_task(self._connect(), name="resilient-redis-opener")
        self._openers.add(task)
        task.add_done_callback(self._openers.discard)

    async def _connect(self) -> None:
        again = True
        while again:
            connection = self._address.connection_for_tasks()
            try:
                await connection.connect()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the connection
                await _close([connection])
                again = self._pool.failed(error if isinstance(error, StoreError) else failure(error))
            except BaseException:
                await _close([connection])
                self._pool.failed(closed())
                raise
            else:
                await _close(self._pool.opened(connection))
                return


def _ring(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)


async def _answer(connection: AsyncConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


async def _is_fit(connection: AsyncConnection) -> bool:
    """Whether the server has neither closed it nor said anything that nobody asked for."""
    # The name that redis-py 8 has for it, and the one before.
    can_read = getattr(connection, "can_read", None) or connection.can_read_destructive  # type: ignore[attr-defined]
    try:
        return not await can_read()
    except (RedisError, OSError):
        return False


async def _close(connections: list[AsyncConnection]) -> None:
    for connection in connections:
        with suppress(RedisError, OSError):
            await connection.disconnect(nowait=True)


async def _open_until_closed(leave: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await leave()
