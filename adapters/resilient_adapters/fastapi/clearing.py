"""A request may have the caches forget what it is answered from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resilient import Cache, Command, cache
from resilient_adapters.fastapi.fields import lines_of


class ClearSiteData:
    """Forget whatever the endpoint of a request asks the caches for, if its field ``Clear-Site-Data`` says ``"cache"``.

    The request is answered anew, and nothing of it is kept; when its answer arrives, the keys of the decorated
    functions that it called are gone, whichever strategy kept them. A store that fails to forget fails the request.
    Whoever can send that field can have things forgotten, so use it only behind something that knows your own tools.

    ``app.add_middleware(ClearSiteData)``, or ``(..., caches=[users, prices])``.

    Args:
        app: what is behind.
        caches: which caches forget; the one of the library if not given.
    """

    def __init__(self, app: ASGIApp, caches: Sequence[Cache] = (cache,)) -> None:
        self._app = app
        self._caches = tuple(caches)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _asks_for_it(scope):
            await self._app(scope, receive, send)
            return
        with ExitStack() as stack:
            asked = [(one, stack.enter_context(one.detect())) for one in self._caches]
            for one in self._caches:
                stack.enter_context(one.disabling(Command.GET, Command.GET_MANY, Command.SET, Command.SET_MANY))

            async def forget() -> None:
                for one, detected in asked:
                    await one.delete_many(*detected.keys)

            async def send_cleared(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await forget()
                await send(message)

            await self._app(scope, receive, send_cleared)
            await forget()  # what was asked for while the body was sent


def _asks_for_it(scope: Scope) -> bool:
    said = ",".join(lines_of(scope["headers"], b"clear-site-data"))
    return any(part.strip().lower() in ('"cache"', '"*"') for part in said.split(","))
