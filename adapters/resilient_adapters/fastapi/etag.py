"""Entity tags: an answer that the client has already is not sent again."""

from __future__ import annotations

import re
from hashlib import blake2b

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resilient.http.directives import cache_control
from resilient_adapters.fastapi.fields import lines_of

MAX_BODY = 1024 * 1024
"""Bytes; a larger body is not held back to be tagged."""

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_OF_THE_BODY = (b"content-length", b"content-type", b"content-encoding", b"content-language", b"content-range")


class ETag:
    """Give answers an entity tag, and answer 304 to who has that answer already (RFC 9110 section 13.1.2).

    A 200 to a GET gets a weak tag, a digest of its body; one that the endpoint gave stays. A body is held back for
    that, so only those are tagged that say a Content-Length of at most 1 MiB: streams pass as they come, and so does
    what must not be stored. The endpoint runs each time: what it asks for is what a cache makes cheap.

    ``app.add_middleware(ETag)``.

    Args:
        app: what is behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            send = _Tagging(scope, send)
        await self._app(scope, receive, send)


class _Tagging:
    """Sends the answer to one request on, with a tag, or as a 304."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._asked = ",".join(lines_of(scope["headers"], b"if-none-match"))
        self._is_get = scope["method"] == "GET"
        self._send = send
        self._held: Message | None = None
        self._body = bytearray()
        self._over = False

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._held is None:
            await self._send(message)
        else:
            await self._hold(self._held, message)

    async def _start(self, message: Message) -> None:
        fields = message["headers"]
        tags = lines_of(fields, b"etag")
        if message["status"] != 200:
            await self._send(message)
        elif tags and self._has(tags[0]):
            await self._not_modified(message)
        elif not tags and self._is_get and _may_be_held(fields):
            self._held = message
        else:
            await self._send(message)

    async def _hold(self, start: Message, message: Message) -> None:
        if message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if message.get("more_body", False):
                return
            tag = f'W/"{blake2b(self._body, digest_size=16).hexdigest()}"'
            start = {**start, "headers": [*start["headers"], (b"etag", tag.encode())]}
            if self._has(tag):
                await self._not_modified(start)
                return
            message = {**message, "body": bytes(self._body)}
        self._held = None
        await self._send(start)
        await self._send(message)

    def _has(self, tag: str) -> bool:
        """Whether the client has the answer of that tag; tags are compared weakly."""
        return self._asked.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(self._asked)

    async def _not_modified(self, start: Message) -> None:
        self._over = True
        fields = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_THE_BODY]
        await self._send({**start, "status": 304, "headers": fields})
        await self._send({"type": "http.response.body", "body": b""})


def _may_be_held(fields: list[tuple[bytes, bytes]]) -> bool:
    [length] = lines_of(fields, b"content-length")[-1:] or [""]
    storable = "no-store" not in cache_control(lines_of(fields, b"cache-control"))
    return storable and length.isdecimal() and int(length) <= MAX_BODY
