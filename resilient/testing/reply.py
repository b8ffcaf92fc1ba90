"""What a scripted origin does with one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import TypeAlias, TypedDict

from resilient.checks import need
from resilient.durations import Duration
from resilient.testing.checks import count, one_of, span

Latency: TypeAlias = Duration | Callable[[Random], float]
"""A duration, or a function that draws one: ``lambda random: random.expovariate(20)``."""

HeaderFields: TypeAlias = Mapping[str, str] | list[tuple[str, str]]

TEXTS = {
    "connect": "[Errno 111] Connection refused",
    "connect_timeout": "timed out",
    "pool": "",
    "read": "[Errno 104] Connection reset by peer",
    "read_timeout": "The read operation timed out",
    "write": "[Errno 32] Broken pipe",
    "protocol": "Server disconnected without sending a response.",
    "refused_stream": "<StreamReset stream_id:1, error_code:7, remote_reset:True>",
}
"""The errors that a script may name, and what they say: the words are those of httpcore, h11 and h2."""

UNREAD = ("connect", "connect_timeout", "pool", "refused_stream")
"""Errors before anything of the request was sent."""

PHASES = ("connect", "read")


class Details(TypedDict, total=False):
    """What can be said about a reply beside its status and error, see :class:`Reply`."""

    body: bytes | list[bytes]
    headers: HeaderFields
    retry_after: float | str | None
    latency: Latency
    chunk_latency: Latency
    content_length: int | None
    drop_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, a failure, or silence.

    Attributes:
        status: the answer's status.
        body: its body, a list for the pieces in which it is sent.
        headers: its header fields; ``date`` and ``content-length`` are added as real origins do.
        retry_after: the value of a ``retry-after`` field.
        latency: seconds until the headers come, or until the failure.
        chunk_latency: seconds before each piece of the body.
        content_length: what the answer says about its length, a lie if it is not the body's.
        drop_after: bytes of the body after which the connection breaks.
        error: how the request fails instead of being answered, one of :data:`TEXTS`.
        hangs: the phase in which nothing happens any more: ``"connect"`` or ``"read"``.
    """

    status: int = 200
    body: bytes | list[bytes] = b"ok"
    headers: HeaderFields = field(default_factory=dict[str, str])
    retry_after: float | str | None = None
    latency: Latency = 0.0
    chunk_latency: Latency = 0.0
    content_length: int | None = None
    drop_after: int | None = None
    error: str | None = None
    hangs: str | None = None

    def __post_init__(self) -> None:
        need(count(self.status, option="status") in range(100, 600), "status", self.status, "one from 100 to 599")
        for option in ("latency", "chunk_latency"):
            if not callable(latency := getattr(self, option)):
                object.__setattr__(self, option, span(latency, option=option))
        for option in ("content_length", "drop_after"):
            if (size := getattr(self, option)) is not None:
                count(size, option=option)
        if self.error is not None:
            one_of(self.error, tuple(TEXTS), option="error")
        if self.hangs is not None:
            one_of(self.hangs, PHASES, option="hangs")

    @property
    def _parts(self) -> list[bytes]:
        return [self.body] if isinstance(self.body, bytes) else self.body

    def pieces(self, method: str) -> list[bytes]:
        """The parts of the body that an answer to ``method`` has (RFC 9112 section 6.3)."""
        if method == "HEAD" or self.status < 200 or self.status in {204, 304}:
            return []
        return [part for part in self._parts if part]

    def fields(self, wall: float) -> list[tuple[bytes, bytes]]:
        """The header fields of an answer given at ``wall`` seconds since the epoch."""
        given = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        found = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given]
        names = {name.lower() for name, _ in found}
        if self.retry_after is not None and b"retry-after" not in names:
            found.append((b"retry-after", _shortest(self.retry_after).encode("latin-1")))
        if b"date" not in names:
            found.append((b"date", formatdate(wall, usegmt=True).encode("ascii")))
        length = self._declared()
        if length is not None and not names & {b"content-length", b"transfer-encoding"}:
            found.append((b"content-length", str(length).encode("ascii")))
        return found

    def _declared(self) -> int | None:
        """The length in the headers; RFC 9110 section 8.6 wants none where there cannot be a body."""
        if self.content_length is not None:
            return self.content_length
        if self.status < 200 or self.status in {204, 304}:
            return None
        return sum(map(len, self._parts))


def drawn(latency: Latency, random: Random) -> float:
    """Seconds of ``latency`` this time."""
    if callable(latency):
        return max(0.0, latency(random))
    return span(latency, option="latency")


def cut(pieces: list[bytes], size: int) -> Iterator[bytes]:
    """The first ``size`` bytes of ``pieces``."""
    for piece in pieces:
        if size <= 0:
            return
        yield piece[:size]
        size -= len(piece)


def _shortest(retry_after: float | str) -> str:
    """``2`` rather than ``2.0``: delay-seconds are whole (RFC 9110 section 10.2.3)."""
    if isinstance(retry_after, float) and retry_after.is_integer():
        return str(int(retry_after))
    return str(retry_after)
