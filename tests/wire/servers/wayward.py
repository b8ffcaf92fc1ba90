"""An origin that misbehaves: each path its own way."""

import asyncio

from resilient.testing.wire import head_of, read_request

from .host import Host, reset

DRIP = 0.1
"""Seconds between two bytes of a body that drips."""


class Wayward(Host):
    """HTTP/1.1 with faults.

    Attributes:
        seen: the paths that it was asked for.
        written: bytes of bodies that it sent.
    """

    def __init__(self, **listens):
        super().__init__(**listens)
        self.seen = []
        self.written = 0

    async def talk(self, reader, writer):
        while (request := await read_request(reader)) is not None:
            self.seen.append(request.path)
            way = getattr(self, request.path.strip("/").replace("-", "_"), None)
            if way is None:
                await self.say(writer, b"ok", length=2)
                continue
            await way(reader, writer)
            return

    async def say(self, writer, body, **fields):
        """Headers, ``length`` as Content-Length among them, and ``body``."""
        named = {"length": "content-length", "encoding": "transfer-encoding"}
        given = [(named[name].encode(), str(value).encode()) for name, value in fields.items()]
        writer.write(head_of(200, given) + body)
        self.written += len(body)
        await writer.drain()

    async def drips(self, reader, writer):
        """A byte at a time, each in time for a read, all of them far too late."""
        await self.say(writer, b"", length=1_000)
        await _until_left(reader, self._drip(writer))

    async def _drip(self, writer):
        while True:
            await asyncio.sleep(DRIP)
            writer.write(b".")
            await writer.drain()
            self.written += 1

    async def never_ends(self, reader, writer):
        """As much as the client takes, and on and on."""
        await self.say(writer, b"", encoding="chunked")
        await _until_left(reader, self._flood(writer))

    async def _flood(self, writer):
        while True:
            writer.write(b"1000\r\n" + b"." * 0x1000 + b"\r\n")
            await writer.drain()
            self.written += 0x1000
            await asyncio.sleep(0.002)

    async def drops(self, reader, writer):
        """Half of the body, then an orderly end."""
        await self.say(writer, b"." * 50, length=100)

    async def drops_a_chunk(self, reader, writer):
        """A chunk, and an end in the middle of the next one."""
        await self.say(writer, b"5\r\nhello\r\n5\r\nwo", encoding="chunked")

    async def resets(self, reader, writer):
        """Half of the body, then a reset."""
        await self.say(writer, b"." * 50, length=100)
        await asyncio.sleep(0.05)
        reset(writer)

    async def says_too_much(self, reader, writer):
        """More than it announced."""
        await self.say(writer, b"ok, and more\r\n\r\n", length=2)
        await reader.read()

    async def says_too_little(self, reader, writer):
        """Less than it announced, and then nothing."""
        await self.say(writer, b"." * 50, length=100)
        await reader.read()

    async def says_nothing(self, reader, writer):
        """No answer, and no end."""
        await reader.read()

    async def stops_in_its_headers(self, reader, writer):
        """Half a head."""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
        await reader.read()

    async def hangs_up(self, reader, writer):
        """No answer; an end."""

    async def talks_nonsense(self, reader, writer):
        """Not HTTP."""
        writer.write(b"220 mail.test ESMTP\r\n\r\n")
        await writer.drain()

    async def floods_its_headers(self, reader, writer):
        """A head without an end."""
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await _until_left(reader, self._more_headers(writer))

    async def _more_headers(self, writer):
        while True:
            writer.write(b"x: " + b"." * 1_000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)


class Early(Host):
    """Refuses each body as too large while it is on its way."""

    async def talk(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1_000)
        writer.write(head_of(413, [(b"content-length", b"0"), (b"connection", b"close")]))
        await writer.drain()


class Mute(Host):
    """Accepts, and never says or reads a thing, not even the TLS handshake."""

    async def talk(self, reader, writer):
        await reader.read()


async def _until_left(reader, work):
    """Do ``work`` until the client closes its side."""
    task = asyncio.ensure_future(work)
    try:
        await reader.read()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
