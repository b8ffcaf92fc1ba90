"""Codings of bodies (RFC 9110 sections 8.4 and 12.5.3)."""

from __future__ import annotations

import zlib

_DECODED = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"})
"""Codings that clients take off; another one is handed on as it came, whoever asks."""

_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""How zlib reads a coding; deflate comes with its frame, and from some servers without."""
ZLIB = frozenset(_WINDOWS)
"""Codings that :func:`inflates` knows."""
MAX_INFLATED = 32 * 1024 * 1024
"""Bytes of the longest body that is decoded only to see if it can be."""
_PIECE = 64 * 1024


def inflates(coding: str, content: bytes) -> bool:
    """Whether ``content`` is all of a body of a coding in :data:`ZLIB`, and not above :data:`MAX_INFLATED`."""
    return not content or any(_inflates(window, content) for window in _WINDOWS[coding])


def _inflates(window: int, content: bytes) -> bool:
    inflater = zlib.decompressobj(window)
    length = 0
    try:
        while content and not inflater.eof and length <= MAX_INFLATED:
            length += len(inflater.decompress(content, _PIECE))
            content = inflater.unconsumed_tail
        return inflater.eof and length <= MAX_INFLATED
    except zlib.error:
        return False


def is_acceptable(content_encoding: str | None, accept_encoding: str | None) -> bool:
    """Whether a client that asked with ``accept_encoding`` can read a body coded so (RFC 9110 section 12.5.3)."""
    if content_encoding is None:
        return True
    codings = _DECODED.intersection(coding.strip().lower() for coding in content_encoding.split(","))
    if not codings:
        return True
    accepted: dict[str, bool] = {}
    for member in (accept_encoding or "").split(","):
        name, _, parameters = member.partition(";")
        weight = parameters.replace(" ", "").lower().removeprefix("q=")
        accepted[name.strip().lower()] = weight.strip("0.") != "" or not parameters.strip()
    return all(accepted.get(coding, accepted.get("*", False)) for coding in codings)
