"""Clients that are httpx's own, and whose calls survive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from resilient.config import PathLike, client_options
from resilient.engine import CircuitHandle, State
from resilient.httpx.arriving import arrived, sets_cookies
from resilient.httpx.carrying import around, carrying, handed_over, named_in, parsed
from resilient.httpx.options import (
    AsyncClientOptions,
    AsyncConfiguredOptions,
    ClientOptions,
    ConfiguredOptions,
    checked,
    invalidation,
)
from resilient.httpx.owner import Owner, Store
from resilient.httpx.places import AsyncPlaces, Places
from resilient.messages import origin_of
from resilient.policies import Policies, PolicyMap
from resilient.policy import Policy
from resilient.ports import Clock
from resilient.runtime.drive import drive
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.telemetry import Sink


class _Client:
    """What both clients show of their engine."""

    _owner: Owner
    build_request: Callable[..., httpx.Request]

    def describe(self, url: httpx.URL | str, method: str = "GET") -> str:
        """The pipeline that applies to a request for ``url``, the outermost stage first, as text."""
        return self._owner.engine.describe(method.upper(), self.build_request(method, url).url)

    def state(self) -> dict[str, State]:
        """What is known of each origin: its circuit and its budget; by route and origin."""
        return self._owner.engine.state()

    def circuit(self, url: httpx.URL | str, method: str = "GET") -> CircuitHandle:
        """The circuit of the origin of ``url``, to be isolated or closed by hand."""
        return self._owner.engine.circuit(method.upper(), self.build_request(method, url).url)

    async def _invalidated(self, **given: Any) -> int:
        """Forget what is meant; how many answers there were."""
        what, value = invalidation(given)
        invalidating = self._owner.engine.invalidating()
        if invalidating is None:
            return 0
        if what == "tag":
            return await invalidating.tag(value)
        if what == "partition":
            return await invalidating.partition(value)
        request = self.build_request("GET", value)
        if what == "prefix":
            return await invalidating.prefix(origin_of(request.url) + request.url.path)
        return await invalidating.url(request.url, request.headers["host"].encode("latin-1", "replace"))


class ResilientClient(_Client, httpx.Client):
    """An ``httpx.Client`` whose calls survive.

    Args:
        policies: by pattern, or one for everything, or a ``Policies`` that others share.
        store: where answers are kept: a URL such as ``disk:///var/cache/app``, a store, or a ``Cache``, which
            is then not closed here. Memory if a policy keeps answers and nothing is given.
        name: the client's name in metrics.
        telemetry: who hears of events.
        clock: what tells the time; the machine's if not given.
        options: every argument of ``httpx.Client``, with its meaning there. A ``timeout`` that is given is kept;
            without one the policies' own times apply.

    Raises:
        ConfigurationError: an option does not exist or has a wrong value.
    """

    def __init__(
        self,
        *,
        policies: PolicyMap | Policies | Policy | None = None,
        store: Store | None = None,
        name: str = "default",
        telemetry: Sequence[Sink] = (),
        clock: Clock | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(**checked("ResilientClient", options, ClientOptions))
        self._owner = Owner(ThreadRuntime(clock), policies, store, name, telemetry)
        self._places = Places(options)

    @classmethod
    def from_config(cls, path: PathLike, *, watch: bool = False, **options: Unpack[ConfiguredOptions]) -> Self:
        """A client as a TOML file says, see :mod:`resilient.config`.

        Args:
            path: the file.
            watch: take over changes of the file's policies while the client is in use. Circuits and budgets stay
                as they are, and calls under way go on; a file with a mistake in it changes nothing.
            options: every argument of the class but ``policies``; they count more than the file.

        Raises:
            ConfigurationError: something in the file is wrong: names the file, the table, the key and the value.
        """
        return cls(**client_options(path, watch, options))

    def _merge_url(self, url: httpx.URL | str) -> httpx.URL:
        return super()._merge_url(parsed(url) if isinstance(url, str) else url)

    def _transport_for_url(self, url: httpx.URL) -> httpx.BaseTransport:
        place = self._places.here()
        found = super()._transport_for_url(url) if place.client is None else place.client._transport_for_url(url)
        return place.door(found, self._owner.engine)

    def _send_handling_auth(
        self, request: httpx.Request, auth: httpx.Auth, follow_redirects: bool, history: list[httpx.Response]
    ) -> httpx.Response:
        if type(auth) is httpx.Auth:  # none, so it need not be asked
            return self._send_handling_redirects(request, follow_redirects, history)
        return super()._send_handling_auth(request, auth, follow_redirects, history)

    def _send_single_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(request.stream, httpx.SyncByteStream):
            return super()._send_single_request(request)  # which refuses it
        began = perf_counter()
        try:
            response = self._transport_for_url(request.url).handle_request(request)
        except httpx.RequestError as error:
            error.request = request
            raise
        arrived(response, request, began, hooked=bool(self.event_hooks["response"]))
        if sets_cookies(response):
            self.cookies.extract_cookies(response)
        response.default_encoding = self._default_encoding
        return response

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send ``request`` as its policy says; arguments as in ``httpx.Client.send``.

        Raises:
            CallError: a policy ended the call; an ``httpx.TransportError`` too.
            httpx.HTTPError: the last attempt failed so.
        """
        trip = self._owner.engine.begin(request, stream)
        carried = carrying(request, trip)
        try:
            with around(trip, self.auth, options):
                response = super().send(carried, stream=stream, **options)
        except BaseException as error:
            named_in(error, request, carried)
            self._owner.engine.failed(trip, request, error)
            raise
        self._owner.engine.ended(trip, request, response)
        return handed_over(response, request, carried)

    def invalidate(
        self,
        *,
        url: httpx.URL | str | None = None,
        tag: str | None = None,
        prefix: httpx.URL | str | None = None,
        partition: str | None = None,
    ) -> int:
        """Forget kept answers; what is being asked for meanwhile is not kept either. Give one argument.

        Args:
            url: all answers to this URL, whoever they belong to.
            tag: what has this tag: answers that name it in Cache-Groups, and values of functions in the same store.
            prefix: all answers from URLs that begin so, whatever their query.
            partition: all answers of the partition of this name, see ``options(partition=...)``.

        Returns:
            How many were forgotten.

        Raises:
            ConfigurationError: it is not clear what is meant.
            StoreError: the store failed, and may not have forgotten.
        """
        return drive(self._invalidated(url=url, tag=tag, prefix=prefix, partition=partition))

    def close(self) -> None:
        """Close the connections, and the cache unless it was given."""
        try:
            self._owner.settle()
            if self._places.leave():
                super().close()
        finally:
            self._owner.close()

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            self._owner.settle()
            if self._places.leave():
                super().__exit__(exc_type, exc_value, traceback)
        finally:
            self._owner.close()


