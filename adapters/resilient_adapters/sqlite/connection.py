"""One connection of aiosqlite, in a form that outlives forks, damage and whoever forgets it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, cast

import aiosqlite

from resilient_adapters.sqlite.handle import Handle

T = TypeVar("T")


class Connection:
    """A connection of aiosqlite that stands on a handle.

    The handle does in aiosqlite's thread what it does in any other: it opens the file when that is needed, and
    again when it was damaged or replaced. So this connection goes on where one of sqlite3 would be lost.

    Args:
        make: makes the handle.
        loop: the loop that waits for the answers.
    """

    def __init__(self, make: Callable[[], Handle], loop: asyncio.AbstractEventLoop) -> None:
        self._make = make
        self._loop = loop
        self._standing: _Standing | None = None
        self._database = _Unwarned(self._stand, iter_chunk_size=64)
        # The interpreter waits for every thread that is no daemon before it calls those who want to be told of its
        # end, so a program that forgets to close its store would never end. A version of aiosqlite that keeps its
        # thread elsewhere works as well, but for that and for what happens to loops that are closed in mid-read.
        self._thread: threading.Thread | None = getattr(self._database, "_thread", None)
        if self._thread is not None:
            self._thread.daemon = True
            self._thread.name = "resilient-disk-reader"
            self._thread.run = partial(self._serve, self._thread.run)

    def open(self) -> Begun[object]:
        """Start the thread, and soon be open.

        Raises:
            RuntimeError: the system has no thread left.
        """
        return Begun(self._database)

    def fetch(self, statement: str, parameters: Sequence[Any]) -> Begun[list[Any]]:
        """All rows that ``statement`` finds; it is asked for at once, and answered to who awaits it."""
        return Begun(cast("Awaitable[list[Any]]", self._database.execute_fetchall(statement, parameters)))

    def stop(self) -> asyncio.Future[Any] | None:
        """Let the thread end once it has done what it was asked; where a loop runs, gives what tells it of that."""
        return self._database.stop()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    @property
    def is_alive(self) -> bool:
        """Whether its thread may run."""
        return self._thread is not None and self._thread.is_alive()

    def join(self) -> None:
        """Wait for the end of its thread, which was told to stop."""
        if self._thread is not None:
            self._thread.join()

    def _stand(self) -> sqlite3.Connection:
        self._standing = _Standing(self._make())
        return cast("sqlite3.Connection", self._standing)

    def _serve(self, run: Callable[[], None]) -> None:
        try:
            run()
        except RuntimeError:
            # A loop that was closed in the middle of a read cannot be told the answer, and nobody waits for it.
            if not self._loop.is_closed():
                raise
        finally:
            if self._standing is not None:
                self._standing.close()


class _Unwarned(aiosqlite.Connection):
    def __del__(self) -> None:
        """Say nothing of a database left open: to close it is for the handle, and it does."""


class _Standing:
    """As much of a connection of sqlite3 as aiosqlite uses to read, by a handle."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def execute(self, statement: str, parameters: Sequence[Any]) -> _Found:
        return _Found(self._handle.fetch(statement, *parameters))

    def close(self) -> None:
        with self._handle.lock:
            self._handle.close()


class _Found(list[Any]):
    def fetchall(self) -> list[Any]:
        return self


class Begun(Generic[T]):
    """The rest of something to be awaited whose first step is taken here and now."""

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self._steps = awaitable.__await__()
        self._waits_for = next(self._steps)

    def __await__(self) -> Generator[Any, Any, T]:
        try:
            yield self._waits_for
        except BaseException as error:
            self._steps.throw(error)
            raise
        return (yield from self._steps)


def stop_all(connections: Sequence[Connection]) -> bool:
    """Tell threads to end once they have done what they were asked; False if that cannot be done any more."""

    def stop() -> None:
        for connection in connections:
            connection.stop()

    # It looks for an event loop. In a main thread that has none asyncio would make one, in any other it does not.
    thread = threading.Thread(target=stop, name="resilient-disk-closer", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # At the end of the interpreter no thread can be started, and daemons end with it.
        return False
    thread.join()
    return True
