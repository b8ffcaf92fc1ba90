"""A server in a process of its own that answers every request at once with 2 KB: ``python -m benchmarks.server``."""

import asyncio
import subprocess
import sys
from typing import Self

from benchmarks.origins import BODY, FIELDS

ANSWER = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%s: %s\r\n" % field for field in FIELDS) + b"\r\n" + BODY
END = b"\r\n\r\n"


class _Answering(asyncio.Protocol):
    """Requests without bodies, one after the other, on one connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(END)
        self._transport.write(ANSWER * len(requests))  # type: ignore[attr-defined]


async def _serve() -> None:
    """Tell the port, and serve until nobody holds the other end of the input."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


class Server:
    """The process, which ends when it is closed or when this process does."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.server"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=10)


if __name__ == "__main__":
    asyncio.run(_serve())
