"""The connections of event loops: each loop has one of aiosqlite's, and closes it when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from resilient.errors import StoreUnavailableError
from resilient.locks import fork_safe_lock
from resilient_adapters.sqlite.connection import Begun, Connection, stop_all
from resilient_adapters.sqlite.crew import settle
from resilient_adapters.sqlite.handle import Handle
from resilient_adapters.sqlite.trouble import unavailable


class Loops:
    """Reads for tasks of any event loops; no loop waits for the disk.

    Args:
        make: makes a handle; called in the thread that will use it.
    """

    def __init__(self, make: Callable[[], Handle]) -> None:
        self._make = make
        self._lock = fork_safe_lock()
        """Held while a connection is given something to do, and while it is taken away to be stopped: what is asked
        of one that was told to stop would never be answered."""
        self._readers: dict[asyncio.AbstractEventLoop, _Reader] = {}
        self._connections: set[Connection] = set()
        """Those whose thread may be alive."""
        self._held_up: list[asyncio.Future[None]] = []
        self._parked = False
        self._closed = False

    async def fetch(self, statement: str, *parameters: Any) -> list[Any]:
        """All rows that ``statement`` finds.

        Raises:
            sqlite3.Error, OSError, StoreUnavailableError: the database failed, or the store is closed.
        """
        reader = self._here()
        while True:
            with self._lock:
                reading = reader.begin(statement, parameters)
            if reading is not None:
                return await reading
            await self._open(reader)

    def park(self) -> None:
        """Answer what was asked, end all threads, start none until :meth:`resume`; what is asked then waits."""
        with self._lock:
            self._parked = True
            for reader in self._readers.values():
                reader.take()
            connections = list(self._connections)
        if stop_all(connections):
            for connection in connections:
                connection.join()

    def resume(self) -> None:
        """Go on after :meth:`park`; connections open again when they are needed."""
        with self._lock:
            self._parked = False
            held_up, self._held_up = self._held_up, []
        for future in held_up:
            settle(future, None, None)

    def close(self) -> None:
        """Answer what was asked and end all threads; a second close does nothing."""
        with self._lock:
            self._closed = True
        self.park()
        self.resume()

    def _here(self) -> _Reader:
        """What this loop reads with."""
        loop = asyncio.get_running_loop()
        reader = self._readers.get(loop)
        if reader is None:
            self._forget_closed_loops()
            reader = _Reader(loop)
            with self._lock:
                self._readers[loop] = reader
            # Its first step tells the loop of it; a loop closes its asynchronous generators when it ends.
            reader.keeper = _open_until_closed(partial(self._leave, reader))
            with suppress(StopIteration):
                reader.keeper.asend(None).send(None)
        return reader

    def _forget_closed_loops(self) -> None:
        with self._lock:
            closed = [reader for loop, reader in self._readers.items() if loop.is_closed()]
            for reader in closed:
                del self._readers[reader.loop]
            # It is left only where the loop was closed without ending its asynchronous generators before.
            left = [connection for reader in closed if (connection := reader.take()) is not None]
            self._connections = {connection for connection in self._connections if connection.is_alive}
        if left:
            stop_all(left)

    async def _open(self, reader: _Reader) -> None:
        """Open the loop's connection, unless a fork is under way: then wait for its end."""
        async with reader.opening:
            held_up = started = None
            with self._lock:
                if self._closed:
                    raise StoreUnavailableError("the disk store is closed")
                if reader.connection is not None:
                    return
                if self._parked:
                    held_up = reader.loop.create_future()
                    self._held_up.append(held_up)
                else:
                    connection = Connection(self._make, reader.loop)
                    try:
                        started = connection.open()
                    except RuntimeError as error:
                        raise unavailable(error, "read") from error
                    reader.connection = connection
                    self._connections.add(connection)
            if held_up is not None:
                await held_up
            elif started is not None:
                try:
                    await started
                except BaseException:
                    # It has told itself to stop.
                    with self._lock:
                        reader.take()
                    raise
                with self._lock:
                    reader.is_open = reader.connection is not None

    async def _leave(self, reader: _Reader) -> None:
        """Close the connection of a loop that ends."""
        with self._lock:
            connection = reader.take()
        if connection is not None:
            stopped = connection.stop()
            if stopped is not None:
                await stopped
            connection.join()


class _Reader:
    """One event loop's connection, None while it has none; used by its loop, taken away by anybody."""

    __slots__ = ("connection", "is_open", "keeper", "loop", "opening")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.opening = asyncio.Lock()
        self.connection: Connection | None = None
        self.is_open = False
        self.keeper: AsyncGenerator[None, None] | None = None

    def begin(self, statement: str, parameters: Sequence[Any]) -> Begun[list[Any]] | None:
        """The answer to come, None if there is no open connection."""
        if self.connection is None or not self.is_open:
            return None
        return self.connection.fetch(statement, parameters)

    def take(self) -> Connection | None:
        """Take the connection away: it will not be asked for anything more."""
        connection, self.connection, self.is_open = self.connection, None, False
        return connection


async def _open_until_closed(leave: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await leave()
