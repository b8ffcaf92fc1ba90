"""The one thread of a process that writes to a database, many jobs in one transaction."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.sqlite.handle import Handle
from resilient_adapters.sqlite.trouble import kind_of, unavailable
from resilient_adapters.sqlite.upkeep import Upkeep

BATCH = 50
MOST_WAITING = 10_000
"""Jobs that may wait to be written; more are refused."""
MOST_BYTES = 64 * 2**20
"""Bytes that may wait to be written."""
BUSY_TIMEOUT = 0.25
"""Seconds that one try to begin a transaction waits for others; between two tries the writer can stop."""
PATIENCE = 30.0
"""Seconds after which a transaction that other processes never let begin is given up."""
IDLE = 10.0
"""Seconds after which the thread ends when there is nothing to write."""

T = TypeVar("T")
Done: TypeAlias = Callable[[Any, StoreError | None], None]
"""Told the result of a job once it is committed, or the error."""
_Item: TypeAlias = "tuple[Job[Any], Done | None]"
_Result: TypeAlias = tuple[Any, StoreError | None]


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Something to do within a transaction.

    Attributes:
        work: does it; it may be called again where a transaction has to be repeated.
        doing: what it does, for messages.
        size: bytes that it holds while it waits.
        prepare: called before the transaction begins, for what takes long; must not fail.
    """

    work: Callable[[sqlite3.Connection], T]
    doing: str
    size: int = 256
    prepare: Callable[[], None] | None = None


class Writer:
    """Runs jobs in order, up to fifty in one ``BEGIN IMMEDIATE`` transaction.

    The thread starts with the first job and ends when there has been none for a while. It is a daemon; what
    still waits when the interpreter ends is written while somebody calls :meth:`close`.

    Args:
        handle: the connection.
        upkeep: what else is done in each transaction.
        tell: told how many entries were dropped to make room.

    Attributes:
        evicted: how many entries were dropped to make room so far.
    """

    def __init__(self, handle: Handle, upkeep: Upkeep, tell: Callable[[int], None]) -> None:
        self._handle = handle
        self._upkeep = upkeep
        self._tell = tell
        self.evicted = 0
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._interrupted: list[_Item] = []
        """A batch that was not yet begun when the thread was parked."""
        self._waiting = self._bytes = self._lost = 0
        self._thread: threading.Thread | None = None
        self._parked = False
        self._closing_at: float | None = None

    def submit(self, job: Job[Any], done: Done | None = None) -> None:
        """Let ``job`` be done soon, and ``done`` be told.

        Raises:
            StoreUnavailableError: too much waits already, or the store is closed.
        """
        with self._lock:
            if self._closing_at is not None:
                raise StoreUnavailableError("the disk store is closed")
            if self._waiting and (self._waiting >= MOST_WAITING or self._bytes + job.size > MOST_BYTES):
                waiting = f"{self._waiting} writes of {self._bytes} bytes wait"
                raise StoreUnavailableError(f"the disk store failed to {job.doing}: {waiting}", kind="busy")
            self._waiting += 1
            self._bytes += job.size
            self._queue.put((job, done))
            self._start()

    def park(self) -> None:
        """End the thread, start none until :meth:`resume`; what waits goes on waiting."""
        with self._lock:
            self._parked = True
            self._queue.put(None)
            thread = self._thread
        if thread is not None:
            thread.join()

    def resume(self) -> None:
        """Go on after :meth:`park`."""
        with self._lock:
            self._parked = False
            if self._waiting:
                self._start()

    def close(self, timeout: float) -> int:
        """Write what waits, for ``timeout`` seconds at most, and end; how many writes are left undone."""
        with self._lock:
            if self._closing_at is None:
                self._closing_at = time.monotonic() + timeout
            self._queue.put(None)
            thread = self._thread
        if thread is not None:
            thread.join(timeout + 2 * BUSY_TIMEOUT)
        return self._waiting + self._lost

    def _start(self) -> None:
        if self._thread is None and not self._parked:
            self._thread = threading.Thread(target=self._serve, name="resilient-disk-writer", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        while True:
            batch = self._next_batch()
            if batch:
                self._write(batch)
            elif self._leave():
                return

    def _next_batch(self) -> list[_Item]:
        """What to do now; nothing if the thread is to end."""
        batch, self._interrupted = self._interrupted, []
        size = sum(job.size for job, _ in batch)
        while not self._parked and len(batch) < BATCH and size < MOST_BYTES // 8:
            try:
                waits = not batch and self._closing_at is None
                item = self._queue.get(timeout=IDLE) if waits else self._queue.get_nowait()
            except Empty:
                break
            if item is not None:
                batch.append(item)
                size += item[0].size
        if self._parked:
            self._interrupted = batch
            return []
        return batch

    def _leave(self) -> bool:
        """End the thread; False if work came in the very moment of giving up."""
        if not self._parked:
            self._upkeep.due()
            self._write([])
        with self._lock:
            if not self._parked and (self._interrupted or not self._queue.empty()):
                return False
            self._thread = None
        with self._handle.lock:
            self._handle.close()
        return True

    def _write(self, batch: list[_Item]) -> None:
        for job, _ in batch:
            if job.prepare is not None:
                job.prepare()
        gives_up = time.monotonic() + PATIENCE
        results: list[_Result] = []
        evicted = 0
        while True:
            try:
                results, evicted = self._handle.run(partial(self._transact, batch))
                break
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not hang all who wait
                if kind_of(error) == "busy" and time.monotonic() < (self._closing_at or gives_up):
                    if self._parked:
                        self._interrupted = batch
                        return
                    time.sleep(0.001)
                else:
                    results = [(None, unavailable(error, job.doing)) for job, _ in batch]
                    if self._closing_at is not None:
                        self._lost += len(batch)
                    break
        with self._lock:
            self._waiting -= len(batch)
            self._bytes -= sum(job.size for job, _ in batch)
        self.evicted += evicted
        for (_, done), answer in zip(batch, results, strict=True):
            if done is not None:
                done(*answer)
        if evicted:
            self._tell(evicted)

    def _transact(self, batch: list[_Item], connection: sqlite3.Connection) -> tuple[list[_Result], int]:
        # A deferred transaction that reads first and writes then fails at once if another wrote in between.
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Room is made first, so that the new takes the place of the old where the disk has no more.
            evicted = self._upkeep.work(connection, sum(job.size for job, _ in batch), len(batch))
            results = [_done(job, connection) for job, _ in batch]
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return results, evicted


def _done(job: Job[Any], connection: sqlite3.Connection) -> _Result:
    try:
        return job.work(connection), None
    except StoreError as error:
        return None, error
    except (sqlite3.DataError, sqlite3.IntegrityError, OverflowError, ValueError) as error:
        # It is this job's own fault, such as a record too large for SQLite; the others go on.
        return None, unavailable(error, job.doing)
