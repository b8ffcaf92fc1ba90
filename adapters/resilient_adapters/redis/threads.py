"""Connections for threads: whoever asks waits so long and no longer, also while a connection is being opened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ReadOnlyError, RedisError

from resilient.errors import StoreUnavailableError
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.line import Line
from resilient_adapters.redis.pool import Pool, Waiter
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.trouble import failure


@dataclass(frozen=True, slots=True)
class Sent:
    """Commands that were sent and not answered yet.

    Attributes:
        pool: whose connection it is.
        line: what they were sent by.
        count: how many they are.
    """

    pool: Pool[Line]
    line: Line
    count: int


class Threads:
    """The connections of all threads.

    Args:
        address: where they lead.
        pool: makes a pool.
    """

    def __init__(self, address: Address, pool: Callable[[], Pool[Line]]) -> None:
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
        return self.read(self.send(commands, ends), ends)

    def send(self, commands: Sequence[Command], ends: float) -> Sent:
        """The first half of :meth:`ask`. What was sent has to be read or dropped."""
        pool = self._pool
        sent = Sent(pool, self._borrowed(pool, ends), len(commands))
        with self._dropping(sent):
            sent.line.send(commands, ends)
        return sent

    def read(self, sent: Sent, ends: float) -> list[Any]:
        """The second half of :meth:`ask`."""
        with self._dropping(sent):
            answers = sent.line.read(sent.count, ends)
        if any(isinstance(answer, ReadOnlyError) for answer in answers):
            # It leads to what was the master once. The next one is looked up anew.
            self.drop(sent)
        else:
            _close(sent.pool.give(sent.line))
        return answers

    def drop(self, sent: Sent) -> None:
        """Wait for no answer; its connection is not used again."""
        self._drop(sent.pool, sent.line)

    def close(self) -> None:
        """Close all connections; those in use once they are given back."""
        _close(self._pool.close())

    @contextmanager
    def _dropping(self, sent: Sent) -> Generator[None]:
        """Drop it whatever goes wrong."""
        try:
            yield
        except (RedisError, OSError, ValueError) as error:
            self.drop(sent)
            raise failure(error) from None
        except BaseException:
            self.drop(sent)
            raise

    def _borrowed(self, pool: Pool[Line], ends: float) -> Line:
        while True:
            line = self._taken(pool, ends)
            if line.is_fit():
                return line
            self._drop(pool, line)

    def _taken(self, pool: Pool[Line], ends: float) -> Line:
        rung = threading.Event()
        waiter: Waiter[Line] = Waiter(rung.set)
        line, opens = pool.take(waiter)
        if line is not None:
            return line
        try:
            if opens:
                self._open(pool)
            rung.wait(max(0.0, ends - time.monotonic()))
        finally:
            line = pool.withdraw(waiter)
        if line is not None:
            return line
        raise waiter.error or StoreUnavailableError(
            f"no connection to Redis at {self._address.where} was free in time", kind="timeout"
        )

    def _open(self, pool: Pool[Line]) -> None:
        """Open a connection in a thread of its own: it may take longer than anybody here can wait."""
        thread = threading.Thread(target=self._connect, args=(pool,), name="resilient-redis-opener", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            pool.failed(failure(error))

    def _connect(self, pool: Pool[Line]) -> None:
        again = True
        while again:
            try:
                line = Line(self._address.open())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the connection
                again = pool.failed(failure(error))
            else:
                _close(pool.opened(line))
                return

    def _drop(self, pool: Pool[Line], line: Line) -> None:
        line.close()
        if pool.drop():
            self._open(pool)


def _close(lines: list[Line]) -> None:
    for line in lines:
        line.close()
