"""HTTP/1.1 on a socket, as much as a test server needs (RFC 9112)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A request as a local server received it.

    Attributes:
        method: its method.
        target: path and query.
        headers: its header fields, names in lower case; the last of several of one name counts.
        body: all of its body.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def is_last(self) -> bool:
        """Whether the client closes the connection after it."""
        return self.headers.get("connection", "").lower() == "close"


async def read_request(reader: asyncio.StreamReader) -> ServerRequest | None:
    """The next request; None if the client closed the connection instead."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return ServerRequest(method, target, headers, b"".join([part async for part in _chunks(reader)]))
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return ServerRequest(method, target, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]
    while (await reader.readuntil(b"\r\n")) != b"\r\n":
        pass


def head_of(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Status line and header fields."""
    known = status in set(HTTPStatus)
    reason = HTTPStatus(status).phrase if known else "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}".encode("ascii"), *(b": ".join(field) for field in fields)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def is_chunked(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the body is sent in chunks that say their sizes."""
    return any(name.lower() == b"transfer-encoding" and b"chunked" in value for name, value in fields)


def chunk_of(data: bytes) -> bytes:
    """``data`` as a chunk; the empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
