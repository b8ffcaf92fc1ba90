"""What a request says in Cache-Control holds for the caches behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from resilient import Cache, Command, cache
from resilient.http.directives import cache_control
from resilient_adapters.fastapi.fields import lines_of

_READING = (Command.GET, Command.GET_MANY)
_WRITING = (Command.SET, Command.SET_MANY)


class RequestCacheControl:
    """Have every request of a program served as its Cache-Control says (RFC 9111 section 5.2.1).

    ``no-cache`` and ``max-age=0``: nothing is read from the caches, and what is made is kept for others. ``no-store``:
    neither read nor kept. It holds for decorated functions, commands, and clients whose store is one of the caches,
    for as long as the request takes. Anybody who may send requests may then have everything made anew.

    ``app.add_middleware(RequestCacheControl)``, or ``(..., caches=[users, prices])``.

    Args:
        app: what is behind.
        caches: for which caches it holds; the one of the library if not given.
    """

    def __init__(self, app: ASGIApp, caches: Sequence[Cache] = (cache,)) -> None:
        self._app = app
        self._caches = tuple(caches)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        with _switched_off(scope, self._caches):
            await self._app(scope, receive, send)


def honour_cache_control(*caches: Cache) -> Callable[[Request], AsyncIterator[None]]:
    """The same for some endpoints: ``@app.get("/", dependencies=[Depends(honour_cache_control(cache))])``.

    Args:
        caches: for which caches it holds; the one of the library if none is given.
    """

    async def dependency(request: Request) -> AsyncIterator[None]:
        with _switched_off(request.scope, caches or (cache,)):
            yield

    return dependency


def _switched_off(scope: Scope, caches: Sequence[Cache]) -> ExitStack:
    """Switches off for ``caches`` what the request does not want."""
    stack = ExitStack()
    commands = _unwanted(scope)
    if commands:
        for one in caches:
            stack.enter_context(one.disabling(*commands))
    return stack


def _unwanted(scope: Scope) -> tuple[Command, ...]:
    if scope["type"] != "http":
        return ()
    directives = cache_control(lines_of(scope["headers"], b"cache-control"))
    if "no-store" in directives:
        return _READING + _WRITING
    max_age = directives.get("max-age") or ""
    none_old = max_age.isdecimal() and int(max_age) == 0
    return _READING if "no-cache" in directives or none_old else ()
