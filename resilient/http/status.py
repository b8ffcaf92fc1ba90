"""What a cache did for an answer, as a member of Cache-Status (RFC 9211 section 2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

from msgspec import Struct

from resilient.http.structured import token_or_string

Forwarded: TypeAlias = Literal["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"]
"""Why a request went on to the origin (section 2.2)."""


class CacheStatus(Struct, frozen=True, kw_only=True):
    """What the cache did for one answer. Its text is a last line of Cache-Status, after those of other caches.

    The key is no part of it: it would tell who asked for what.

    Attributes:
        cache: the name of the cache.
        hit: whether the answer was kept here, and nothing was asked.
        fwd: why the origin was asked, None on a hit.
        fwd_status: the status that the origin answered with, where the caller got another one.
        stored: whether the origin's answer is kept.
        collapsed: whether another request's answer does for this one.
        ttl: seconds that the answer stays fresh; negative if it is stale.
        detail: more, in a word of a fixed set.
    """

    cache: str = "resilient"
    hit: bool = False
    fwd: Forwarded | None = None
    fwd_status: int | None = None
    stored: bool = False
    collapsed: bool = False
    ttl: int | None = None
    detail: str | None = None

    def __str__(self) -> str:
        parts = [_word(self.cache)]
        if self.hit:
            parts.append("hit")
        elif self.fwd is not None:
            parts.append(f"fwd={self.fwd}")
            if self.fwd_status is not None:
                parts.append(f"fwd-status={self.fwd_status}")
            if self.stored:
                parts.append("stored")
            if self.collapsed:
                parts.append("collapsed")
        if self.ttl is not None:
            parts.append(f"ttl={min(_MOST, max(-_MOST, self.ttl))}")
        if self.detail is not None:
            parts.append(f"detail={_word(self.detail)}")
        return "; ".join(parts)


_MOST = 10**15 - 1
"""The largest number that a structured field can hold (RFC 9651 section 3.3.1)."""

_word = lru_cache(maxsize=256)(token_or_string)
