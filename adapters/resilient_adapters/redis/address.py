"""Where a server is, and how connections to it are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast
from urllib.parse import unquote, urlsplit

import redis.asyncio.connection as for_tasks
import redis.connection as for_threads

from resilient.errors import ConfigurationError
from resilient_adapters.redis.script import Command

Kind = Literal["tcp", "tls", "unix"]


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

    def connection(self, timeout: float, *, protocol: int = 2) -> Connection:
        """A connection for threads that is not open yet; ``timeout`` seconds bound each of its waits.

        By the third version of the protocol a server may also say what nobody has asked for.
        """
        kinds: dict[Kind, Any] = {
            "tcp": for_threads.Connection,
            "tls": for_threads.SSLConnection,
            "unix": for_threads.UnixDomainSocketConnection,
        }
        return cast("Connection", kinds[self.kind](**{**self.options, "protocol": protocol}, socket_timeout=timeout))

    def connection_for_tasks(self) -> AsyncConnection:
        """The same for tasks. Its waits are bounded by their tasks: redis-py's own bound loses cancellations."""
        kinds: dict[Kind, Any] = {
            "tcp": for_tasks.Connection,
            "tls": for_tasks.SSLConnection,
            "unix": for_tasks.UnixDomainSocketConnection,
        }
        return cast("AsyncConnection", kinds[self.kind](**self.options, socket_timeout=None))


def address_of(url: str, *, tls: bool, db: int | None, **options: Any) -> Address:
    """The address in a URL.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, without its query.
        tls: whether TLS was asked for beside it.
        db: the number of the database given beside it.
        options: of redis-py's connections; those that are None are left to it.

    Raises:
        ConfigurationError: the URL is wrong, or says the same thing as an option.
    """
    parts = urlsplit(url)
    given = {name: value for name, value in options.items() if value is not None}
    for name, text in (("username", parts.username), ("password", parts.password)):
        if text:
            if name in given:
                raise ConfigurationError(f"the store's {name} is given twice, in its URL and as an option")
            given[name] = unquote(text)
    kind: Kind
    if parts.scheme == "unix":
        kind, where, path = "unix", unquote(parts.path), ""
        if parts.hostname or not where.strip("/") or tls:
            raise ConfigurationError("a unix:// URL names a socket by its absolute path, three slashes in all, no TLS")
        given["path"] = where
    else:
        kind, path = "tls" if tls or parts.scheme == "rediss" else "tcp", parts.path.strip("/")
        given |= {"host": parts.hostname or "localhost", "port": parts.port or 6379}
        where = f"{given['host']}:{given['port']}"
    return Address(kind, where, given | {"db": _database(path, db), "protocol": 2})


def _database(path: str, db: int | None) -> int:
    if path and db is not None:
        raise ConfigurationError("the store's database is given twice, in its URL and as db=")
    if path and not (path.isascii() and path.isdigit()):
        # A password with a slash that is not escaped ends up here, so it is not repeated.
        raise ConfigurationError("a Redis URL ends with the number of a database, as in redis://host/0")
    return int(path or 0) if db is None else db
