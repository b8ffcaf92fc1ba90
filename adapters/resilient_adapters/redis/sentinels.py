"""The master of a service: Sentinels are asked which server that is whenever a connection to it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from redis.exceptions import RedisError

from resilient.errors import ConfigurationError, StoreError, StoreTrouble, StoreUnavailableError
from resilient.stores.parameters import server_urls
from resilient_adapters.redis.address import (
    Address,
    AsyncConnection,
    Connection,
    abandon,
    database,
    with_credentials,
)
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.trouble import failure

_PORT = 26379
"""Of a Sentinel for which none is given."""

_ROLE: Command = ("HELLO",)
"""Answered with the role, among others; unlike ``ROLE`` it is allowed to everybody."""

_TELLING: tuple[StoreTrouble, ...] = ("auth", "readonly", "busy", "full", "corrupt", "timeout", "other")
"""Kinds of trouble, of which the first says most where several servers have each their own."""


@dataclass(frozen=True, slots=True)
class MasterAddress(Address):
    """The master of a service, whichever server that is when a connection is opened.

    Attributes:
        service: what the Sentinels call it.
        sentinels: where they are, in the order in which they are asked; who answered last goes first.
    """

    service: str
    sentinels: list[Address] = field(repr=False)

    def open(self, *, protocol: int = 2) -> Connection:
        search = Search(self)
        for sentinel in search.sentinels():
            with search.noting():
                connection, answer = _asked(sentinel, search.question)
                connection.disconnect()
                connection, answer = _asked(search.server(answer), _ROLE, protocol)
                if search.is_master(answer):
                    return connection
                connection.disconnect()
        raise search.failure()

    async def open_for_tasks(self) -> AsyncConnection:
        search = Search(self)
        for sentinel in search.sentinels():
            with search.noting():
                connection, answer = await _asked_by_tasks(sentinel, search.question)
                await abandon(connection)
                connection, answer = await _asked_by_tasks(search.server(answer), _ROLE)
                if search.is_master(answer):
                    return connection
                await abandon(connection)
        raise search.failure()


def master_of(
    url: str, sentinel_options: Mapping[str, Any], *, tls: bool, sentinel_tls: bool, db: int | None, **options: Any
) -> MasterAddress:
    """The master that a URL names by its Sentinels.

    Args:
        url: ``redis+sentinel://user:password@host:26379,other:26379/service/0``, without its query.
        sentinel_options: of redis-py's connections to the Sentinels; those that are None are left to it.
        tls: whether the master is reached by TLS.
        sentinel_tls: whether they are.
        db: the number of the database given beside it.
        options: of redis-py's connections to the master.

    Raises:
        ConfigurationError: the URL is wrong, or says the same thing as an option.
    """
    parts = [urlsplit(each) for each in server_urls(url)]
    service, _, number = parts[0].path.strip("/").partition("/")
    if not service:
        raise ConfigurationError("name the service after its Sentinels, as in redis+sentinel://host:26379/mymaster/0")
    given = with_credentials(options, parts[0].username, parts[0].password) | {"db": database(number, db)}
    theirs = with_credentials(sentinel_options, None, None)
    sentinels = [_sentinel(each, theirs, tls=sentinel_tls) for each in parts]
    service = unquote(service)
    return MasterAddress("tls" if tls else "tcp", f"the master of {service!r}", given, service, sentinels)


def _sentinel(parts: SplitResult, options: Mapping[str, Any], *, tls: bool) -> Address:
    if not parts.hostname:
        raise ConfigurationError(
            "name each Sentinel by its host, as in redis+sentinel://one:26379,other:26379/mymaster"
        )
    where = {"host": parts.hostname, "port": parts.port or _PORT}
    return Address("tls" if tls else "tcp", f"{parts.hostname}:{where['port']}", {**options, **where})


class Search:
    """One search for a master; how its questions are asked is a matter of the colour.

    Args:
        master: who is searched for.

    Attributes:
        question: what the Sentinels are asked.
    """

    def __init__(self, master: MasterAddress) -> None:
        self.question: Command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master.service)
        self._master = master
        self._sentinel = master.sentinels[0]
        self._asked = ""
        self._named: list[str] = []
        self._troubles: list[StoreError] = []
        self._is_over = False

    def sentinels(self) -> Iterator[Address]:
        """Whom to ask next: one may be away, or cut off, so that it has not heard of the last failover."""
        for sentinel in list(self._master.sentinels):
            if self._is_over:
                return
            self._sentinel, self._asked = sentinel, sentinel.where
            yield sentinel

    def server(self, answer: Any) -> Address:
        """The server that a Sentinel names.

        Raises:
            StoreUnavailableError: it names none, or one that was asked already.
        """
        others = [each for each in list(self._master.sentinels) if each is not self._sentinel]
        self._master.sentinels[:] = [self._sentinel, *others]
        words: list[Any] = answer or []
        if len(words) != 2:
            raise StoreUnavailableError(f"knows no service {self._master.service!r}")
        host, port = (word.decode() for word in words)
        self._asked = f"{host}:{port}"
        # Where two agree, a third one, which may take long to answer, would say nothing new.
        self._is_over = self._asked in self._named
        if self._is_over:
            raise StoreUnavailableError(f"is the master for {self._sentinel.where} too")
        self._named.append(self._asked)
        options = {**self._master.options, "host": host, "port": int(port)}
        return Address(self._master.kind, self._asked, options)

    def is_master(self, answer: Any) -> bool:
        """Whether the server says of itself that it is one. Before a failover is over, Sentinels may name another."""
        # By the third version of the protocol it is a map, by the second one a list.
        is_map = isinstance(answer, dict)
        said = cast("Any", answer).items() if is_map else zip(answer[::2], answer[1::2], strict=False)
        is_master = (b"role", b"master") in said
        if not is_master:
            self._note(StoreUnavailableError("is no master, or not any more", kind="readonly"))
        return is_master

    @contextmanager
    def noting(self) -> Generator[None]:
        """Remember a failure, and go on."""
        try:
            yield
        except (StoreError, RedisError, OSError, ValueError) as error:
            self._note(failure(error))

    def failure(self) -> StoreError:
        """Why no master was found."""
        kind = min(self._troubles, key=lambda error: _TELLING.index(error.kind)).kind
        said = "; ".join(str(error) for error in self._troubles)
        return StoreUnavailableError(f"no master of {self._master.service!r} was found: {said}", kind=kind)

    def _note(self, error: StoreError) -> None:
        self._troubles.append(StoreUnavailableError(f"{self._asked}: {error}", kind=error.kind))


def _asked(address: Address, question: Command, protocol: int = 2) -> tuple[Connection, Any]:
    """An open connection, and the answer that was given on it."""
    connection = address.open(protocol=protocol)
    try:
        connection.send_packed_command(connection.pack_commands([question]))
        return connection, connection.read_response()
    except BaseException:
        connection.disconnect()
        raise


async def _asked_by_tasks(address: Address, question: Command) -> tuple[AsyncConnection, Any]:
    connection = await address.open_for_tasks()
    try:
        async with asyncio.timeout(address.patience):
            await connection.send_packed_command(connection.pack_commands([question]))
            return connection, await connection.read_response()
    except BaseException:
        await abandon(connection)
        raise