class AsyncResilientClient(_Client, httpx.AsyncClient):
    """An ``httpx.AsyncClient`` whose calls survive; arguments as of :class:`ResilientClient`.

    Raises:
        ConfigurationError: an option does not exist or has a wrong value.
    """

    def __init__(
        self,
        *,
        policies: PolicyMap | Policies | Policy | None = None,
        store: Store | None = None,
        name: str = "default",
        telemetry: Sequence[Sink] = (),
        clock: Clock | None = None,
        **options: Unpack[AsyncClientOptions],
    ) -> None:
        super().__init__(**checked("AsyncResilientClient", options, AsyncClientOptions))
        self._owner = Owner(TaskRuntime(clock), policies, store, name, telemetry)
        self._places = AsyncPlaces(options)

    @classmethod
    def from_config(cls, path: PathLike, *, watch: bool = False, **options: Unpack[AsyncConfiguredOptions]) -> Self:
        """A client as a TOML file says; as :meth:`ResilientClient.from_config`."""
        return cls(**client_options(path, watch, options))

    def _merge_url(self, url: httpx.URL | str) -> httpx.URL:
        return super()._merge_url(parsed(url) if isinstance(url, str) else url)

    def _transport_for_url(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        place = self._places.here()
        found = super()._transport_for_url(url) if place.client is None else place.client._transport_for_url(url)
        return place.door(found, self._owner.engine)

    async def _send_handling_auth(
        self, request: httpx.Request, auth: httpx.Auth, follow_redirects: bool, history: list[httpx.Response]
    ) -> httpx.Response:
        if type(auth) is httpx.Auth:  # none, so it need not be asked
            return await self._send_handling_redirects(request, follow_redirects, history)
        return await super()._send_handling_auth(request, auth, follow_redirects, history)

    async def _send_single_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(request.stream, httpx.AsyncByteStream):
            return await super()._send_single_request(request)  # which refuses it
        began = perf_counter()
        try:
            response = await self._transport_for_url(request.url).handle_async_request(request)
        except httpx.RequestError as error:
            error.request = request
            raise
        arrived(response, request, began, hooked=bool(self.event_hooks["response"]))
        if sets_cookies(response):
            self.cookies.extract_cookies(response)
        response.default_encoding = self._default_encoding
        return response

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send ``request`` as its policy says; arguments as in ``httpx.AsyncClient.send``.

        Raises:
            CallError: a policy ended the call; an ``httpx.TransportError`` too.
            httpx.HTTPError: the last attempt failed so.
        """
        trip = self._owner.engine.begin(request, stream)
        carried = carrying(request, trip)
        try:
            with around(trip, self.auth, options):
                response = await super().send(carried, stream=stream, **options)
        except BaseException as error:
            named_in(error, request, carried)
            self._owner.engine.failed(trip, request, error)
            raise
        self._owner.engine.ended(trip, request, response)
        return handed_over(response, request, carried)

    async def invalidate(
        self,
        *,
        url: httpx.URL | str | None = None,
        tag: str | None = None,
        prefix: httpx.URL | str | None = None,
        partition: str | None = None,
    ) -> int:
        """Forget kept answers; as :meth:`ResilientClient.invalidate`."""
        return await self._invalidated(url=url, tag=tag, prefix=prefix, partition=partition)

    async def aclose(self) -> None:
        """Close the connections, and the cache unless it was given."""
        try:
            await self._owner.asettle()
            if await self._places.aclose():
                await super().aclose()
        finally:
            await self._owner.aclose()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            await self._owner.asettle()
            if await self._places.aclose():
                await super().__aexit__(exc_type, exc_value, traceback)
        finally:
            await self._owner.aclose()
