"""Requests and responses as the core sees them: what it reads of any HTTP library's own classes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, overload

T = TypeVar("T")


class URL(Protocol):
    """An absolute address."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def netloc(self) -> bytes: ...
    @property
    def path(self) -> str: ...
    @property
    def raw_path(self) -> bytes: ...


class Headers(Protocol):
    """Header fields; names are case-insensitive."""

    @property
    def raw(self) -> list[tuple[bytes, bytes]]: ...
    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, default: T) -> str | T: ...
    def get_list(self, key: str, split_commas: bool = False) -> list[str]: ...
    def __contains__(self, key: Any) -> bool: ...
    def __setitem__(self, key: str, value: str, /) -> None: ...


class Request(Protocol):
    """A request; the core never changes one."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> URL: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def extensions(self) -> Mapping[str, Any]: ...


class Response(Protocol):
    """An answer; its body is read through :class:`Body`."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def extensions(self) -> MutableMapping[str, Any]: ...


class Watcher(Protocol):
    """Told what happens to a body."""

    def chunk(self, data: bytes) -> None:
        """Called for each piece of the raw body, before the reader gets it."""
        ...

    async def ended(self, complete: bool, error: BaseException | None) -> None:
        """Called exactly once, when the body is closed.

        Args:
            complete: whether all of it was read.
            error: what broke it, if anything did.
        """
        ...


class Body(Protocol):
    """The raw body of a response, read once; both colours."""

    @property
    def content(self) -> bytes | None:
        """All of it, once an attempt has read it; None for a stream."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` what happens from now on."""
        ...

    def __iter__(self) -> Iterator[bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...
    def keep(self, content: bytes) -> None:
        """From now on give back ``content``, as often as it is asked for."""
        ...


class Unasked(float):
    """Seconds of an HTTP library's default timeout: nobody asked for them, so a policy may replace them."""

    __slots__ = ()


NOTHING_ASKED: Mapping[str, float | None] = MappingProxyType({})


def asked_phases(request: Request) -> Mapping[str, float | None]:
    """The phases of a request's timeout that the caller or an SDK gave; None is for ever."""
    given: Mapping[str, float | None] = request.extensions.get("timeout") or NOTHING_ASKED
    return {phase: seconds for phase, seconds in given.items() if not isinstance(seconds, Unasked)}


def origin_of(url: URL) -> str:
    """Scheme, host and port of ``url`` as one text (RFC 6454 section 6.2); no user, path or query."""
    port = url.port
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" if port is None else f"{url.scheme}://{host}:{port}"
