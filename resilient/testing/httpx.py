"""The testing kit for httpx; the only room of the kit that names it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, TypedDict, Unpack, overload

import httpx

from resilient.call import Middleware
from resilient.errors import ConfigurationError
from resilient.httpx import ResilientClient
from resilient.policy import Policy
from resilient.ports import Clock
from resilient.runtime.drive import drive
from resilient.settings import unknown_option
from resilient.testing.injector import RATES, Fault, Injector, Rates
from resilient.testing.ledger import Received
from resilient.testing.reply import TEXTS, Latency, Reply
from resilient.testing.scripted import ScriptedOrigin, SentBody

ERRORS = {
    "connect": httpx.ConnectError,
    "connect_timeout": httpx.ConnectTimeout,
    "pool": httpx.PoolTimeout,
    "read": httpx.ReadError,
    "read_timeout": httpx.ReadTimeout,
    "write": httpx.WriteError,
    "protocol": httpx.RemoteProtocolError,
    "refused_stream": httpx.RemoteProtocolError,
}


class Origin(ScriptedOrigin, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A scripted origin in the place of a network: a transport for both colours.

    It honours the phases of a request's timeout as a real transport does: an answer that takes longer than
    the read phase is a ``ReadTimeout`` after that phase.

    ::

        origin = Origin(clock=clock)
        origin.fails(times=10, error="connect")
        origin.answers(503, retry_after=2)
        origin.at("/slow/*").answers(latency="2s")
        origin.during(10, 20).hangs()
        origin.fails(rate=0.1, status=503)
        origin.behaves(lambda request, number, now: 429 if number % 2 else 200)

    Args:
        clock: what tells the time and passes it; the machine's if not given.
        capacity: how many requests it works on at once, no limit if not given.
        seed: of the dice for rates and latencies.
    """

    errors = ERRORS

    def __init__(self, *, clock: Clock | None = None, capacity: int | None = None, seed: int = 0) -> None:
        super().__init__(clock=clock, capacity=capacity, seed=seed)
        self._clients: dict[tuple[Middleware, ...], ResilientClient] = {}

    def called_through(
        self, *pipeline: Middleware, times: int = 1, method: str = "GET", url: str = "https://origin.test/"
    ) -> httpx.Response:
        """The answer to the last of ``times`` requests, sent one after the other through ``pipeline``.

        What the pipeline has learned stays from one call of this method to the next.

        Args:
            pipeline: middlewares, the first outermost.
            times: how many requests; what becomes of all but the last one is seen in :attr:`requests`.
            method: of the requests.
            url: their address.
        """
        with self._lock:
            if (client := self._clients.get(pipeline)) is None:
                policies = {"*": Policy(pipeline=pipeline)}
                client = self._clients[pipeline] = ResilientClient(transport=self, clock=self.clock, policies=policies)
        for _ in range(times - 1):
            with suppress(httpx.TransportError):
                client.request(method, url)
        return client.request(method, url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` as the script says, on this thread."""

        async def upload() -> bytes:
            assert isinstance(request.stream, httpx.SyncByteStream), "an async body in a blocking client"
            return b"".join(request.stream)

        return self._answer(*drive(self._receive(self.threads, request, upload)))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` as the script says, in this task."""

        async def upload() -> bytes:
            assert isinstance(request.stream, httpx.AsyncByteStream), "a blocking body in an async client"
            return b"".join([part async for part in request.stream])

        return self._answer(*await self._receive(self.tasks, request, upload))

    def _answer(self, reply: Reply, received: Received, read_phase: float | None) -> httpx.Response:
        return httpx.Response(
            reply.status,
            headers=reply.fields(self.clock.wall()),
            stream=_Stream(self, reply, received, read_phase),
            extensions={"http_version": b"HTTP/1.1"},
        )


class _Stream(SentBody, httpx.SyncByteStream, httpx.AsyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        while (piece := drive(self.piece(self._origin.threads))) is not None:
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self.piece(self._origin.tasks)) is not None:
            yield piece

    def close(self) -> None:
        self.over()

    async def aclose(self) -> None:
        self.over()


class FaultyTransport(httpx.BaseTransport):
    """A blocking transport with faults in front of it; made by :func:`faulty`.

    Attributes:
        injected: how often each fault happened, so that a test can prove that it did.
    """

    def __init__(self, transport: Any, injector: Injector) -> None:
        self._transport = transport
        self._injector = injector
        self.injected = injector.injected

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``, unless a fault happens."""
        try:
            drive(self._injector.strike(self._injector.threads, request.extensions.get("timeout", {})))
        except Fault as fault:
            raise ERRORS[fault.error](TEXTS[fault.error]) from None
        return _perhaps_dropped(self._transport.handle_request(request), self._injector)

    def close(self) -> None:
        """Close the transport behind it."""
        self._transport.close()


class AsyncFaultyTransport(httpx.AsyncBaseTransport):
    """As :class:`FaultyTransport`, for tasks."""

    def __init__(self, transport: Any, injector: Injector) -> None:
        self._transport = transport
        self._injector = injector
        self.injected = injector.injected

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``, unless a fault happens."""
        try:
            await self._injector.strike(self._injector.tasks, request.extensions.get("timeout", {}))
        except Fault as fault:
            raise ERRORS[fault.error](TEXTS[fault.error]) from None
        return _perhaps_dropped(await self._transport.handle_async_request(request), self._injector)

    async def aclose(self) -> None:
        """Close the transport behind it."""
        await self._transport.aclose()


class EitherFaultyTransport(FaultyTransport, AsyncFaultyTransport):
    """As :class:`FaultyTransport`, around a transport of both colours."""


class FaultOptions(TypedDict, total=False):
    """The options of :func:`faulty`."""

    connect_failure: float
    pool_full: float
    refused_stream: float
    drop_body: float
    latency: Latency | None
    slow_rate: float
    seed: int | None
    clock: Clock | None


@overload
def faulty(transport: Origin | httpx.MockTransport, **options: Unpack[FaultOptions]) -> EitherFaultyTransport: ...
@overload
def faulty(transport: httpx.BaseTransport, **options: Unpack[FaultOptions]) -> FaultyTransport: ...
@overload
def faulty(transport: httpx.AsyncBaseTransport, **options: Unpack[FaultOptions]) -> AsyncFaultyTransport: ...
def faulty(
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport,
    *,
    latency: Latency | None = None,
    seed: int | None = None,
    clock: Clock | None = None,
    **rates: Any,
) -> FaultyTransport | AsyncFaultyTransport:
    """``transport`` with faults in front of it, of the same colour.

    Args:
        transport: any transport of httpx.
        latency: how much longer a request takes; cut by its read phase.
        seed: of the dice; other dice every time if not given.
        clock: what passes the time, the machine's if not given.
        rates: shares from 0.0 to 1.0, each of all requests. ``connect_failure`` get no connection, ``pool_full`` wait
            the pool phase in vain, ``refused_stream`` are refused by the origin unseen, as HTTP/2 does, the answers
            of ``drop_body`` break off after half of their body, and ``slow_rate`` take longer by ``latency``; all do
            if it is not given.

    Raises:
        ConfigurationError: a rate is not between 0.0 and 1.0, or an option is unknown.
    """
    for name, value in rates.items():
        if name not in RATES:
            unknown_option("faulty()", name, value, {*RATES, "latency", "seed", "clock"})
    injector = Injector(Rates(**rates), latency, seed, clock)
    blocking, tasks = (
        isinstance(transport, httpx.BaseTransport),
        isinstance(transport, httpx.AsyncBaseTransport),
    )
    if blocking and tasks:
        return EitherFaultyTransport(transport, injector)
    if blocking:
        return FaultyTransport(transport, injector)
    if tasks:
        return AsyncFaultyTransport(transport, injector)
    raise ConfigurationError(f"transport={transport!r} is no transport of httpx")


def _perhaps_dropped(response: httpx.Response, injector: Injector) -> httpx.Response:
    keeps = injector.drops(response.headers.get("content-length"))
    if keeps is None:
        return response
    return httpx.Response(
        response.status_code,
        headers=response.headers,
        stream=_Half(response.stream, keeps),
        extensions=response.extensions,
    )


class _Half(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The beginning of a body, then a broken connection."""

    def __init__(self, stream: Any, keeps: float) -> None:
        self._stream = stream
        self._left = keeps

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield self._kept(chunk)
            if self._left <= 0:
                break
        raise httpx.ReadError(TEXTS["read"])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._kept(chunk)
            if self._left <= 0:
                break
        raise httpx.ReadError(TEXTS["read"])

    def _kept(self, chunk: bytes) -> bytes:
        size = len(chunk) // 2 if math.isnan(self._left) else min(len(chunk), int(self._left))
        self._left = 0 if math.isnan(self._left) else self._left - size
        return chunk[:size]

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()
