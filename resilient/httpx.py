"""The door to httpx: clients and transports that are httpx's own, errors in its tree, and the library as a value.

The only room that names httpx. Everything that a client does is done in the engine; here requests get in and
answers get out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import httpx

from resilient import errors
from resilient.caching.cache import Cache, cache_of
from resilient.config import PathLike, client_options
from resilient.engine import TRIP, CircuitHandle, Engine, State, Trip
from resilient.events import Event
from resilient.messages import Unasked, origin_of
from resilient.outcome import Failure
from resilient.policies import Policies, PolicyMap
from resilient.policy import Policy
from resilient.ports import Clock, HttpLibrary, Runtime, StorePair, Telemetry
from resilient.runtime.body import StreamBody
from resilient.runtime.drive import drive
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.settings import unknown_option
from resilient.sinks import sinks_of

# --- errors ------------------------------------------------------------------------------------------------------


class CallError(errors.CallError, httpx.TransportError):
    """A call ended without an answer; an httpx error too."""

    _request: httpx.Request | None = None


class CircuitOpenError(errors.CircuitOpenError, CallError):
    """As :class:`resilient.errors.CircuitOpenError`."""


class DeadlineExceededError(errors.DeadlineExceededError, CallError, httpx.TimeoutException):
    """As :class:`resilient.errors.DeadlineExceededError`."""


class AttemptTimeoutError(errors.AttemptTimeoutError, CallError, httpx.TimeoutException):
    """As :class:`resilient.errors.AttemptTimeoutError`."""


class RateLimitedError(errors.RateLimitedError, CallError):
    """As :class:`resilient.errors.RateLimitedError`."""


# --- the library as a value --------------------------------------------------------------------------------------


class Body(StreamBody, httpx.SyncByteStream, httpx.AsyncByteStream):
    """A watched body that httpx takes for a stream of its own, in both colours."""


def _again(request: httpx.Request, extensions: Mapping[str, Any], fields: Mapping[str, str]) -> httpx.Request:
    """A shallow copy; the constructor would read the body and write header fields of its own."""
    made = httpx.Request.__new__(type(request))
    vars(made).update(vars(request))
    made.extensions = dict(extensions)
    if fields:
        made.headers = httpx.Headers(request.headers)
        made.headers.update(fields)
    return made


_PIECE = 16 * 1024
_NOT_ELSEWHERE = {"host", "content-length", "content-type", "transfer-encoding"}
_CREDENTIALS = ("authorization", "cookie", "token", "api-key", "apikey", "secret")


def _elsewhere(request: httpx.Request, url: str) -> httpx.Request:
    target = httpx.URL(url)
    foreign = origin_of(target) != origin_of(request.url)
    fields = [
        (name, value)
        for name, value in request.headers.multi_items()
        if name not in _NOT_ELSEWHERE and not (foreign and any(word in name for word in _CREDENTIALS))
    ]
    return httpx.Request("GET", target, headers=fields, extensions=request.extensions)


def _rewind(request: httpx.Request) -> bool:
    """Only what httpx itself can send again: bytes, forms and multipart in memory, and files that can be rewound."""
    stream: Any = request.stream
    if isinstance(stream, httpx.ByteStream):
        return True
    if hasattr(stream, "fields"):  # multipart, which rewinds its files when it is iterated
        return all(_rereadable(getattr(one, "file", b"")) for one in stream.fields)
    source = getattr(stream, "_stream", None)
    if isinstance(source, Sequence):
        return True
    if source is None or not _rereadable(source):
        return False
    source.seek(0)
    return True


def _rereadable(source: Any) -> bool:
    if isinstance(source, str | bytes):
        return True
    seekable: Callable[[], bool] | None = getattr(source, "seekable", None)
    return seekable is not None and seekable()


def _response(status: int, fields: list[tuple[bytes, bytes]], content: bytes) -> httpx.Response:
    return httpx.Response(status, headers=fields, stream=httpx.ByteStream(content))


def _decodes(fields: list[tuple[bytes, bytes]], content: bytes) -> bool:
    """In small pieces, which may be much larger once decoded."""
    headers = httpx.Headers(fields)
    if "content-encoding" not in headers:
        return True
    pieces = (content[at : at + _PIECE] for at in range(0, len(content), _PIECE))
    try:
        for _ in httpx.Response(200, headers=headers, content=pieces).iter_bytes():
            pass
    except httpx.DecodingError:
        return False
    return True


def _body(response: httpx.Response) -> Body:
    stream = response.stream
    if not isinstance(stream, Body):
        stream = response.stream = Body(stream)
    return stream


def _received(response: httpx.Response) -> httpx.Response:
    """What a transport answered, with a body that can be watched; mocks answer with bodies read at their birth."""
    if not response.is_closed:
        _body(response)
        return response
    source, headers = response.stream, response.headers
    if not isinstance(source, httpx.ByteStream):  # consumed, and decoded
        source = httpx.ByteStream(response.content)
        headers = httpx.Headers([item for item in headers.raw if item[0].lower() != b"content-encoding"])
    return httpx.Response(response.status_code, headers=headers, stream=Body(source), extensions=response.extensions)


LIBRARY = HttpLibrary(
    name="httpx",
    failures={
        httpx.ConnectError: Failure.UNSENT,
        httpx.ConnectTimeout: Failure.UNSENT,
        httpx.ProxyError: Failure.UNSENT,
        httpx.PoolTimeout: Failure.POOL,
        httpx.TimeoutException: Failure.TIMEOUT,
        httpx.TransportError: Failure.BROKEN,
        httpx.UnsupportedProtocol: Failure.INVALID,
        httpx.LocalProtocolError: Failure.INVALID,
        httpx.TooManyRedirects: Failure.INVALID,
        httpx.InvalidURL: Failure.INVALID,
    },
    natives={
        errors.CallError: CallError,
        errors.CircuitOpenError: CircuitOpenError,
        errors.DeadlineExceededError: DeadlineExceededError,
        errors.AttemptTimeoutError: AttemptTimeoutError,
        errors.RateLimitedError: RateLimitedError,
    },
    response=_response,
    again=_again,
    elsewhere=_elsewhere,
    rewind=_rewind,
    body=_body,
    decodes=_decodes,
)


# --- transports --------------------------------------------------------------------------------------------------


class _Door(httpx.BaseTransport):
    """A blocking transport whose requests go through the engine first."""

    def __init__(self, transport: httpx.BaseTransport, engine: Engine) -> None:
        self._transport = transport
        self._engine = engine

    async def _send(self, request: httpx.Request) -> httpx.Response:
        return _received(self._transport.handle_request(request))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` as its policy says."""
        try:
            return drive(self._engine.handle(request, self._send))  # type: ignore[return-value] # as sent
        except errors.CallError as error:
            raise self._engine.dressed(error)  # noqa: B904 - dressed has the same cause as error


