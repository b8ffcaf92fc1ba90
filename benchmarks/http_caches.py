"""HTTP caches of others, over an origin that does nothing, each as its documentation shows it for a private cache.

Each returns a function that gets ``URL`` once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.measure import Bench
from benchmarks.origins import BODY, FRESH, URL, Family

Getter = Callable[[], Any]


def with_hishel(bench: Bench, family: Family, folder: Path) -> Getter:
    """Its transport below an async client, over SQLite: it has no memory."""
    from hishel import AsyncSqliteStorage

    door = importlib.import_module(f"hishel.{family.name}")
    storage = AsyncSqliteStorage(database_path=folder / f"hishel-{family.name}.db")
    below = family.origin(fields=FRESH)
    transport = door.AsyncCacheTransport(below, storage=storage, rfc={"shared": False})
    return partial(family.bare(bench, "async", transport=transport).get, URL)


def with_requests_cache(bench: Bench) -> Getter:
    """A session of requests that keeps what it may in its memory."""
    from requests.adapters import HTTPAdapter
    from requests_cache import CachedSession
    from urllib3 import HTTPResponse

    fields = {name.decode(): value.decode() for name, value in FRESH}

    class Answering(HTTPAdapter):
        def send(self, request: Any, **_: Any) -> Any:
            body = HTTPResponse(BytesIO(BODY), headers=fields, status=200, preload_content=False)
            return self.build_response(request, body)

    session = bench.own(CachedSession(backend="memory", cache_control=True))
    session.mount("http://", Answering())
    return partial(session.get, URL)


def is_kept(response: Any) -> None:
    """The answer is there; that it did not come from the origin is what its figure is about."""
    assert (response.status_code, response.content) == (200, BODY), response
