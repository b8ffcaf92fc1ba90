"""What every server here stands on: a thread with a loop of its own that accepts connections and counts them."""

import asyncio
import contextlib
import socket
import struct
import threading
import time

LOOPBACK = "127.0.0.1"
PATIENCE = 30.0
"""Real seconds; machines that run tests are busy."""


class Host:
    """A server that does on each connection what its subclass says.

    Args:
        tls: the context of a server that speaks TLS.
        path: of a Unix socket to listen on, in place of a free port of the loopback interface.

    Attributes:
        accepted: how many connections came as far as :meth:`talk`, that is, behind their TLS handshake.
        peak: the most that were open at once.
        handshakes: the server name of each TLS handshake that began, None where it gave none.
    """

    def __init__(self, *, tls=None, path=None):
        self.accepted = 0
        self.peak = 0
        self.handshakes = []
        self.port = 0
        self._tls = tls
        self._path = path
        self._open = {}
        self._wakes = threading.Condition()
        self._loop = None
        self._stop = None
        self._thread = None
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.handshakes.append(name)

    # --- for the test's thread ---

    def __enter__(self):
        ready = threading.Event()
        failures = []

        def serve():
            try:
                asyncio.run(self._main(ready))
            except BaseException as error:  # noqa: BLE001 - it is raised on the test's thread
                failures.append(error)
                ready.set()

        self._thread = threading.Thread(target=serve, name=type(self).__name__, daemon=True)
        self._thread.start()
        if not ready.wait(PATIENCE) or failures:
            raise RuntimeError(f"{type(self).__name__} did not start") from (failures[0] if failures else None)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(RuntimeError):  # its loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    @property
    def open(self):
        """How many connections are open now."""
        return len(self._open)

    def address(self, scheme, host=LOOPBACK):
        """Its address, without a path."""
        return f"{scheme}://{host}:{self.port}"

    @property
    def url(self):
        """Its address over HTTP, by name where a certificate has to have one."""
        return self.address("http") if self._tls is None else self.address("https", "localhost")

    def wait_for(self, condition):
        """Whether ``condition()`` comes true in reasonable time; looked at whenever a connection changed."""
        ends = time.monotonic() + PATIENCE
        with self._wakes:
            while not (found := condition()) and time.monotonic() < ends:
                self._wakes.wait(0.05)
        return found

    def call(self, function, *arguments):
        """Call ``function`` on the server's thread."""
        self._loop.call_soon_threadsafe(function, *arguments)

    # --- on the server's thread ---

    async def talk(self, reader, writer):
        """Serve one connection; it is closed afterwards."""
        raise NotImplementedError

    async def _main(self, ready):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        more = {} if self._tls is None else {"ssl": self._tls, "ssl_shutdown_timeout": 0.2}
        if self._path is None:
            server = await asyncio.start_server(self._accept, LOOPBACK, 0, backlog=1024, **more)
            self.port = server.sockets[0].getsockname()[1]
        else:
            server = await asyncio.start_unix_server(self._accept, self._path, **more)
        ready.set()
        await self._stop.wait()
        server.close()
        for _ in range(5):  # who is at the door comes in first
            await asyncio.sleep(0)
        while tasks := list(self._open):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)

    def _accept(self, reader, writer):
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._open[task] = writer
        self.accepted += 1
        self.peak = max(self.peak, len(self._open))
        task.add_done_callback(self._left)
        self._woken()

    def _left(self, task):
        # A task that is cancelled before its first step closes nothing.
        self._open.pop(task).transport.abort()
        self._woken()

    def _woken(self):
        with self._wakes:
            self._wakes.notify_all()

    async def _serve(self, reader, writer):
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self.talk(reader, writer)
            writer.close()
            async with asyncio.timeout(0.5):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass


def reset(writer):
    """Close a connection so that the client sees a reset, not an end."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def pipe(reader, writer):
    """Pass on what comes, until it ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def join(one, other):
    """Pass on what comes from either of two connections to the other, until either ends."""
    ways = [asyncio.ensure_future(pipe(one[0], other[1])), asyncio.ensure_future(pipe(other[0], one[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        # What ended has said its last word; the answer to it may still be on the way.
        await asyncio.wait(ways, timeout=0.2)
    finally:
        for way in ways:
            way.cancel()
        other[1].close()
