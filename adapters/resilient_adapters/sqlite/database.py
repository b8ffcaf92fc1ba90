"""The database file: opened, made, and set aside and made anew when it is damaged."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from resilient.errors import ConfigurationError, StoreUnavailableError
from resilient_adapters.sqlite import folder as folders
from resilient_adapters.sqlite import schema
from resilient_adapters.sqlite.trouble import kind_of

logger = logging.getLogger("resilient.store")
logger.addHandler(logging.NullHandler())

_SMALLEST = 512
"""Bytes of the smallest page that a database can have."""

Identity: TypeAlias = tuple[int, int]
"""Device and inode of the file that a connection is open on."""


class Opened(NamedTuple):
    """A connection, the file that it is open on, and the generation that file belongs to."""

    connection: sqlite3.Connection
    identity: Identity
    generation: int


class Database:
    """The database of one folder.

    Args:
        folder: a folder that was made private.
        mended: told after a damaged file was replaced.

    Attributes:
        path: the file.
        generation: rises whenever a connection is opened on another file than the one before, so that none of
            this process goes on with the old one.
        opening: held while a connection is opened or the file replaced.
    """

    def __init__(self, folder: Path, mended: Callable[[], None]) -> None:
        self.folder = folder
        self.path = str(folder / folders.DATABASE)
        self.generation = 0
        self.opening = threading.Lock()
        self._mended = mended
        self._last: Identity | None = None

    def identity(self) -> Identity | None:
        """Which file is at the path now; None if there is none, or one too short to be a database."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found.st_size >= _SMALLEST else None

    def connect(self, timeout: float) -> Opened:
        """A connection to the file, which is made if there is none and replaced if it is damaged.

        Args:
            timeout: seconds to wait at most for others, here in all and then with every statement.

        Raises:
            sqlite3.Error, OSError: it cannot be opened, or others were opening it all the time.
            StoreUnavailableError: the folder is no longer to be trusted, or the database is another's.
        """
        ends = time.monotonic() + timeout
        try:
            folders.make_private(self.folder)
            with self._turn(ends):
                opened = self._connect(ends)
        except ConfigurationError as error:
            raise StoreUnavailableError(str(error)) from error
        schema.wait_for_others(opened.connection, timeout)
        return opened

    def _connect(self, ends: float) -> Opened:
        if self.identity() is None:
            self._make()
        folders.make_files_private(self.path)
        try:
            return self._opened(ends)
        except schema.UnfinishedError:
            self._make()
        except sqlite3.DatabaseError as error:
            if not (is_damage(error) or isinstance(error, schema.OlderError)):
                raise
            self._replace(error)
        return self._opened(ends)

    def _opened(self, ends: float) -> Opened:
        connection = schema.connect(self.path, _left(ends))
        try:
            schema.check(connection)
            identity = self.identity()
            if identity is None:
                raise sqlite3.OperationalError("the database file vanished while it was opened")
        except BaseException:
            connection.close()
            raise
        if identity != self._last:
            self._last = identity
            self.generation += 1
        return Opened(connection, identity, self.generation)

    def mend(self, damaged: Identity, error: sqlite3.Error, timeout: float) -> None:
        """Set the file aside and make a new one, unless another thread or process has done so already.

        Args:
            damaged: the file in which the damage was met.
            error: the damage.
            timeout: seconds to wait at most for others.

        Raises:
            OSError: it cannot be set aside, or others did not let us.
        """
        with self._turn(time.monotonic() + timeout):
            if self.identity() == damaged:
                self._replace(error)

    @contextlib.contextmanager
    def _turn(self, ends: float) -> Generator[None, None, None]:
        """Keep other threads and other processes from opening and replacing the file meanwhile."""
        if not self.opening.acquire(timeout=min(_left(ends), threading.TIMEOUT_MAX)):
            raise BlockingIOError(errno.EAGAIN, "another thread is opening the database")
        try:
            with folders.locked(self.folder, _left(ends)):
                yield
        finally:
            self.opening.release()

    def _replace(self, error: sqlite3.Error) -> None:
        aside = folders.set_aside(self.path)
        logger.error("the cache database cannot be used (%s); it is set aside as %s, a new one is made", error, aside)
        self._make()
        self._mended()

    def _make(self) -> None:
        """Make a new database; what lies beside none, or an empty one, belongs to nothing."""
        folders.remove(self.path)
        folders.make_file(self.path)
        connection = schema.connect(self.path, 0.0)
        try:
            schema.make(connection)
        finally:
            connection.close()


def _left(ends: float) -> float:
    return max(0.0, ends - time.monotonic())


def is_damage(error: sqlite3.Error) -> bool:
    """Whether ``error`` means that the file holds no whole database."""
    return kind_of(error) == "corrupt" or str(error).startswith("no such table")
