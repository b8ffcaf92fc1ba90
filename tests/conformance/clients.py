"""The clients that are put to the suite: ours, in every combination, and others who do that work."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2

import resilient.httpx
import resilient_adapters.httpx2
from resilient import Policy, ResponseCache

from .expectations import MAY_FAIL, NEEDS_FAILOVER

Make = Callable[[Path], Any]
"""Makes a client that may keep files in a folder."""
CONNECTIONS = 200


@dataclass(frozen=True)
class Contestant:
    """One who is put to the suite.

    Attributes:
        name: who it is.
        make: makes its client.
        may_fail: the tests that it may fail, and why.
    """

    name: str
    make: Make
    may_fail: dict[str, str]


UNASKED = Policy(retry=None, breaker=None)
"""Retries and breakers would react to the failures that the suite makes."""
# A busy machine's disk takes longer than a call would wait for it.
CACHES = {
    "failover": (ResponseCache.failover(ttl="6h", store_budget=None), MAY_FAIL),
    "no options": (ResponseCache(store_budget=None), MAY_FAIL | NEEDS_FAILOVER),
}


def ours() -> Iterator[Contestant]:
    """Every combination of cache, colour, HTTP library and store."""
    for cache, (keeps, may_fail) in CACHES.items():
        for http, door in ((httpx, resilient.httpx), (httpx2, resilient_adapters.httpx2)):
            for kind in (door.ResilientClient, door.AsyncResilientClient):
                colour = "async" if "Async" in kind.__name__ else "blocking"
                for store in ("memory", "disk"):
                    make = partial(_ours, kind, http, UNASKED.replace(cache=keeps), store)
                    yield Contestant(f"{cache}, {colour}, {http.__name__}, {store}", make, may_fail)


def _ours(kind: Any, http: Any, policy: Policy, store: str, folder: Path) -> Any:
    url = "mem://" if store == "memory" else f"disk://{folder}/cache?write_wait=60s&busy_timeout=60s"
    limits = http.Limits(max_connections=CONNECTIONS)
    return kind(policies=policy, store=url, limits=limits, trust_env=False)


def peers() -> Iterator[Contestant]:
    """Others, as they are installed, and as they score best."""
    for told, rules in {"as installed": False, "as a private cache": {"shared": False}}.items():
        yield Contestant(f"hishel, {told}", partial(_hishel, rules), MAY_FAIL)
    following = {"cache_control": True, "expire_after": 0, "allowable_codes": range(200, 600)}
    for told, options in {"as installed": {}, "following headers": following}.items():
        yield Contestant(f"requests-cache, {told}", partial(_requests_cache, options), MAY_FAIL)


def _hishel(rules: Any, folder: Path) -> Any:
    from hishel import AsyncSqliteStorage
    from hishel.httpx import AsyncCacheTransport

    below = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=CONNECTIONS))
    storage = AsyncSqliteStorage(database_path=folder / "hishel.db")
    return httpx.AsyncClient(transport=AsyncCacheTransport(below, storage=storage, rfc=rules), trust_env=False)


def _requests_cache(options: dict[str, Any], folder: Path) -> Any:
    from requests_cache import CachedSession

    session = CachedSession(backend="memory", allowable_methods=["GET", "HEAD"], **options)
    session.trust_env = False
    return _LikeHttpx(session)


class _LikeHttpx:
    """A session of requests, called as a client of httpx."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.cookies = self
        self.jar = session.cookies

    def request(self, method: str, url: str, headers: list[tuple[bytes, bytes]], content: bytes | None) -> Any:
        joined = dict(httpx.Headers(headers))
        response = self._session.request(method, url, headers=joined, data=content, allow_redirects=False, timeout=10)
        fields = httpx.Headers(list(response.headers.items()))
        return SimpleNamespace(status_code=response.status_code, headers=fields, text=response.text)

    def close(self) -> None:
        self._session.close()
