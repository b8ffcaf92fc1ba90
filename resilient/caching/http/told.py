"""What is told of one call: by Cache-Status to whoever reads the answer, by an event to all others."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from resilient.events import CacheLookup, CacheResult
from resilient.http.status import CacheStatus, Forwarded
from resilient.messages import Response


class Told(NamedTuple):
    """What became of one call.

    Attributes:
        result: in a word.
        strategy: the strategy that asked.
        fwd: why the origin was asked, None if it was not.
        status: what the origin answered, None if it was not asked or gave no answer.
        stored: whether that is kept.
        age: seconds since the origin made the answer that was served, None if none was.
        ttl: seconds that it stays fresh.
        detail: more, in a word of a fixed set.
    """

    result: CacheResult
    strategy: str
    fwd: Forwarded | None = None
    status: int | None = None
    stored: bool = False
    age: float | None = None
    ttl: float | None = None
    detail: str | None = None

    def event(self) -> CacheLookup:
        """The same as an event."""
        return CacheLookup(
            result=self.result,
            strategy=self.strategy,
            age=self.age,
            ttl=self.ttl,
            detail=self.detail,
            fwd=self.fwd,
            fwd_status=self.status,
            stored=self.stored,
        )

    def line(self, cache: str) -> bytes:
        """The same as a member of Cache-Status (RFC 9211)."""
        ttl = None if self.ttl is None else int(self.ttl // 1)
        collapsed = self.result == "collapsed"
        return _line(cache, self.fwd, self.status, self.stored, collapsed, ttl, self.detail)


@lru_cache(maxsize=4096)
def _line(
    cache: str,
    fwd: Forwarded | None,
    status: int | None,
    stored: bool,
    collapsed: bool,
    ttl: int | None,
    detail: str | None,
) -> bytes:
    return str(
        CacheStatus(
            cache=cache,
            hit=fwd is None,
            fwd=fwd,
            fwd_status=status,
            stored=stored,
            collapsed=collapsed,
            ttl=ttl,
            detail=detail,
        )
    ).encode("latin-1", "replace")


def mark(response: Response, told: Told, cache: str) -> None:
    """Write it into an answer, behind what caches on the way have written."""
    line = told.line(cache).decode("latin-1")
    before = response.headers.get("cache-status")
    response.headers["cache-status"] = line if before is None else f"{before}, {line}"


def name_of(client: str) -> str:
    """The cache's name in Cache-Status: that of the client, if it has one."""
    return "resilient" if client == "default" else client
