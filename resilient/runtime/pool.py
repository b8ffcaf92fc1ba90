"""A guard in front of a pool of connections that loses them when requests are cancelled.

Two things keep it whole, and neither is enough alone. A gate lets in no more requests than the pool has
connections, so that none ever queues inside. And each request, its body and the closing of it included, runs where
its caller's cancellation does not reach: it is wound up behind the caller's back, and holds its permit until then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from resilient.ports import Runtime
from resilient.runtime.drive import drive
from resilient.runtime.gate import Gate
from resilient.runtime.hand_over import Exchanges, Leash


class GatedPool:
    """The guard of a blocking pool; threads are not cancelled, so the gate is all that it needs.

    Args:
        send: sends a request through the pool.
        connections: how many the pool has.
        runtime: how to wait for a permit.
        full: makes the error of a request that got none in time.
    """

    def __init__(
        self, send: Callable[[Any], Any], connections: int, runtime: Runtime, full: Callable[[], Exception]
    ) -> None:
        self._send = send
        self._runtime = runtime
        self._full = full
        self.gate = Gate(connections)

    def send(self, request: Any) -> Any:
        """The answer to ``request``; the permit is held until its body is closed."""
        if not drive(self.gate.enter(self._runtime, pool_phase(request))):
            raise self._full()
        try:
            response = self._send(request)
        except BaseException:
            self.gate.leave()
            raise
        response.stream = _Permitted(response.stream, self.gate)
        return response


class GuardedPool:
    """The guard of an asynchronous pool; arguments as of :class:`GatedPool`."""

    def __init__(
        self, send: Callable[[Any], Any], connections: int, runtime: Runtime, full: Callable[[], Exception]
    ) -> None:
        self._send = send
        self._runtime = runtime
        self._full = full
        self.gate = Gate(connections)
        self.exchanges = Exchanges()

    async def send(self, request: Any) -> Any:
        """The answer to ``request``; the permit is held until its body is closed."""
        if not await self.gate.enter(self._runtime, pool_phase(request)):
            raise self._full()

        leash = Leash()
        trace = _Trace(leash, request.extensions.get("trace"))
        request.extensions = {**request.extensions, "trace": trace}

        async def exchange() -> Any:
            try:
                response = await self._send(request)
            except BaseException:
                self.gate.leave()
                raise
            response.stream = trace.body = _GuardedStream(response.stream, self.gate, self.exchanges)
            return response

        return await self.exchanges.run(exchange, _close, leash)


class _Trace:
    """Hears what the connection does, beside the caller's own trace.

    A body that fails while its caller reads it is closed on the spot, out of the caller's reach: a cancellation in
    the midst of closing it would lose the connection.
    """

    __slots__ = ("_leash", "_own", "body")

    def __init__(self, leash: Leash, own: Any) -> None:
        self._leash = leash
        self._own = own
        self.body: _GuardedStream | None = None

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            # A proxy's CONNECT is a request too, but the connection is not there yet.
            if info["request"].method != b"CONNECT":
                self._leash.works()
        elif event.endswith((".failed", "response_closed.started")):
            self._leash.rests()
            if self.body is not None and event.endswith("receive_response_body.failed"):
                await self.body.aclose()
        if self._own is not None:
            await self._own(event, info)


async def _close(response: Any) -> None:
    await response.stream.aclose()


class _Permitted:
    """A body that gives its permit back when it is closed."""

    __slots__ = ("_gate", "_stream")

    def __init__(self, stream: Any, gate: Gate) -> None:
        self._stream = stream
        self._gate = gate

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._gate.leave()


class _GuardedStream:
    """A body whose closing runs to its end, and gives its permit back then."""

    __slots__ = ("_closed", "_exchanges", "_gate", "_stream")

    def __init__(self, stream: Any, gate: Gate, exchanges: Exchanges) -> None:
        self._stream = stream
        self._gate = gate
        self._exchanges = exchanges
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        iterator: AsyncIterator[bytes] = aiter(self._stream)
        return iterator

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._exchanges.run(self._close)

    async def _close(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._gate.leave()


def pool_phase(request: Any) -> float | None:
    """Seconds that ``request`` waits for a connection at most."""
    timeouts: dict[str, float | None] = request.extensions.get("timeout") or {}
    return timeouts.get("pool")
