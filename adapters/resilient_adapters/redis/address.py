"""Where a server is, and how connections to it are made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, cast
from urllib.parse import unquote, urlsplit

import redis.asyncio.connection as for_tasks
import redis.connection as for_threads
from redis.exceptions import RedisError

from resilient.errors import ConfigurationError, StoreUnavailableError
from resilient.stores.parameters import server_urls
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.secure import AsyncSecureConnection, introduce, introduce_for_tasks

Kind = Literal["tcp", "tls", "unix"]

_STEPS = 3
"""As often as one step may take, so long may the whole: to reach the server, perhaps twice, and to be introduced."""


class Connection(Protocol):
    """As much of redis-py's connection as a thread uses."""

    def connect(self) -> None: ...
    def can_read(self, timeout: float) -> bool: ...
    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]: ...
    def send_packed_command(self, command: list[bytes]) -> None: ...
    def read_response(self, *, push_request: bool = False) -> Any: ...
    def update_current_socket_timeout(self, relaxed_timeout: float) -> None: ...
    def disconnect(self) -> None: ...


class AsyncConnection(Protocol):
    """As much of redis-py's connection as a task uses."""

    async def connect(self) -> None: ...
    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes]) -> None: ...
    async def read_response(self) -> Any: ...
    async def disconnect(self, nowait: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and how it is spoken to; what may be secret shows in no text.

    Attributes:
        kind: what kind of connection leads there.
        where: its host and port, or the path of its socket.
        options: of redis-py's connections.
    """

    kind: Kind
    where: str
    options: Mapping[str, Any] = field(repr=False)

    @property
    def patience(self) -> float:
        """Seconds that each step of opening a connection may take."""
        patience: float = self.options["socket_connect_timeout"]
        return patience

    def open(self, *, protocol: int = 2) -> Connection:
        """An open connection for threads.

        Args:
            protocol: its version; by the third one a server may also say what nobody has asked for.

        Raises:
            RedisError, OSError, ValueError: it cannot be opened.
            StoreError: the same, and why.
        """
        connection = self._made(protocol)
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return connection

    async def open_for_tasks(self) -> AsyncConnection:
        """The same for tasks."""
        connection = self._made_for_tasks()
        try:
            async with asyncio.timeout(_STEPS * self.patience):
                await connection.connect()
        except TimeoutError:
            await abandon(connection)
            raise StoreUnavailableError("the server does not let anybody in", kind="timeout") from None
        except BaseException:
            await abandon(connection)
            raise
        return connection

    def _made(self, protocol: int) -> Connection:
        """A connection for threads that is not open yet, of which each wait is bounded by itself."""
        kinds: dict[Kind, Any] = {
            "tcp": for_threads.Connection,
            "tls": partial(for_threads.SSLConnection, redis_connect_func=introduce),
            "unix": for_threads.UnixDomainSocketConnection,
        }
        return cast("Connection", kinds[self.kind](**self.options, protocol=protocol, socket_timeout=self.patience))

    def _made_for_tasks(self) -> AsyncConnection:
        """The same for tasks, but bounded from outside: redis-py's own bound loses cancellations."""
        kinds: dict[Kind, Any] = {
            "tcp": for_tasks.Connection,
            "tls": partial(AsyncSecureConnection, redis_connect_func=introduce_for_tasks),
            "unix": for_tasks.UnixDomainSocketConnection,
        }
        return cast("AsyncConnection", kinds[self.kind](**self.options, protocol=2, socket_timeout=None))


async def abandon(connection: AsyncConnection) -> None:
    """Close a connection without waiting for it."""
    with suppress(RedisError, OSError):
        await connection.disconnect(nowait=True)


def address_of(url: str, *, tls: bool, db: int | None, **options: Any) -> Address:
    """The address in a URL.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, without its query.
        tls: whether TLS was asked for, in it or beside it.
        db: the number of the database given beside it.
        options: of redis-py's connections; those that are None are left to it.

    Raises:
        ConfigurationError: the URL is wrong, or says the same thing as an option.
    """
    parts = urlsplit(url)
    given = with_credentials(options, parts.username, parts.password)
    kind: Kind
    if parts.scheme == "unix":
        kind, where, path = "unix", unquote(parts.path), ""
        if parts.hostname or not where.strip("/") or tls:
            raise ConfigurationError("a unix:// URL names a socket by its absolute path, three slashes in all, no TLS")
        given["path"] = where
    else:
        if len(server_urls(url)) > 1:
            raise ConfigurationError(
                f"{parts.scheme}:// names one server; several go with redis+cluster:// or redis+sentinel://"
            )
        kind, path = "tls" if tls else "tcp", parts.path.strip("/")
        given |= {"host": parts.hostname or "localhost", "port": parts.port or 6379}
        where = f"{given['host']}:{given['port']}"
    return Address(kind, where, given | {"db": database(path, db)})


def with_credentials(options: Mapping[str, Any], username: str | None, password: str | None) -> dict[str, Any]:
    """Those of ``options`` that are given, and who is named in a URL."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, text in (("username", username), ("password", password)):
        if text:
            if name in given:
                raise ConfigurationError(f"the store's {name} is given twice, in its URL and as an option")
            given[name] = unquote(text)
    return given


def database(path: str, db: int | None) -> int:
    """The number of the database at the end of a URL's path, or given beside it."""
    if path and db is not None:
        raise ConfigurationError("the store's database is given twice, in its URL and as db=")
    if path and not (path.isascii() and path.isdigit()):
        # A password with a slash that is not escaped ends up here, so it is not repeated.
        raise ConfigurationError("a Redis URL ends with the number of a database, as in redis://host/0")
    return int(path or 0) if db is None else db
