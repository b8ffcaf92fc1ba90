"""What is told of one call: by Cache-Status to whoever reads the answer, by the same event to all others."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from resilient.events import CacheLookup, CacheResult, Forwarded
from resilient.http.status import CacheStatus
from resilient.http.structured import list_of
from resilient.messages import Response


def line_of(lookup: CacheLookup, cache: str) -> bytes:
    """What a cache of that name writes into Cache-Status (RFC 9211)."""
    ttl = None if lookup.ttl is None else int(lookup.ttl // 1)
    return _line(cache, lookup.result, lookup.fwd, lookup.fwd_status, lookup.stored, ttl, lookup.detail)


def mark(response: Response, lookup: CacheLookup, cache: str) -> None:
    """Write it into an answer, behind what caches on the way have written."""
    line, headers = line_of(lookup, cache).decode("latin-1"), response.headers
    before = headers.get("cache-status")
    # What nobody can read would make the whole list unreadable.
    headers["cache-status"] = line if before is None or list_of(before) is None else f"{before}, {line}"


def name_of(client: str) -> str:
    """The cache's name in Cache-Status: that of the client, if it has one; what is no ASCII as in a URL."""
    if client in ("default", ""):
        return "resilient"
    return client if client.isascii() and client.isprintable() else quote(client, safe=" ")


@lru_cache(maxsize=4096)
def _line(
    cache: str,
    result: CacheResult,
    fwd: Forwarded | None,
    fwd_status: int | None,
    stored: bool,
    ttl: int | None,
    detail: str | None,
) -> bytes:
    status = CacheStatus(
        cache=cache,
        hit=fwd is None and result != "miss",
        fwd=fwd,
        fwd_status=fwd_status,
        stored=stored,
        collapsed=result == "collapsed",
        ttl=ttl,
        detail=detail,
    )
    return str(status).encode("latin-1", "replace")
