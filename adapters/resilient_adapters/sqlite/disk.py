"""One folder's database as this process uses it, shared by all stores that are open on it."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import weakref
from pathlib import Path

from resilient.errors import Rejection, StoreTrouble
from resilient.events import Event, StoreEvicted, StoreFailed
from resilient.locks import fork_safe_lock
from resilient.stores.parameters import Record
from resilient_adapters.sqlite.crew import Crew
from resilient_adapters.sqlite.database import Database
from resilient_adapters.sqlite.handle import Handle
from resilient_adapters.sqlite.loops import Loops
from resilient_adapters.sqlite.upkeep import Upkeep
from resilient_adapters.sqlite.writer import BUSY_TIMEOUT, Writer

logger = logging.getLogger("resilient.store")

NAME = "disk"
CLOSE_TIMEOUT = 5.0
"""Seconds that closing takes at most to write what waits."""


class Disk:
    """A connection for each thread that reads and for each event loop, and one thread that writes.

    Args:
        folder: a folder that was made private.
        upkeep: what keeps the database within its bounds.

    Attributes:
        busy_timeout: seconds that a read waits at most for other processes.
        records: who hears what happens inside.
        users: how many stores are open on it.
        refused: how many entries were too large to be kept.
        writer: does what changes the database.
        loops: reads for event loops.
        crew: does for event loops what takes long but needs no disk.
    """

    def __init__(self, folder: Path, upkeep: Upkeep) -> None:
        self.folder = folder
        self.upkeep = upkeep
        self.busy_timeout = 0.05
        self.records: list[Record] = []
        self.users = 0
        self.renew()

    def renew(self) -> None:
        """Start with nothing open; also in a child process, where nothing that was open may be used."""
        self.refused = 0
        self._database = Database(self.folder, self._mended)
        self._local = threading.local()
        self._handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        self._lock = fork_safe_lock()
        """Held while a handle is added, while they are listed, and while something is counted."""
        self._held: set[Handle] = set()
        self.loops = Loops(self._reading)
        self.crew = Crew()
        handle = self._add(Handle(self._database, BUSY_TIMEOUT, look_every=0.0))
        self.writer = Writer(handle, self.upkeep, self._evicted)

    def handle(self) -> Handle:
        """The connection of this thread."""
        try:
            handle: Handle = self._local.handle
        except AttributeError:
            handle = self._local.handle = self._reading()
        return handle

    def refuse(self) -> None:
        """Count an entry that is too large to be kept; from any thread."""
        with self._lock:
            self.refused += 1

    def failed(self, operation: str, kind: StoreTrouble, rejected: Rejection | None = None) -> None:
        """Tell those who listen of a failure that no caller gets to see."""
        self._tell(StoreFailed(store=NAME, operation=operation, kind=kind, rejected=rejected))

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Write what waits, end the threads, close the connections."""
        lost = self.writer.close(timeout)
        if lost:
            logger.error("the disk store was closed with %d writes undone: others did not let it write", lost)
        self.loops.close()
        for handle in self._known():
            with handle.lock, contextlib.suppress(sqlite3.Error):
                handle.close()

    def park(self) -> None:
        """Make ready for a fork: no thread of ours runs, no connection is open, none can be opened."""
        self.writer.park()
        self.crew.park()
        self.loops.park()
        while True:
            for handle in self._known():
                if handle not in self._held:
                    handle.lock.acquire()
                    handle.close()
                    self._held.add(handle)
            self._database.opening.acquire()
            # Who holds a handle that is new here may wait for `opening` to open it, so let go of that first. One that
            # is made from now on cannot be opened before the fork.
            if all(handle in self._held for handle in self._known()):
                return
            self._database.opening.release()

    def resume(self) -> None:
        """Go on after :meth:`park`; connections open again when they are needed."""
        self._database.opening.release()
        while self._held:
            self._held.pop().lock.release()
        self.writer.resume()
        self.loops.resume()
        self.crew.resume()

    def _reading(self) -> Handle:
        return self._add(Handle(self._database, self.busy_timeout))

    def _add(self, handle: Handle) -> Handle:
        with self._lock:
            self._handles.add(handle)
        return handle

    def _known(self) -> list[Handle]:
        with self._lock:
            return list(self._handles)

    def _mended(self) -> None:
        self.failed("open", "corrupt")

    def _evicted(self, entries: int) -> None:
        logger.info("the disk store dropped %d entries to make room", entries)
        self._tell(StoreEvicted(store=NAME, entries=entries))

    def _tell(self, event: Event) -> None:
        for record in list(self.records):
            try:
                record(event)
            except Exception:
                logger.exception("a subscriber of the disk store failed")
