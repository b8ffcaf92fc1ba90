"""An answer on its way in, from the transport into the client.

httpx reads every body through several generators, and searches every answer for cookies. What an attempt has read,
or a cache has kept, is there as a whole: it is handed over as it is.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from time import perf_counter
from typing import Any

import httpx

from resilient.engine import TRIP
from resilient.httpx.library import Body, body

_logger = logging.getLogger("httpx")


def arrived(response: httpx.Response, request: httpx.Request, began: float, *, hooked: bool) -> None:
    """Note of an answer what httpx does: what it answers, how long that took, and a line in its log.

    Args:
        response: the answer; where its caller does not stream it and all of its body is there, it counts as read.
        request: what it answers.
        began: when the request was sent, by ``perf_counter``.
        hooked: whether hooks see it first, for whom it must not be read yet.
    """
    response.request = request
    content = None if _is_streamed(request) else _content_of(response)
    if content is None:
        body(response).watch(_Stopwatch(response, began))
    else:
        response.elapsed = timedelta(seconds=perf_counter() - began)
        if not hooked and "content-encoding" not in response.headers:
            vars(response).update(
                _content=content, _num_bytes_downloaded=len(content), is_stream_consumed=True, is_closed=True
            )
    if _logger.isEnabledFor(logging.INFO):
        version, status, reason = response.http_version, response.status_code, response.reason_phrase
        _logger.info('HTTP Request: %s %s "%s %d %s"', request.method, request.url, version, status, reason)


def sets_cookies(response: httpx.Response) -> bool:
    """Whether it has a field that sets cookies, of today (RFC 6265) or of old (RFC 2965)."""
    return "set-cookie" in response.headers or "set-cookie2" in response.headers


def _is_streamed(request: httpx.Request) -> bool:
    """Whether the caller reads the body; of a request that its authentication made nobody knows here."""
    trip: Any = request.extensions.get(TRIP)
    return trip is None or trip.streamed


def _content_of(response: httpx.Response) -> bytes | None:
    stream = response.stream
    if isinstance(stream, Body):
        return stream.content
    return b"".join(stream) if isinstance(stream, httpx.ByteStream) else None


class _Stopwatch:
    """Notes how long it took until a body was closed."""

    __slots__ = ("_began", "_response")

    def __init__(self, response: httpx.Response, began: float) -> None:
        self._response = response
        self._began = began

    def chunk(self, data: bytes) -> None:
        pass

    async def ended(self, complete: bool, error: BaseException | None) -> None:
        self._response.elapsed = timedelta(seconds=perf_counter() - self._began)
