"""A scripted origin behind a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from resilient.runtime.clock import SystemClock
from resilient.testing.checks import instant
from resilient.testing.ledger import Ledger, Received
from resilient.testing.reply import Reply, cut
from resilient.testing.script import Script
from resilient.testing.wire import ServerRequest, chunk_of, head_of, is_chunked, read_request

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
START_WITHIN = 30.0
"""Real seconds; machines that run tests are busy."""
_TURNS = 5
"""Turns of the loop after which whoever was accepted has come in."""


class LocalServer(Script, Ledger):
    """An HTTP/1.1 server on the loopback interface that does what its script says, in real time.

    The script's language is that of :class:`resilient.testing.Origin`. On the wire "protocol" closes the
    connection without an answer, "read" and every other error resets it, and a timeout is silence.

    ::

        with LocalServer() as server:
            server.answers(503, times=2)
            httpx.get(server.url)

    Args:
        seed: of the dice for rates and latencies.

    Attributes:
        connections: how many connections were accepted.
    """

    def __init__(self, *, seed: int = 0) -> None:
        Script.__init__(self, seed=seed)
        Ledger.__init__(self)
        self.connections = 0
        self.port = 0
        self._clock = SystemClock()
        self._born = self._clock.now()
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
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def elapsed(self) -> float:
        """Seconds since the server was made."""
        return instant(self._clock.now() - self._born)

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

        self._thread = threading.Thread(target=serve, name="resilient-local-server", daemon=True)
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
        if self._loop is None or self._thread is None:
            work.close()
            raise RuntimeError("this server does not run")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_WITHIN)

    # --- on the server's thread ---

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
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        # A task that is cancelled before its first step closes nothing.
        self._open.pop(task).transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer request after request on one connection."""
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                while (request := await read_request(reader)) is not None:
                    if not await self._answer(request, reader, writer) or request.is_last:
                        break
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, request: ServerRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do what the script says about ``request``; whether the connection can be used again."""
        received = Received(
            number=0,
            method=request.method,
            url=self.url + request.target,
            path=request.path,
            headers=request.headers,
            at=self.elapsed,
            body=request.body,
        )
        self.enter(received)
        try:
            reply = self.decide(request, request.path, received.at)
            if isinstance(reply, Exception):
                raise reply
            await asyncio.sleep(self.draw(reply.latency))
            if reply.hangs is not None or (reply.error or "").endswith("timeout"):
                received.error = reply.error or "hangs"
                await reader.read()
                return False
            if reply.error is not None:
                received.error = reply.error
                if reply.error != "protocol":
                    _reset(writer)
                return False
            received.status = reply.status
            return await self._send(reply, request.method, writer)
        finally:
            self.leave(received, self.elapsed)

    async def _send(self, reply: Reply, method: str, writer: asyncio.StreamWriter) -> bool:
        fields = reply.fields(time.time())
        chunked = is_chunked(fields)
        pieces = reply.pieces(method)
        whole = sum(map(len, pieces))
        writer.write(head_of(reply.status, fields))
        for piece in pieces if reply.drop_after is None else cut(pieces, reply.drop_after):
            await writer.drain()
            if latency := self.draw(reply.chunk_latency):
                await asyncio.sleep(latency)
            writer.write(chunk_of(piece) if chunked else piece)
        is_whole = reply.drop_after is None or reply.drop_after >= whole
        if chunked and is_whole:
            writer.write(chunk_of(b""))
        await writer.drain()
        return is_whole and reply.content_length in {None, whole}


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection so that the client sees a reset, not an end."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
