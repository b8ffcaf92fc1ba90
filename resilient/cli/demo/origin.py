"""The origin of the demo: a real HTTP server in a process of its own, which does what it is told and counts.

Its standard input takes the names of phases, one a line; its standard output tells what it has counted, as a line
of JSON, ten times a second and at every change. It ends with its input, so that it never outlives the demo.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter, defaultdict

from resilient.cli.demo.script import AWAY, FAILS, SLOW, WORKS
from resilient.testing.wire import ServerRequest, head_of, read_request

LOOPBACK = "127.0.0.1"
LINE = "x-demo-line"
"""The header field in which a caller says which line of the table it belongs to."""

SLOW_SHARE, SLOW_SECONDS, FAILING_SHARE = 0.2, 3.0, 0.2
BIND_WITHIN = 2.0
"""Seconds; a demo that was killed a moment ago may not have let go of the port yet."""


class Origin:
    """The server's state: how it behaves, and what it has counted."""

    def __init__(self, seed: int) -> None:
        self.phase = WORKS
        self.attempts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._random = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()

    def enter(self, phase: str) -> None:
        """Behave as in ``phase`` from now on; going away cuts what is open."""
        self.phase = phase
        if phase == AWAY:
            for writer in list(self._open):
                _reset(writer)
        self.tell()

    def tell(self) -> None:
        """Say how it behaves, and what it has counted."""
        print(json.dumps({"phase": self.phase, "attempts": self.attempts}), flush=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer request after request on one connection."""
        self._open.add(writer)
        try:
            # Cancelled when the process ends: there is nobody left to answer.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, asyncio.CancelledError):
                while (request := await read_request(reader)) is not None:
                    # Counted in every phase, the outage too: an attempt counts when its request is here.
                    self.attempts[self.phase][request.headers.get(LINE, "others")] += 1
                    if self.phase == AWAY:
                        _reset(writer)
                        return
                    await self._answer(request, writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, request: ServerRequest, writer: asyncio.StreamWriter) -> None:
        chance = self._random.random()
        await asyncio.sleep(self._random.uniform(0.002, 0.012))
        if self.phase == SLOW and chance < SLOW_SHARE:
            await asyncio.sleep(SLOW_SECONDS)
        status = 503 if self.phase == FAILS and chance < FAILING_SHARE else 200
        body = json.dumps({"path": request.path, "at": time.time()}).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        writer.write(head_of(status, fields) + body)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection as a crash does, with a reset instead of an end."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _listen(origin: Origin, port: int) -> asyncio.Server:
    ends = time.monotonic() + BIND_WITHIN
    while True:
        try:
            return await asyncio.start_server(origin.serve, LOOPBACK, port)
        except OSError:
            if time.monotonic() > ends:
                raise
            await asyncio.sleep(0.05)


async def _main(port: int, seed: int) -> None:
    origin = Origin(seed)
    try:
        server = await _listen(origin, port)
    except OSError as error:
        print(json.dumps({"error": os.strerror(error.errno or 0)}), flush=True)
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def obey() -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed already
            for line in sys.stdin:
                loop.call_soon_threadsafe(origin.enter, line.strip())
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=obey, daemon=True).start()
    origin.tell()
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await over.wait()
        origin.tell()
    server.close()


if __name__ == "__main__":
    # Ctrl-C reaches every process of the terminal; this one ends when the demo has its last figures.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
