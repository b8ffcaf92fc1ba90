"""A server for tests: it listens on the loopback interface, on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
START_WITHIN = 30.0
"""Real seconds; machines that run tests are busy."""
_TURNS = 5
"""Turns of the loop after which whoever was accepted has come in."""


class Listener:
    """Accepts connections, on a free port that it keeps. What it does with one of them is its subclass's affair.

    Args:
        name: of its thread.

    Attributes:
        connections: how many connections were accepted.
        port: where it listens.
    """

    def __init__(self, name: str) -> None:
        self.connections = 0
        self.port = 0
        self._name = name
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    # --- for the test's thread ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    def start(self) -> None:
        """Listen on a free port."""
        if self._thread is not None:
            raise RuntimeError("this server runs already")
        ready = threading.Event()
        failures: list[BaseException] = []

        def serve() -> None:
            try:
                asyncio.run(self._main(ready))
            except BaseException as error:  # noqa: BLE001 - it is raised on the test's thread
                failures.append(error)
                ready.set()

        self._thread = threading.Thread(target=serve, name=self._name, daemon=True)
        self._thread.start()
        started = ready.wait(START_WITHIN)
        if failures or not started:
            self.stop()
            raise RuntimeError("the local server did not start") from (failures[0] if failures else None)

    def stop(self) -> None:
        """Close all connections and end the server's thread; a second stop does nothing."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed already
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(START_WITHIN)

    def goes_away(self) -> None:
        """Close all connections and refuse new ones until it :meth:`returns`."""
        self._ask(self._close())

    def returns(self) -> None:
        """Listen again, on the same port."""
        self._ask(self._listen())

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns, done on the server's thread.

        Raises:
            RuntimeError: it does not run.
        """
        if self._loop is None or self._thread is None:
            work.close()
            raise RuntimeError("this server does not run")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_WITHIN)

    # --- on the server's thread ---

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; it is closed afterwards."""
        raise NotImplementedError

    async def _main(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self._listen()
        ready.set()
        await self._stop.wait()
        await self._close()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, backlog=1024)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            # It stops to accept before it closes: asyncio forgets a connection that is half accepted then.
            for listening in server.sockets:
                asyncio.get_running_loop().remove_reader(listening)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            server.close()
        while tasks := list(self._open):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # until they have left

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        # A task that is cancelled before its first step closes nothing.
        self._open.pop(task).transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection so that the other end sees a reset, not an end."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and not writer.transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