class _AsyncDoor(httpx.AsyncBaseTransport):
    """An asynchronous transport whose requests go through the engine first."""

    def __init__(self, transport: httpx.AsyncBaseTransport, engine: Engine) -> None:
        self._transport = transport
        self._engine = engine

    async def _send(self, request: httpx.Request) -> httpx.Response:
        return _received(await self._transport.handle_async_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request`` as its policy says."""
        try:
            return await self._engine.handle(request, self._send)  # type: ignore[return-value] # as sent
        except errors.CallError as error:
            raise self._engine.dressed(error)  # noqa: B904


Store = str | StorePair | Cache
Sink = Telemetry | Callable[[Event], object]


class _Owner:
    """What clients and transports have in common: an engine, and a cache that may be theirs to close."""

    def __init__(
        self,
        runtime: Runtime,
        policies: PolicyMap | Policies | Policy | None,
        store: Store | None,
        name: str,
        telemetry: Sequence[Sink],
    ) -> None:
        found = policies if isinstance(policies, Policies) else Policies(policies)
        sinks = sinks_of(telemetry)
        if store is None and found.keep_answers():
            store = "mem://"
        cache = None if store is None else cache_of(store, clock=runtime.clock, record=sinks)
        self.engine = Engine(found, runtime, LIBRARY, cache, name, sinks)
        self._own = None if isinstance(store, Cache) else cache

    def close(self) -> None:
        """Close the cache, unless it was given."""
        if self._own is not None:
            self._own.close()

    async def aclose(self) -> None:
        """Close the cache, unless it was given."""
        if self._own is not None:
            await self._own.aclose()


class ResilientTransport(_Door):
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
        self._owner = _Owner(ThreadRuntime(clock), policies, store, name, telemetry)
        super().__init__(transport, self._owner.engine)

    def __enter__(self) -> Self:
        self._transport.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            self._transport.__exit__(exc_type, exc_value, traceback)
        finally:
            self._owner.close()

    def close(self) -> None:
        """Close the transport and its cache."""
        try:
            self._transport.close()
        finally:
            self._owner.close()


class AsyncResilientTransport(_AsyncDoor):
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
        self._owner = _Owner(TaskRuntime(clock), policies, store, name, telemetry)
        super().__init__(transport, self._owner.engine)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            await self._transport.__aexit__(exc_type, exc_value, traceback)
        finally:
            await self._owner.aclose()

    async def aclose(self) -> None:
        """Close the transport and its cache."""
        try:
            await self._transport.aclose()
        finally:
            await self._owner.aclose()


# --- clients -----------------------------------------------------------------------------------------------------


_DEFAULT_TIMEOUT = httpx.Timeout(Unasked(5.0))
"""httpx's own default, whose seconds say that nobody asked for them; httpx copies timeouts, never seconds."""

Fields = Mapping[str, str] | Mapping[bytes, bytes] | Sequence[tuple[str, str]] | Sequence[tuple[bytes, bytes]]
Auth = tuple[str | bytes, str | bytes] | Callable[[httpx.Request], httpx.Request] | httpx.Auth
Times = float | tuple[float | None, float | None, float | None, float | None] | httpx.Timeout | None
Certificate = str | tuple[str, str] | tuple[str, str, str]


class SharedOptions(TypedDict, total=False):
    """Every argument of httpx's clients that has one meaning in both colours."""

    auth: Auth | None
    params: Any
    headers: httpx.Headers | Fields | None
    cookies: Any
    verify: Any
    cert: Certificate | None
    trust_env: bool
    http1: bool
    http2: bool
    proxy: str | httpx.URL | httpx.Proxy | None
    timeout: Times
    follow_redirects: bool
    limits: httpx.Limits
    max_redirects: int
    event_hooks: Mapping[str, list[Callable[..., Any]]] | None
    base_url: httpx.URL | str
    default_encoding: str | Callable[[bytes], str]


class ClientOptions(SharedOptions, total=False):
    """Every argument of ``httpx.Client``."""

    mounts: Mapping[str, httpx.BaseTransport | None] | None
    transport: httpx.BaseTransport | None


class AsyncClientOptions(SharedOptions, total=False):
    """Every argument of ``httpx.AsyncClient``."""

    mounts: Mapping[str, httpx.AsyncBaseTransport | None] | None
    transport: httpx.AsyncBaseTransport | None


class _Beside(TypedDict, total=False):
    """What may be given beside a file of policies."""

    store: Store | None
    name: str
    telemetry: Sequence[Sink]
    clock: Clock | None


class ConfiguredOptions(ClientOptions, _Beside, total=False):
    """Every argument of ``ResilientClient`` but its policies."""


class AsyncConfiguredOptions(AsyncClientOptions, _Beside, total=False):
    """Every argument of ``AsyncResilientClient`` but its policies."""


OWN_OPTIONS = ("policies", "store", "name", "telemetry", "clock")


def _checked(owner: str, options: Mapping[str, Any], known: type[SharedOptions]) -> dict[str, Any]:
    """The options for httpx, with a default timeout that says that it is one."""
    names = {*known.__annotations__, *SharedOptions.__annotations__}
    for name, value in options.items():
        if name not in names:
            # A misspelt auth, headers or proxy holds secrets.
            shown = value if isinstance(value, int | float | None) else f"a {type(value).__name__}"
            unknown_option(owner, name, shown, {*names, *OWN_OPTIONS})
    return {"timeout": _DEFAULT_TIMEOUT, **options}


def _carrying(request: httpx.Request, trip: Trip) -> httpx.Request:
    """The request on its trip: a copy, so that one request may be sent many times at once."""
    return _again(request, {**request.extensions, TRIP: trip}, {})


def _give_back(request: httpx.Request, carried: httpx.Request) -> None:
    """Let the caller's request look as if it had travelled itself."""
    state = dict(vars(carried))
    state["extensions"] = {name: value for name, value in carried.extensions.items() if name != TRIP}
    vars(request).update(state)


def _handed_over(response: httpx.Response, request: httpx.Request, carried: httpx.Request) -> httpx.Response:
    _give_back(request, carried)
    for one in (response, *response.history):
        if one.request is carried:
            one.request = request
        else:
            _at_home(one.request)
    if response.next_request is not None:
        _at_home(response.next_request)
    return response


def _at_home(request: httpx.Request) -> None:
    """A request that httpx made on the way, for a redirect: whoever sends it again starts a call of its own."""
    request.extensions.pop(TRIP, None)


def _named_in(error: BaseException, request: httpx.Request, carried: httpx.Request) -> None:
    _give_back(request, carried)
    named: httpx.Request | None = getattr(error, "_request", None)
    if named is carried and isinstance(error, httpx.HTTPError):
        error.request = request
    elif named is not None:
        _at_home(named)


class _Client:
    """What both clients show of their engine."""

    _owner: _Owner
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
        super().__init__(**_checked("ResilientClient", options, ClientOptions))
        self._owner = _Owner(ThreadRuntime(clock), policies, store, name, telemetry)
        self._doors: dict[int, _Door] = {}

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

    def _transport_for_url(self, url: httpx.URL) -> httpx.BaseTransport:
        transport = super()._transport_for_url(url)
        door = self._doors.get(id(transport))  # held by its door; it need not be hashable
        if door is None:
            door = self._doors[id(transport)] = _Door(transport, self._owner.engine)
        return door

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send ``request`` as its policy says; arguments as in ``httpx.Client.send``.

        Raises:
            CallError: a policy ended the call; an ``httpx.TransportError`` too.
            httpx.HTTPError: the last attempt failed so.
        """
        trip = self._owner.engine.begin(stream)
        carried = _carrying(request, trip)
        try:
            response = super().send(carried, stream=stream, **options)
        except BaseException as error:
            _named_in(error, request, carried)
            self._owner.engine.failed(trip, request, error)
            raise
        self._owner.engine.ended(trip, request, response)
        return _handed_over(response, request, carried)

    def close(self) -> None:
        """Close the connections, and the cache unless it was given."""
        try:
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
        super().__init__(**_checked("AsyncResilientClient", options, AsyncClientOptions))
        self._owner = _Owner(TaskRuntime(clock), policies, store, name, telemetry)
        self._doors: dict[int, _AsyncDoor] = {}

    @classmethod
    def from_config(cls, path: PathLike, *, watch: bool = False, **options: Unpack[AsyncConfiguredOptions]) -> Self:
        """A client as a TOML file says; as :meth:`ResilientClient.from_config`."""
        return cls(**client_options(path, watch, options))

    def _transport_for_url(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        transport = super()._transport_for_url(url)
        door = self._doors.get(id(transport))  # held by its door; it need not be hashable
        if door is None:
            door = self._doors[id(transport)] = _AsyncDoor(transport, self._owner.engine)
        return door

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send ``request`` as its policy says; arguments as in ``httpx.AsyncClient.send``.

        Raises:
            CallError: a policy ended the call; an ``httpx.TransportError`` too.
            httpx.HTTPError: the last attempt failed so.
        """
        trip = self._owner.engine.begin(stream)
        carried = _carrying(request, trip)
        try:
            response = await super().send(carried, stream=stream, **options)
        except BaseException as error:
            _named_in(error, request, carried)
            self._owner.engine.failed(trip, request, error)
            raise
        self._owner.engine.ended(trip, request, response)
        return _handed_over(response, request, carried)

    async def aclose(self) -> None:
        """Close the connections, and the cache unless it was given."""
        try:
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
            await super().__aexit__(exc_type, exc_value, traceback)
        finally:
            await self._owner.aclose()
