"""An origin that sends and receives bodies piece by piece, as the test says."""

import asyncio
import hashlib
import threading

from resilient.testing.wire import chunk_of, head_of

from .host import PATIENCE, Host

PIECE = 64 * 1024


class Telling(Host):
    """Sends events as the test tells them."""

    def __init__(self, **listens):
        super().__init__(**listens)
        self._told = None

    def tell(self, data):
        """Send ``data`` to the reader of events; None ends the stream."""
        assert self.wait_for(lambda: self._told is not None)
        self.call(self._told.put_nowait, data)

    async def pass_on(self, reader, writer):
        """Send what is told; the connection ends with it."""
        told = self._told = asyncio.Queue()
        chunked = [(b"transfer-encoding", b"chunked"), (b"connection", b"close")]
        writer.write(head_of(200, [(b"content-type", b"text/event-stream"), *chunked]))
        gone = asyncio.ensure_future(reader.read())
        while not gone.done():
            said = asyncio.ensure_future(told.get())
            await asyncio.wait({said, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not said.done():
                said.cancel()
                return
            data = said.result()
            writer.write(chunk_of(data or b""))
            await writer.drain()
            if data is None:
                gone.cancel()
                return


class Streams(Telling):
    """``GET /<bytes>`` sends so many; ``GET /events`` what the test tells; every upload is counted, not kept.

    Attributes:
        received: bytes of uploads so far.
        digest: of the last whole upload.
        uploads: how many uploads began.
    """

    def __init__(self, **listens):
        super().__init__(**listens)
        self.received = 0
        self.digest = None
        self.uploads = 0
        self._arrived = threading.Condition()

    # --- for the test's thread ---

    def has_received(self, size):
        """Whether so many bytes of uploads arrive."""
        with self._arrived:
            return self._arrived.wait_for(lambda: self.received >= size, PATIENCE)

    # --- on the server's thread ---

    async def talk(self, reader, writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            target = head.split(" ", 2)[1]
            if head.startswith("get"):
                if target == "/events":
                    return await self.pass_on(reader, writer)
                await self._download(writer, int(target[1:]))
            else:
                await self._upload(reader, writer, head)

    async def _download(self, writer, size):
        writer.write(head_of(200, [(b"content-length", str(size).encode())]))
        piece = bytes(PIECE)
        while size:
            writer.write(piece[:size])
            size -= min(size, PIECE)
            await writer.drain()

    async def _upload(self, reader, writer, head):
        self.uploads += 1
        digest = hashlib.sha256()
        async for piece in self._pieces(reader, head):
            digest.update(piece)
            with self._arrived:
                self.received += len(piece)
                self._arrived.notify_all()
        self.digest = digest.hexdigest()
        writer.write(head_of(200, [(b"content-length", b"2")]) + b"ok")
        await writer.drain()

    async def _pieces(self, reader, head):
        if "transfer-encoding: chunked" in head:
            while size := int((await reader.readuntil(b"\r\n")), 16):
                yield (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
            return
        left = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        while left:
            piece = await reader.read(min(left, PIECE))
            if not piece:
                return
            left -= len(piece)
            yield piece
