"""A scripted origin behind a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import time

from resilient.runtime.clock import SystemClock
from resilient.testing.checks import instant
from resilient.testing.ledger import Ledger, Received
from resilient.testing.listener import LOOPBACK, Listener, reset
from resilient.testing.reply import Reply, cut
from resilient.testing.script import Script
from resilient.testing.wire import ServerRequest, chunk_of, head_of, is_chunked, read_request


class LocalServer(Script, Ledger, Listener):
    """An HTTP/1.1 server on the loopback interface that does what its script says, in real time.

    The script's language is that of :class:`resilient.testing.Origin`. On the wire "protocol" closes the
    connection without an answer, "read" and every other error resets it, and a timeout is silence.

    ::

        with LocalServer() as server:
            server.answers(503, times=2)
            httpx.get(server.url)

    Args:
        seed: of the dice for rates and latencies.
    """

    def __init__(self, *, seed: int = 0) -> None:
        Script.__init__(self, seed=seed)
        Ledger.__init__(self)
        Listener.__init__(self, "resilient-local-server")
        self._clock = SystemClock()
        self._born = self._clock.now()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def elapsed(self) -> float:
        """Seconds since the server was made."""
        return instant(self._clock.now() - self._born)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer request after request on one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while (request := await read_request(reader)) is not None:
                if not await self._answer(request, reader, writer) or request.is_last:
                    break

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
                    reset(writer)
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
