"""Connections for threads: whoever asks waits so long and no longer, also while a connection is being opened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.redis.address import Address, Connection
from resilient_adapters.redis.pool import Pool, Waiter
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.trouble import failure

_LEAST = 0.001
"""Seconds; a socket that may wait for less would not wait at all."""


class Threads:
    """The connections of all threads.

    Args:
        address: where they lead.
        pool: makes a pool.
    """

    def __init__(self, address: Address, pool: Callable[[], Pool[Connection]]) -> None:
        self._address = address
        self._make_pool = pool
        self.renew()

    def renew(self) -> None:
        """Start with nothing open; also in a child process, where nothing that was open may be used."""
        self._pool = self._make_pool()

    def ask(self, commands: Sequence[Command], ends: float) -> list[Any]:
        """What a server answers to each of ``commands``; what it refuses is an error in its place.

        Args:
            commands: sent at once.
            ends: the instant of the monotonic clock until which this thread waits at most.

        Raises:
            StoreUnavailableError: the server did not answer, or not in time; the commands may be done all the same.
        """
        pool = self._pool
        connection = self._borrowed(pool, ends)
        try:
            answers = _exchange(connection, commands, ends)
        except (RedisError, OSError, ValueError) as error:
            self._drop(pool, connection)
            raise failure(error) from None
        except BaseException:
            self._drop(pool, connection)
            raise
        if any(isinstance(answer, ReadOnlyError) for answer in answers):
            # It leads to what was the master once. The next one is looked up anew.
            self._drop(pool, connection)
        else:
            _close(pool.give(connection))
        return answers

    def close(self) -> None:
        """Close all connections; those in use once they are given back."""
        _close(self._pool.close())

    def _borrowed(self, pool: Pool[Connection], ends: float) -> Connection:
        while True:
            connection = self._taken(pool, ends)
            if _is_fit(connection):
                return connection
            self._drop(pool, connection)

    def _taken(self, pool: Pool[Connection], ends: float) -> Connection:
        rung = threading.Event()
        waiter: Waiter[Connection] = Waiter(rung.set)
        connection, opens = pool.take(waiter)
        if connection is not None:
            return connection
        try:
            if opens:
                self._open(pool)
            rung.wait(max(0.0, ends - time.monotonic()))
        finally:
            connection = pool.withdraw(waiter)
        if connection is not None:
            return connection
        raise waiter.error or StoreUnavailableError(
            f"no connection to Redis at {self._address.where} was free in time", kind="timeout"
        )

    def _open(self, pool: Pool[Connection]) -> None:
        """Open a connection in a thread of its own: it may take longer than anybody here can wait."""
        thread = threading.Thread(target=self._connect, args=(pool,), name="resilient-redis-opener", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            pool.failed(failure(error))

    def _connect(self, pool: Pool[Connection]) -> None:
        again = True
        while again:
            connection: Connection | None = None
            try:
                connection = self._address.connection(_patience(self._address))
                connection.connect()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the connection
                if connection is not None:
                    connection.disconnect()
                again = pool.failed(error if isinstance(error, StoreError) else failure(error))
            else:
                _close(pool.opened(connection))
                return

    def _drop(self, pool: Pool[Connection], connection: Connection) -> None:
        connection.disconnect()
        if pool.drop():
            self._open(pool)


def _exchange(connection: Connection, commands: Sequence[Command], ends: float) -> list[Any]:
    connection.update_current_socket_timeout(max(_LEAST, ends - time.monotonic()))
    connection.send_packed_command(connection.pack_commands(commands))
    answers: list[Any] = []
    for _ in commands:
        connection.update_current_socket_timeout(max(_LEAST, ends - time.monotonic()))
        try:
            answers.append(connection.read_response())
        except ResponseError as error:
            answers.append(error)
    return answers


def _is_fit(connection: Connection) -> bool:
    """Whether the server has neither closed it nor said anything that nobody asked for."""
    try:
        return not connection.can_read(0)
    except (RedisError, OSError):
        return False


def _patience(address: Address) -> float:
    """Seconds that a server may take for each step in which a connection introduces itself."""
    patience: float = address.options["socket_connect_timeout"]
    return patience


def _close(connections: list[Connection]) -> None:
    for connection in connections:
        connection.disconnect()
