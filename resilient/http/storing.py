"""Whether an answer may be kept, and what of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

STORABLE_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414})
"""Answers that may stand for a later one (RFC 9110 section 15.1), less those that say the server failed."""

_OF_ONE_CONNECTION = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""Fields that belong to one connection and are not kept (RFC 9111 section 3.1)."""

_NEVER_KEPT = _OF_ONE_CONNECTION | {b"set-cookie"}
"""Set-Cookie is a credential; left out on purpose, unlike RFC 9111 section 7.3 allows."""

_SELECTS_SAFELY = frozenset({"accept-encoding"})


def combined(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by their names in lower case; several lines of one name as one list (RFC 9110 section 5.3)."""
    fields: dict[str, str] = {}
    for line, content in raw:
        name, value = line.decode("latin-1").lower(), content.decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def why_not_asked(method: str, names: Collection[bytes], directives: Mapping[str, str | None]) -> str | None:
    """Why a request goes past the cache, None if it does not.

    Args:
        method: the request's method.
        names: those of its header fields, in lower case.
        directives: its Cache-Control.
    """
    if method not in ("GET", "HEAD"):
        return "method"
    if "no-store" in directives:  # RFC 9111 section 5.2.1.5
        return "request-no-store"
    if "no-cache" in directives:  # RFC 9111 section 5.2.1.4
        return "request-no-cache"
    if b"range" in names:
        return "range"
    if not _CONDITIONS.isdisjoint(names):
        return "conditional"
    if not _OF_A_BODY.isdisjoint(names):
        return "request-body"
    return None


_CONDITIONS = frozenset({b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"})
"""RFC 9110 section 13.1."""
_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})
"""RFC 9112 section 6."""


def why_not_stored(
    method: str, status: int, directives: Mapping[str, str | None], vary: Sequence[str], content_type: str
) -> str | None:
    """Why an answer is not kept, None if it may be (RFC 9111 section 3, for a private cache with a ttl given).

    Args:
        method: the request's method.
        status: the answer's status.
        directives: the answer's Cache-Control.
        vary: the names in its Vary fields.
        content_type: its Content-Type, empty if there is none.
    """
    if method != "GET":
        return "method"
    if status not in STORABLE_STATUSES:
        return "status"
    if "no-store" in directives:  # section 5.2.2.5
        return "no-store"
    if "no-cache" in directives:  # section 5.2.2.4: not without asking the origin, which this cache cannot yet
        return "no-cache"
    if any(name.strip() and name.strip().lower() not in _SELECTS_SAFELY for name in vary):  # section 4.1
        return "vary"
    if content_type.partition(";")[0].strip().lower() == "text/event-stream":
        return "event-stream"
    return None


def is_complete(length: int, content_length: str | None, framed: bool) -> bool:
    """Whether a body of ``length`` bytes is all of it (RFC 9112 section 8).

    Args:
        length: bytes received.
        content_length: the Content-Length field, None if there is none.
        framed: whether the end of the body was marked otherwise, by chunks or an HTTP/2 frame; a body that ends
            with its connection cannot be told from one that was cut off.
    """
    if content_length is None:
        return framed
    # Compared as text: a number may be longer than Python reads.
    digits = content_length.isascii() and content_length.isdigit()
    return digits and (content_length.lstrip("0") or "0") == str(length)


def kept_fields(raw: Iterable[tuple[bytes, bytes]], connection: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """The fields of an answer that are kept with it, their names in lower case.

    Args:
        raw: all of them, in order.
        connection: the names in its Connection fields, which belong to the connection too.
    """
    left_out = _NEVER_KEPT
    if connection:
        left_out |= {name.strip().lower().encode("latin-1", "replace") for name in connection}
    return [(name, value) for line, value in raw if (name := line.lower()) not in left_out]


def is_acceptable(content_encoding: str | None, accept_encoding: str | None) -> bool:
    """Whether a client that asked with ``accept_encoding`` can read a body coded so (RFC 9110 section 12.5.3)."""
    codings = [coding.strip().lower() for coding in (content_encoding or "").split(",") if coding.strip()]
    if not codings or codings == ["identity"]:
        return True
    accepted: dict[str, bool] = {}
    for member in (accept_encoding or "").split(","):
        name, _, parameters = member.partition(";")
        weight = parameters.replace(" ", "").lower().removeprefix("q=")
        accepted[name.strip().lower()] = weight.strip("0.") != "" or not parameters.strip()
    return all(accepted.get(coding, accepted.get("*", False)) for coding in codings)
