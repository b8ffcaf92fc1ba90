"""What an answer makes untrue of what is kept (RFC 9111 section 4.4)."""

from __future__ import annotations

from resilient.http.addresses import named_paths
from resilient.http.fields import Fields

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110 section 9.2.1; a method that is not known may change anything."""


def invalidates(method: str, status: int) -> bool:
    """Whether an answer shows that something changed: it is no error, and its request was not safe."""
    return method not in _SAFE and 200 <= status < 400


def invalidated(origin: str, raw_path: bytes, response: Fields) -> tuple[bytes, ...]:
    """Path and query of each address of ``origin`` whose answers, all variants, no longer hold; the target's first.

    What an answer says of other origins is none of its business.

    Args:
        origin: scheme, host and port of the request.
        raw_path: path and query of the request.
        response: the fields of its answer.
    """
    named = (*response.lines("location"), *response.lines("content-location"))
    return tuple(dict.fromkeys((raw_path, *named_paths(origin, raw_path, named))))
