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
        if not self.share.is_open:
            raise StoreUnavailableError("the disk store is closed")
        self.disk.writer.submit(job, done)

    def get(self, key: str) -> Entry | None:
        """The entry, unless there is none or it has expired; waits only for the disk.

        Raises:
            CorruptEntryError: the record is damaged, and deleted; or it is another version's, and left alone.
            StoreUnavailableError: the database failed.
        """
        key = stored_key(key)
        found = self._fetch(schema.GET, key)
        if not found:
            return None
        record, used_at = found[0]
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

    def page(self, prefix: str, after: bytes | None) -> tuple[list[str], bytes | None]:
        """Some keys that start with ``prefix`` and have not expired, and the key after which to go on.

        Args:
            prefix: how the keys start.
            after: the key after which to look; from the first one on if None.

        Returns:
            The keys, and what to give as ``after`` for more; None at the end.
        """
        start, wall = prefix.encode(errors="replace"), self._wall()
        rows = self._fetch(schema.PAGE, start) if after is None else self._fetch(schema.NEXT_PAGE, after)
        inside = [row for row in rows if row[0].startswith(start)]
        keys = [key.decode(errors="replace") for key, expires_at in inside if expires_at > wall]
        return keys, inside[-1][0] if inside else None

    def secret(self) -> bytes | None:
        """The secret, None if there is none yet."""
        found = self._fetch(schema.SECRET)
        return found[0][0] if found else None

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

    def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        if not self.share.is_open:
            raise StoreUnavailableError("the disk store is closed")
        try:
            return self.disk.handle().fetch(statement, *parameters)
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error, "read") from error

    def _behind(self, job: Job[Any]) -> None:
        with contextlib.suppress(StoreError):
            self.submit(job)


def _run(statement: str, parameters: tuple[object, ...], connection: sqlite3.Connection) -> None:
    connection.execute(statement, parameters)


def _nothing(connection: sqlite3.Connection) -> None:
    """The writer's upkeep is all that is wanted."""
