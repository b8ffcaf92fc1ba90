"""Proxies: HTTP's (forwarding and CONNECT) and SOCKS5."""

import asyncio
import base64
import struct
from urllib.parse import urlsplit

from resilient.testing.wire import head_of, read_request

from .host import Host, join


class HttpProxy(Host):
    """Forwards requests, and opens tunnels.

    Args:
        user: and password, as in ``"ann:secret"``, which it then asks for.

    Attributes:
        seen: the method, target and header fields of each request that it was asked to forward.
    """

    def __init__(self, user=None, **listens):
        super().__init__(**listens)
        self.seen = []
        self.expected = None if user is None else f"Basic {base64.b64encode(user.encode()).decode()}"

    async def talk(self, reader, writer):
        request = await read_request(reader)
        if request is None:
            return
        self.seen.append((request.method, request.target, request.headers))
        if self.expected not in (None, request.headers.get("proxy-authorization")):
            writer.write(head_of(407, [(b"proxy-authenticate", b"Basic"), (b"content-length", b"0")]))
            await writer.drain()
            return
        is_tunnel = request.method == "CONNECT"
        there = urlsplit(f"//{request.target}" if is_tunnel else request.target)
        try:
            beyond = await asyncio.open_connection(there.hostname, there.port or 80)
        except OSError:
            writer.write(head_of(502, [(b"content-length", b"0")]))
            await writer.drain()
            return
        if is_tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await join((reader, writer), beyond)
            return
        beyond[1].write(_forwarded(request, there))
        answer = await beyond[0].read()
        first, _, rest = answer.partition(b"\r\n")
        writer.write(first + b"\r\nconnection: close\r\n" + rest)
        await writer.drain()
        beyond[1].close()


def _forwarded(request, there):
    target = there.path + (f"?{there.query}" if there.query else "")
    dropped = {"proxy-authorization", "proxy-connection", "connection", "transfer-encoding", "content-length"}
    fields = [(name, value) for name, value in request.headers.items() if name not in dropped]
    fields += [("via", "1.1 test"), ("connection", "close"), ("content-length", str(len(request.body)))]
    lines = [f"{request.method} {target or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body


class SocksProxy(Host):
    """SOCKS5, as much of it as CONNECT needs (RFC 1928, RFC 1929).

    Args:
        user: and password, as in ``"ann:secret"``, which it then asks for.

    Attributes:
        seen: the host and port of each tunnel that it was asked for.
    """

    def __init__(self, user=None, **listens):
        super().__init__(**listens)
        self.seen = []
        self.user = user

    async def talk(self, reader, writer):
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        wanted = 0 if self.user is None else 2
        writer.write(bytes([5, wanted if wanted in offered else 0xFF]))
        if wanted not in offered or (wanted and not await self._knows(reader, writer)):
            await writer.drain()
            return
        *_, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.seen.append((host, port))
        try:
            beyond = await asyncio.open_connection(host, port)
        except OSError:
            writer.write(b"\x05\x05\x00\x01" + bytes(6))
            await writer.drain()
            return
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await join((reader, writer), beyond)

    async def _knows(self, reader, writer):
        await reader.readexactly(1)
        name = await reader.readexactly((await reader.readexactly(1))[0])
        word = await reader.readexactly((await reader.readexactly(1))[0])
        known = name + b":" + word == self.user.encode()
        writer.write(bytes([1, 0 if known else 1]))
        return known
