"""The HTTP libraries that we have a door to, and transports that do next to nothing."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache, partial
from itertools import chain, repeat
from types import ModuleType
from typing import Any

from benchmarks.measure import Bench, Colour, Contestant

Fields = list[tuple[bytes, bytes]]
URL = "http://origin.test/things/7"
BODY = b"x" * 2048
FIELDS = [
    (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT"),
    (b"server", b"bench"),
    (b"content-type", b"application/octet-stream"),
    (b"content-length", b"%d" % len(BODY)),
]
FRESH = [(b"date", formatdate(usegmt=True).encode()), *FIELDS[1:], (b"cache-control", b"max-age=31536000")]
"""Of an answer that every cache may keep."""
_DOORS = {"httpx": "resilient.httpx", "httpx2": "resilient_adapters.httpx2"}


@dataclass(frozen=True)
class Family:
    """An HTTP library and our door to it."""

    http: ModuleType
    door: ModuleType

    @property
    def name(self) -> str:
        """The library's."""
        return self.http.__name__

    def bare(self, bench: Bench, colour: Colour, **options: Any) -> Any:
        """The library's own client."""
        return bench.own((self.http.Client if colour == "blocking" else self.http.AsyncClient)(**options))

    def ours(self, bench: Bench, colour: Colour, **options: Any) -> Any:
        """Our client."""
        kind = self.door.ResilientClient if colour == "blocking" else self.door.AsyncResilientClient
        return bench.own(kind(**options))

    def our_transport(self, bench: Bench, colour: Colour, transport: Any, **options: Any) -> Callable[[Any], Any]:
        """Our transport around another one, as the function that is called with a request."""
        if colour == "blocking":
            return bench.own(self.door.ResilientTransport(transport, **options)).handle_request
        return bench.own(self.door.AsyncResilientTransport(transport, **options)).handle_async_request

    def origin(self, *statuses: int, fields: Fields = FIELDS) -> Any:
        """A transport that answers with each of ``statuses`` in turn and then for ever with the last."""
        return _answering(self.http)(statuses or (200,), fields)


def families() -> list[Family]:
    """Those whose door is there. One that is there and broken is an error."""
    return [Family(importlib.import_module(name), importlib.import_module(_DOORS[name])) for name in _present()]


def absent() -> list[str]:
    """What is not measured, and why."""
    return [f"{name}: not measured, there is no {door} yet" for name, door in _DOORS.items() if name not in _present()]


def _present() -> list[str]:
    return [name for name, door in _DOORS.items() if importlib.util.find_spec(door) is not None]


@cache
def _answering(http: Any) -> Callable[[tuple[int, ...], Fields], Any]:
    """Transports of ``http``, for both colours. As a network's, their answers have a body that is still to be read."""

    class Answering(http.BaseTransport, http.AsyncBaseTransport):
        def __init__(self, statuses: tuple[int, ...], fields: Fields) -> None:
            self.sent = 0
            self._fields = fields
            self._statuses = chain(statuses, repeat(statuses[-1]))

        def handle_request(self, request: Any) -> Any:
            self.sent += 1
            return http.Response(next(self._statuses), headers=self._fields, stream=http.ByteStream(BODY))

        async def handle_async_request(self, request: Any) -> Any:
            return self.handle_request(request)

    return Answering


def plain_get(bench: Bench, family: Family, colour: Colour) -> Contestant:
    """``Client.get`` or ``AsyncClient.get`` of the library itself, its body read."""
    client = family.bare(bench, colour, transport=family.origin())
    return bench.add(colour, partial(client.get, URL), is_answer)


def is_answer(response: Any) -> None:
    """The answer came, and all of it."""
    assert (response.status_code, response.content) == (200, BODY), response


def is_sent(response: Any) -> None:
    """The answer came from the origin, at the first attempt."""
    is_answer(response)
    journey = response.extensions["resilient"]
    assert [attempt.status for attempt in journey.attempts] == [200], journey
