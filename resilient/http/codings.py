"""Codings of bodies (RFC 9110 sections 8.4 and 12.5.3)."""

from __future__ import annotations

_DECODED = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"})
"""Codings that clients take off; another one is handed on as it came, whoever asks."""


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
