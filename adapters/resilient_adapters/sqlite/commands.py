"""What a disk store can do, said once for both colours: it reads in any thread, and hands jobs to the writer."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Any

from resilient.entry import Entry
from resilient.errors import CorruptEntryError, StoreError, StoreUnavailableError
from resilient.ports import Clock, Usage
from resilient_adapters.records import records
from resilient_adapters.records.life import Lives
from resilient_adapters.sqlite.changes import Changes, Manner
from resilient_adapters.sqlite.leases import Leases
from resilient_adapters.sqlite.shared import Share, forget
from resilient_adapters.sqlite.trouble import unavailable
from resilient_adapters.sqlite.writer import Done, Job


class Commands:
    """The commands of one store.

    Args:
        share: a share in the folder's disk; given back when this object is dropped, if it was not before.
        clock: what tells the time.
        manner: how it writes and waits.

    Attributes:
        changes: makes the jobs that change entries.
        leases: makes the jobs for leases.
    """

    def __init__(self, share: Share, clock: Clock, manner: Manner) -> None:
        self.share = share
        self.disk = share.disk
        self.manner = manner
        self.changes = Changes(share.disk, clock, manner)
        self.leases = Leases(clock.wall)
        self._wall = clock.wall
        self._lives = Lives(clock)
        forget(self, share)

    def submit(self, job: Job[Any], done: Done | None = None) -> None:
        """Hand ``job`` to the writer, and tell ``done`` its result once it is committed.

        Raises:
            StoreUnavailableError: too much waits already, or the store is closed.
        """
        self._check_open()
        self.disk.writer.submit(job, done)

    def behind(self, job: Job[Any]) -> None:
        """Hand ``job`` to the writer, if that can be; nobody waits for it."""
        with contextlib.suppress(StoreError):
            self.submit(job)

    def fetch(self, statement: str, *parameters: object) -> list[Any]:
        """All rows that ``statement`` finds, read by this thread; waits only for the disk.

        Raises:
            StoreUnavailableError: the database failed, or the store is closed.
        """
        self._check_open()
        try:
            return self.disk.handle().fetch(statement, *parameters)
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error, "read") from error

    async def fetch_aside(self, statement: str, *parameters: object) -> list[Any]:
        """The same for a task, whose event loop goes on meanwhile."""
        if self.manner.inline_reads:
            return self.fetch(statement, *parameters)
        self._check_open()
        try:
            return await self.disk.loops.fetch(statement, *parameters)
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error, "read") from error

    def found(self, key: str, rows: list[Any]) -> Entry | None:
        """The entry in what :data:`~resilient_adapters.sqlite.schema.GET` found, unless it has expired.

        Args:
            key: its stored key.
            rows: what was found.

        Raises:
            CorruptEntryError: the record is damaged, and deleted; or it is another version's, and left alone.
        """
        if not rows:
            return None
        record, used_at = rows[0]
        try:
            entry, life = records.decode(key, record, max_decoded=self.manner.max_decoded)
        except records.ForeignRecordError:
            raise
        except CorruptEntryError:
            self.behind(self.changes.dropping(key, record))
            raise
        if not self._lives.goes_on(entry, life):
            return None
        if self.disk.upkeep.used(key, used_at, len(record)):
            self.behind(Job(_nothing, "note what was used"))
        return entry

    def found_many(self, keys: Sequence[str], rows: list[Any]) -> list[Entry | None]:
        """The entries in what :func:`~resilient_adapters.sqlite.schema.get_many` found; None for what is damaged.

        Args:
            keys: the stored keys, in the order in which the entries are wanted.
            rows: what was found.
        """
        entries: dict[str, Entry | None] = {}
        for *row, key in rows:
            try:
                entries[key] = self.found(key, [row])
            except CorruptEntryError as error:
                self.disk.failed("get", "corrupt", error.rejected)
        return [entries.get(key) for key in keys]

    def used(self, rows: list[Any]) -> Usage:
        """What :data:`~resilient_adapters.sqlite.schema.USAGE` found, and what was not kept."""
        entries, size = rows[0]
        return Usage(entries=entries, size=size, evicted=self.disk.writer.evicted, refused=self.disk.refused)

    def living(self, prefix: bytes, rows: list[Any]) -> tuple[list[str], bytes | None]:
        """The keys in a page of them that start with ``prefix`` and have not expired.

        Args:
            prefix: how the keys start.
            rows: what was found.

        Returns:
            The keys, and the one after which to look for more; None at the end.
        """
        wall = self._wall()
        inside = [row for row in rows if row[0].startswith(prefix)]
        keys = [key.decode(errors="replace") for key, expires_at in inside if expires_at > wall]
        return keys, inside[-1][0] if inside else None

    def _check_open(self) -> None:
        if not self.share.is_open:
            raise StoreUnavailableError("the disk store is closed")


def _nothing(connection: sqlite3.Connection) -> None:
    """The writer's upkeep is all that is wanted."""
