"""httpx2 as a value: what its errors mean, and how its messages are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import httpx2

from resilient import errors
from resilient.errors import ConfigurationError
from resilient.http.codings import MAX_INFLATED, ZLIB, inflates
from resilient.messages import origin_of
from resilient.outcome import Failure
from resilient.ports import HttpLibrary
from resilient.runtime.body import StreamBody
from resilient_adapters.httpx2.errors import (
    AttemptTimeoutError,
    CallError,
    CircuitOpenError,
    DeadlineExceededError,
    RateLimitedError,
)


class Body(StreamBody, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A watched body that httpx2 takes for a stream of its own, in both colours."""


def again(request: httpx2.Request, extensions: Mapping[str, Any], fields: Mapping[str, str]) -> httpx2.Request:
    """A shallow copy; the constructor would read the body and write header fields of its own."""
    made = httpx2.Request.__new__(type(request))
    vars(made).update(vars(request))
    made.extensions = dict(extensions)
    if fields:
        made.headers = httpx2.Headers(request.headers)
        made.headers.update(fields)
    return made


def _with_fields(request: httpx2.Request, fields: Sequence[tuple[bytes, bytes]]) -> httpx2.Request:
    made = again(request, request.extensions, {})
    made.headers = httpx2.Headers(fields)
    return made


_UNLIMITED = 1_000_000
_PIECE = 1024
_REMEMBERED = 2048
"""Bytes of header fields' values; what is longer is made anew each time, so that no store's content lives on here."""
_NOT_ELSEWHERE = {"host", "content-length", "content-type", "transfer-encoding"}
_FOR_ANYBODY = {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "range", "user-agent"}
"""What another origin may read of a request: any field might be a credential, so these are named, not those."""


def _elsewhere(request: httpx2.Request, url: str) -> httpx2.Request:
    target = httpx2.URL(url)
    foreign = origin_of(target) != origin_of(request.url)
    fields = [
        (name, value)
        for name, value in request.headers.multi_items()
        if name not in _NOT_ELSEWHERE and (not foreign or name in _FOR_ANYBODY)
    ]
    return httpx2.Request("GET", target, headers=fields, extensions=request.extensions)


def _rewind(request: httpx2.Request) -> bool:
    """Only what httpx2 itself can send again: bytes, forms and multipart in memory, and files that can be rewound."""
    stream: Any = request.stream
    if isinstance(stream, httpx2.ByteStream):
        return True
    if hasattr(stream, "fields"):  # multipart, which rewinds its files when it is iterated
        return all(_rereadable(getattr(one, "file", b"")) for one in stream.fields)
    source = getattr(stream, "_stream", None)
    if isinstance(source, Sequence):
        return True
    if source is None or not _rereadable(source):
        return False
    source.seek(0)
    return True


def _rereadable(source: Any) -> bool:
    if isinstance(source, str | bytes):
        return True
    seekable: Callable[[], bool] | None = getattr(source, "seekable", None)
    return seekable is not None and seekable()


def _response(status: int, fields: Sequence[tuple[bytes, bytes]], content: bytes) -> httpx2.Response:
    known = sum([len(value) for _, value in fields]) <= _REMEMBERED
    headers = _headers(tuple(fields)) if known else httpx2.Headers(fields)
    response = httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(content))
    response.headers.encoding = headers.encoding  # found out once for all
    return response


@lru_cache(maxsize=256)
def _headers(fields: tuple[tuple[bytes, bytes], ...]) -> httpx2.Headers:
    """Ready for the next response with the same fields; each takes a copy."""
    return httpx2.Headers(fields)


