"""A connection for one thread at a time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from resilient.errors import StoreUnavailableError
from resilient_adapters.redis.address import Connection
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.wire import UNASKED, Answers, packed

_LEAST = 0.001
"""Seconds; a socket that may wait for less would not wait at all."""

_PIECE = 64 * 1024
"""Bytes that are read at once at most."""


class Line:
    """A connection that is open.

    Args:
        connection: redis-py's, open; its socket is used by the line alone from now on, until it is closed.
    """

    def __init__(self, connection: Connection) -> None:
        opened: Any = connection
        self._connection = connection
        # redis-py has no way to give it away, and takes a third longer to write to it and to read from it.
        self._socket: socket.socket = opened._sock
        self._answers = Answers()

    def is_fit(self) -> bool:
        """Whether the server has neither closed it nor said anything that nobody asked for."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def send(self, commands: Sequence[Command], ends: float) -> None:
        """Ask the server.

        Raises:
            StoreUnavailableError: it did not take all of it before the instant ``ends``.
            OSError: the connection is broken.
        """
        with _in_time():
            self._wait_until(ends)
            self._socket.sendall(packed(commands))

    def read(self, count: int, ends: float) -> list[Any]:
        """What the server answers to each of the ``count`` commands that it was asked; an error where it refuses.

        Raises:
            StoreUnavailableError: it did not answer before the instant ``ends``, or has closed the connection.
            OSError: the connection is broken.
            RedisError: so it is, as the server says.
            ValueError: it does not speak as a server does.
        """
        answers: list[Any] = []
        with _in_time():
            while len(answers) < count:
                self._wait_until(ends)
                answers += self._answers.take(self._received())
        if len(answers) > count or self._answers.on_its_way:
            raise ValueError(UNASKED)
        return answers

    def close(self) -> None:
        self._connection.disconnect()

    def _received(self) -> bytes:
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise StoreUnavailableError("Redis has closed the connection")
        return piece

    def _wait_until(self, ends: float) -> None:
        self._socket.settimeout(max(_LEAST, ends - time.monotonic()))


@contextmanager
def _in_time() -> Generator[None]:
    try:
        yield
    except TimeoutError:
        raise StoreUnavailableError("Redis did not answer in time", kind="timeout") from None
