"""What a disk store can do, said once for both colours: reads for any thread, and jobs for the writer."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import Any

from resilient.entry import Entry
from resilient.errors import CorruptEntryError, StoreError, StoreUnavailableError
from resilient.ports import Clock
from resilient.stores.keys import stored_key
from resilient_adapters.sqlite import records, schema
from resilient_adapters.sqlite.life import Lives
from resilient_adapters.sqlite.shared import Share, forget
from resilient_adapters.sqlite.trouble import unavailable
from resilient_adapters.sqlite.writer import Done, Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a store writes and waits.

    Attributes:
        compress: whether bodies above 1 KiB are compressed.
        max_decoded: bytes; larger bodies are neither written nor read.
        write_wait: seconds that a blocking write waits at most; the write itself goes on behind.
        inline_reads: whether the store for tasks reads on the loop's own thread.
    """

    compress: bool
    max_decoded: int
    write_wait: float
    inline_reads: bool


class Commands:
    """The commands of one store.

    Args:
        share: a share in the folder's disk; given back when this object is dropped, if it was not before.
        clock: what tells the time.
        manner: how it writes and waits.

    Attributes:
        refused: how many entries were too large to be kept.
    """

    def __init__(self, share: Share, clock: Clock, manner: Manner) -> None:
        self.share = share
        self.disk = share.disk
        self.manner = manner
        self.refused = 0
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
            self._behind(Job(partial(_run, schema.DELETE_RECORD, (key, record)), "delete", len(record)))
            raise
        if not self._lives.goes_on(entry, life):
            return None
        if self.disk.upkeep.used(key, used_at, len(record)):
            self._behind(Job(_nothing, "note what was used"))
        return entry

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

    def making_secret(self) -> Job[bytes]:
        """Makes the secret, unless another process was faster, and gives it."""

        def work(connection: sqlite3.Connection) -> bytes:
            connection.execute(schema.PUT_SECRET, (os.urandom(32),))
            secret: bytes = connection.execute(schema.SECRET).fetchall()[0][0]
            return secret

        return Job(work, "make a secret")

    def setting(self, key: str, entry: Entry) -> Job[None]:
        """Writes ``entry``; one that is too large leaves nothing, not even what was there before.

        Raises:
            StoreError: its metadata hold something that cannot be written.
        """
        key, record = stored_key(key), b""
        if len(entry.body) <= self.manner.max_decoded:
            record = records.encode(key, entry, self._lives.of(entry), compress=self.manner.compress)
        if not record or len(record) > self.disk.upkeep.max_bytes // 2:
            self.refused += 1
            return Job(partial(_run, schema.DELETE, (key,)), "write")
        row = (key, entry.expires_at, self._wall(), record)
        return Job(partial(_run, schema.PUT, row), "write", len(record) + 256)

    def setting_long(self, key: str, entry: Entry) -> Job[None]:
        """The same for an entry that takes long to encode: the writer does it, in its turn."""
        made: list[Job[None] | StoreError] = []

        def prepare() -> None:
            if made:
                return  # the transaction could not be begun the first time
            try:
                made.append(self.setting(key, entry))
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits for the write
                made.append(error if isinstance(error, StoreError) else unavailable(error, "write"))

        def work(connection: sqlite3.Connection) -> None:
            if isinstance(made[0], StoreError):
                raise made[0]
            made[0].work(connection)

        return Job(work, "write", len(entry.body) + 256, prepare)

    def deleting(self, key: str) -> Job[bool]:
        """Deletes ``key`` and says whether it lived."""
        key, wall = stored_key(key), self._wall

        def work(connection: sqlite3.Connection) -> bool:
            ends = connection.execute(schema.ENDS, (key,)).fetchall()
            connection.execute(schema.DELETE, (key,))
            return bool(ends) and ends[0][0] > wall()

        return Job(work, "delete")

    def clearing(self) -> Job[None]:
        """Deletes everything but the secret."""
        return Job(partial(_run, schema.CLEAR, ()), "clear")

    def _check_open(self) -> None:
        if not self.share.is_open:
            raise StoreUnavailableError("the disk store is closed")

    def _behind(self, job: Job[Any]) -> None:
        with contextlib.suppress(StoreError):
            self.submit(job)


def _run(statement: str, parameters: tuple[object, ...], connection: sqlite3.Connection) -> None:
    connection.execute(statement, parameters)


def _nothing(connection: sqlite3.Connection) -> None:
    """The writer's upkeep is all that is wanted."""
