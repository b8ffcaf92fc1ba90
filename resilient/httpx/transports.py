"""Transports of httpx whose requests go through policies."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from resilient import errors
from resilient.engine import Engine
from resilient.httpx.library import again, pool_full, pooled, received, refuse_foreign
from resilient.httpx.owner import Owner, Store
from resilient.policies import Policies, PolicyMap
from resilient.policy import Policy
from resilient.ports import Clock
from resilient.runtime.drive import drive
from resilient.runtime.pool import GatedPool, GuardedPool
from resilient.runtime.tasks import TaskRuntime, running_loop
from resilient.runtime.threads import ThreadRuntime
from resilient.telemetry import Sink


class Door(httpx.BaseTransport):
    """A blocking transport whose requests go through the engine first."""

    def __init__(self, transport: httpx.BaseTransport, engine: Engine) -> None:
        self.transport = transport
        self._engine = engine
        self._handle = self._to_transport
        if (connections := pooled(transport)) is not None:
            self._handle = GatedPool(self._handle, connections, engine.runtime, pool_full).send

    def _to_transport(self, request: httpx.Request) -> httpx.Response:
        # Looked up each time: mocks come and go on the transport's class while the client lives.
        return self.transport.handle_request(request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        return received(self._handle(request))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` as its policy says."""
        try:
            return drive(self._engine.handle(request, self._send))  # type: ignore[return-value] # as sent
        except errors.CallError as error:
            raise self._engine.dressed(error)  # noqa: B904 - dressed has the same cause as error


class AsyncDoor(httpx.AsyncBaseTransport):
    """An asynchronous transport whose requests go through the engine first."""

    def __init__(self, transport: httpx.AsyncBaseTransport, engine: Engine) -> None:
        self.transport = transport
        self._engine = engine
        self._handle = self._to_transport
        self._pool: GuardedPool | None = None
        if (connections := pooled(transport)) is not None:
            self._pool = GuardedPool(self._handle, connections, engine.runtime, pool_full)
            self._handle = self._pool.send

    def _to_transport(self, request: httpx.Request) -> Coroutine[Any, Any, httpx.Response]:
        return self.transport.handle_async_request(request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if self._pool is not None:
            request = again(request, request.extensions, {})  # the pool adds a trace, which is not the caller's
        return received(await self._handle(request))

    async def settle(self) -> None:
        """Wait until what callers gave up is wound up."""
        if self._pool is not None:
            await self._pool.exchanges.settle()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` as its policy says."""
        try:
            return await self._engine.handle(request, self._send)  # type: ignore[return-value] # as sent
        except errors.CallError as error:
            raise self._engine.dressed(error)  # noqa: B904


class ResilientTransport(Door):
    """An httpx transport that sends through policies, for people who own their client.

    Every request that it handles is a call of its own, and its answer is taken to be streamed.

    Args:
        transport: what sends; any blocking transport of httpx.
        policies: by pattern, or one for everything, or a ``Policies`` that others share.
        store: where answers are kept: a URL such as ``disk:///var/cache/app``, a store, or a ``Cache``, which
            is then not closed here. Memory if a policy keeps answers and nothing is given.
        name: the name in metrics.
        telemetry: who hears of events.
        clock: what tells the time; the machine's if not given.

    Raises:
        ConfigurationError: an option has a wrong value.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        *,
        policies: PolicyMap | Policies | Policy | None = None,
        store: Store | None = None,
        name: str = "default",
        telemetry: Sequence[Sink] = (),
        clock: Clock | None = None,
    ) -> None:
        refuse_foreign("transport", transport)
        self._owner = Owner(ThreadRuntime(clock), policies, store, name, telemetry)
        super().__init__(transport, self._owner.engine)

    def __enter__(self) -> Self:
        self.transport.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            self._owner.settle()
            self.transport.__exit__(exc_type, exc_value, traceback)
        finally:
            self._owner.close()

    def close(self) -> None:
        """Close the transport and its cache."""
        try:
            self._owner.settle()
            self.transport.close()
        finally:
            self._owner.close()


class AsyncResilientTransport(AsyncDoor):
    """As :class:`ResilientTransport`, for httpx's asynchronous client."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        policies: PolicyMap | Policies | Policy | None = None,
        store: Store | None = None,
        name: str = "default",
        telemetry: Sequence[Sink] = (),
        clock: Clock | None = None,
    ) -> None:
        refuse_foreign("transport", transport)
        self._owner = Owner(TaskRuntime(clock), policies, store, name, telemetry)
        super().__init__(transport, self._owner.engine)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` as its policy says."""
        running_loop()
        return await super().handle_async_request(request)

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            await self._owner.asettle()
            await self.settle()
            await self.transport.__aexit__(exc_type, exc_value, traceback)
        finally:
            await self._owner.aclose()

    async def aclose(self) -> None:
        """Close the transport and its cache."""
        try:
            await self._owner.asettle()
            await self.settle()
            await self.transport.aclose()
        finally:
            await self._owner.aclose()