def _decodes(fields: list[tuple[bytes, bytes]], content: bytes) -> bool:
    """In small pieces, which may be much larger once decoded, and only so far: nobody else has a turn meanwhile."""
    headers = httpx2.Headers(fields)
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ZLIB:
        return inflates(coding, content)
    pieces = (content[at : at + _PIECE] for at in range(0, len(content), _PIECE))
    length = 0
    try:
        for piece in httpx2.Response(200, headers=headers, content=pieces).iter_bytes():
            length += len(piece)
            if length > MAX_INFLATED:
                return False
    except httpx2.DecodingError:
        return False
    return True


def body(response: httpx2.Response) -> Body:
    """The body of ``response``, which can be watched from now on."""
    stream = response.stream
    if not isinstance(stream, Body):
        stream = response.stream = Body(stream)
    return stream


def received(response: httpx2.Response) -> httpx2.Response:
    """What a transport answered, with a body that can be watched; mocks answer with bodies read at their birth."""
    if not response.is_closed:
        body(response)
        return response
    source, headers = response.stream, response.headers
    if not isinstance(source, httpx2.ByteStream):  # consumed, and decoded
        source = httpx2.ByteStream(response.content)
        headers = httpx2.Headers([item for item in headers.raw if item[0].lower() != b"content-encoding"])
    return httpx2.Response(response.status_code, headers=headers, stream=Body(source), extensions=response.extensions)


ORIGINAL = not httpx2.__name__.endswith("2")
"""Whether this is httpx2 itself, whose pool loses connections when requests are cancelled; its successor's does not."""
_STREAMS = 100
"""How many requests one HTTP/2 connection carries at once, as httpcore has it."""


def pooled(transport: httpx2.BaseTransport | httpx2.AsyncBaseTransport) -> int | None:
    """How many requests the pool of ``transport`` takes at once; None if it needs no guard."""
    if not ORIGINAL or not isinstance(transport, httpx2.HTTPTransport | httpx2.AsyncHTTPTransport):
        return None
    pool: Any = getattr(transport, "_pool", None)
    connections: int | None = getattr(pool, "_max_connections", None)
    if connections is None or connections > _UNLIMITED:
        return None
    return connections * _STREAMS if getattr(pool, "_http2", False) else connections


def refuse_foreign(option: str, value: object) -> None:
    """Refuse an object of the other library of the family, which looks the same and is not.

    Raises:
        ConfigurationError: names the option, and the library it is meant for.
    """
    own = httpx2.__name__
    roots = {kind.__module__.partition(".")[0] for kind in type(value).__mro__}
    others = sorted(root for root in roots if root.rstrip("2") == own.rstrip("2") and root != own)
    if others and own not in roots:
        kind = type(value).__name__
        raise ConfigurationError(f"{option}=<{kind}> is an object of {others[0]}; this client takes those of {own}")


def pool_full() -> httpx2.PoolTimeout:
    """The error of a request that found no free connection in time."""
    return httpx2.PoolTimeout("no connection was free in time")


LIBRARY = HttpLibrary(
    name="httpx2",
    failures={
        httpx2.ConnectError: Failure.UNSENT,
        httpx2.ConnectTimeout: Failure.UNSENT,
        httpx2.ProxyError: Failure.PROXY,
        httpx2.PoolTimeout: Failure.POOL,
        httpx2.TimeoutException: Failure.TIMEOUT,
        httpx2.TransportError: Failure.BROKEN,
        httpx2.UnsupportedProtocol: Failure.INVALID,
        httpx2.LocalProtocolError: Failure.INVALID,
        httpx2.TooManyRedirects: Failure.INVALID,
        httpx2.InvalidURL: Failure.INVALID,
    },
    natives={
        errors.CallError: CallError,
        errors.CircuitOpenError: CircuitOpenError,
        errors.DeadlineExceededError: DeadlineExceededError,
        errors.AttemptTimeoutError: AttemptTimeoutError,
        errors.RateLimitedError: RateLimitedError,
    },
    response=_response,
    again=again,
    with_fields=_with_fields,
    elsewhere=_elsewhere,
    rewind=_rewind,
    body=body,
    decodes=_decodes,
)
