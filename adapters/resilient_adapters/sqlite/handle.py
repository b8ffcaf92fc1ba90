"""One connection of one thread, opened when it is needed and again when the file was replaced."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from resilient_adapters.sqlite.database import Database, Identity, is_damage
from resilient_adapters.sqlite.trouble import kind_of

T = TypeVar("T")

LOOK_EVERY = 0.1
"""Seconds between two looks at the path by a reader: has another process replaced the file?"""


class Handle:
    """A connection for one thread; others only close it.

    Args:
        database: where it leads.
        timeout: seconds that a statement waits at most for another process's lock.
        look_every: seconds between two looks at whether the file was replaced.
    """

    __slots__ = (
        "__weakref__", "_connection", "_database", "_generation", "_identity", "_look_at", "_look_every",
        "lock", "timeout",
    )  # fmt: skip

    def __init__(self, database: Database, timeout: float, look_every: float = LOOK_EVERY) -> None:
        self.lock = threading.Lock()
        """Held while the connection is used; who holds it may close the connection."""
        self.timeout = timeout
        self._database = database
        self._look_every = look_every
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._generation = -1
        self._look_at = 0.0

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` returns; it is run again if the first time met a file that was damaged or replaced.

        Raises:
            sqlite3.Error, OSError, StoreUnavailableError: the database failed.
        """
        with self.lock:
            try:
                return work(self._current())
            except sqlite3.Error as error:
                self._recover(error)
            return work(self._current())

    def fetch(self, statement: str, *parameters: Any) -> list[Any]:
        """All rows that ``statement`` finds.

        Raises:
            sqlite3.Error, OSError, StoreUnavailableError: the database failed.
        """
        return self.run(lambda connection: connection.execute(statement, parameters).fetchall())

    def close(self) -> None:
        """Let go of the connection; the caller holds :attr:`lock`, or nobody else can know this handle."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.close()

    def _current(self) -> sqlite3.Connection:
        database, now = self._database, time.monotonic()
        if self._connection is not None and self._generation == database.generation:
            if now < self._look_at:
                return self._connection
            if database.identity() == self._identity:
                self._look_at = now + self._look_every
                return self._connection
        self.close()
        self._connection, self._identity, self._generation = database.connect(self.timeout)
        self._look_at = now + self._look_every
        return self._connection

    def _recover(self, error: sqlite3.Error) -> None:
        """Make ready for another try, or raise ``error`` where that would not help."""
        if kind_of(error) in ("busy", "full"):
            raise error
        replaced = self._connection is None or self._database.identity() != self._identity
        self.close()
        if not replaced and self._identity is not None and is_damage(error):
            self._database.mend(self._identity, error, self.timeout)
