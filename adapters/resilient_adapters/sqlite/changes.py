"""What changes the entries of a disk store, as jobs for the writer."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from resilient.entry import Entry
from resilient.errors import CorruptEntryError, StoreError, TransactionError
from resilient.ports import Clock
from resilient.stores.counters import incremented
from resilient.stores.keys import stored_key
from resilient_adapters.records import records
from resilient_adapters.records.codecs import Codec
from resilient_adapters.records.life import Lives
from resilient_adapters.records.records import Life
from resilient_adapters.sqlite import schema
from resilient_adapters.sqlite.disk import Disk
from resilient_adapters.sqlite.trouble import unavailable
from resilient_adapters.sqlite.writer import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a store writes and waits.

    Attributes:
        codec: compresses bodies above 1 KiB; None for none.
        max_decoded: bytes; larger bodies are neither written nor read.
        write_wait: seconds that a blocking call waits at most for what it does on its way; it goes on behind.
        inline_reads: whether the store for tasks reads on the loop's own thread.
    """

    codec: Codec | None
    max_decoded: int
    write_wait: float
    inline_reads: bool


class Changes:
    """The jobs that change what one store keeps.

    What takes long to encode is encoded later, by the writer in its turn, where ``later`` says how many bytes it has.

    Args:
        disk: where they will be done.
        clock: what tells the time.
        manner: how entries are written.
    """

    def __init__(self, disk: Disk, clock: Clock, manner: Manner) -> None:
        self._disk = disk
        self._wall = clock.wall
        self._lives = Lives(clock)
        self._manner = manner

    def making_secret(self) -> Job[bytes]:
        """Makes the secret, unless another process was faster, and gives it."""

        def work(connection: sqlite3.Connection) -> bytes:
            connection.execute(schema.PUT_SECRET, (os.urandom(32),))
            secret: bytes = connection.execute(schema.SECRET).fetchall()[0][0]
            return secret

        return Job(work, "make a secret")

    def setting(self, key: str, entry: Entry, *, later: int = 0) -> Job[bool]:
        """Writes ``entry``, unless somebody else has taken over the key; whether it was written.

        One that is too large leaves nothing, not even what was there before.

        Raises:
            StoreError: its metadata hold something that cannot be written.
        """
        encoding = _Encoding(partial(self._rows, {stored_key(key): entry}), later)

        def work(connection: sqlite3.Connection) -> bool:
            (row,) = encoding.rows()
            if self._is_overtaken(connection, row):
                return False
            _put(connection, row)
            return row.values is not None

        return Job(work, "write", encoding.size + 256, encoding.prepare)

    def deleting(self, keys: Collection[str]) -> Job[int]:
        """Deletes entries and says how many had not expired."""
        names = {stored_key(key) for key in keys}
        return Job(lambda connection: self._delete(connection, names), "delete", 256 * len(names))

    def committing(
        self,
        changes: Mapping[str, Entry | None],
        expected: Mapping[str, Entry | None],
        tags: Collection[str],
        *,
        later: int = 0,
    ) -> Job[int]:
        """Makes several changes, all or none of them; says how many entries it deleted.

        Raises:
            StoreError: the metadata of an entry hold something that cannot be written.
        """
        new = {stored_key(key): entry for key, entry in changes.items()}
        written = {key: entry for key, entry in new.items() if entry is not None}
        deleted = new.keys() - written.keys()
        encoding = _Encoding(partial(self._rows, written), later)

        def work(connection: sqlite3.Connection) -> int:
            rows = encoding.rows()
            for key, entry in expected.items():
                found = self._living(connection, stored_key(key))
                if (found[0] if found is not None else None) != entry:
                    raise TransactionError(f"{key!r} has changed since it was read; nothing was changed")
            for row in rows:
                if self._is_overtaken(connection, row):
                    raise TransactionError(f"somebody else has taken over {row.key!r}; nothing was changed")
            with _all_or_none(connection):
                count = self._delete_tagged(connection, tags) + self._delete(connection, deleted)
                for row in rows:
                    _put(connection, row)
            return count

        size = encoding.size + 256 * (len(new) + len(expected))
        return Job(work, "commit", size, encoding.prepare)

    def adding(self, key: str, by: int, expires_at: float) -> Job[int]:
        """Adds ``by`` to a counter and gives its new value."""
        key = stored_key(key)

        def work(connection: sqlite3.Connection) -> int:
            found = self._living(connection, key)
            counter = incremented(None if found is None else found[0], by, self._wall(), expires_at)
            _put(connection, self._row(key, counter, self._lives.of(counter) if found is None else found[1]))
            return int(counter.body)

        return Job(work, "add to a counter")

    def clearing(self) -> Job[None]:
        """Deletes all entries."""
        return Job(lambda connection: _run(connection, schema.CLEAR), "clear")

    def dropping(self, key: str, record: bytes) -> Job[None]:
        """Deletes the entry of a stored key, if that is still its record."""
        return Job(lambda connection: _run(connection, schema.DELETE_RECORD, key, record), "delete", len(record))

    def _living(self, connection: sqlite3.Connection, key: str) -> tuple[Entry, Life] | None:
        for record, _ in connection.execute(schema.GET, (key,)).fetchall():
            with contextlib.suppress(CorruptEntryError):
                entry, life = records.decode(key, record, max_decoded=self._manner.max_decoded)
                if self._lives.goes_on(entry, life):
                    return entry, life
        return None

    def _is_overtaken(self, connection: sqlite3.Connection, row: _Row) -> bool:
        """Whether somebody with a higher fence has taken over the key."""
        if not row.fence:
            return False
        asked = {"key": row.key, "fence": row.fence, "wall": self._wall()}
        return bool(connection.execute(schema.OVERTAKEN, asked).fetchall())

    def _delete(self, connection: sqlite3.Connection, keys: Iterable[str]) -> int:
        count, wall = 0, self._wall()
        for key in keys:
            ends = connection.execute(schema.ENDS, (key,)).fetchall()
            count += bool(ends) and ends[0][0] > wall
            connection.execute(schema.DELETE, (key,))
        return count

    def _delete_tagged(self, connection: sqlite3.Connection, tags: Iterable[str]) -> int:
        count, wall = 0, self._wall()
        for tag in map(stored_key, tags):
            count += connection.execute(schema.COUNT_TAGGED, (tag, wall)).fetchall()[0][0]
            connection.execute(schema.DELETE_TAGGED, (tag,))
        return count

    def _rows(self, entries: Mapping[str, Entry]) -> list[_Row]:
        return [self._row(key, entry, self._lives.of(entry)) for key, entry in entries.items()]

    def _row(self, key: str, entry: Entry, life: Life) -> _Row:
        record = b""
        if len(entry.body) <= self._manner.max_decoded:
            record = records.encode(key, entry, life, self._manner.codec)
        if not record or len(record) > self._disk.upkeep.max_bytes // 2:
            self._disk.refuse()
            return _Row(key, entry.fence)
        values = (key, entry.expires_at, self._wall(), entry.fence, bool(entry.tags), record)
        return _Row(key, entry.fence, values, [(stored_key(tag), key) for tag in entry.tags], len(record))


class _Row(NamedTuple):
    """An entry as it will lie in the database; without values there will be none."""

    key: str
    fence: int
    values: tuple[object, ...] | None = None
    tags: list[tuple[str, str]] = []  # noqa: RUF012 - nobody changes it
    size: int = 0


class _Encoding:
    """Rows that are made once, now or later: then an error belongs to whoever waits for the job.

    Attributes:
        size: bytes that they hold until they are written.
    """

    __slots__ = ("_error", "_make", "_rows", "size")

    def __init__(self, make: Callable[[], list[_Row]], later: int) -> None:
        self._make: Callable[[], list[_Row]] | None = make if later else None
        self._rows: list[_Row] = [] if later else make()
        self._error: StoreError | None = None
        self.size = later or sum(row.size for row in self._rows)

    def prepare(self) -> None:
        """Make them, unless they are made: the transaction may not have begun the first time."""
        make, self._make = self._make, None
        if make is None:
            return
        try:
            self._rows = make()
        except StoreError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits for the write
            self._error = unavailable(error, "write")

    def rows(self) -> list[_Row]:
        """What was made.

        Raises:
            StoreError: it could not be made.
        """
        if self._error is not None:
            raise self._error
        return self._rows


def _put(connection: sqlite3.Connection, row: _Row) -> None:
    if row.values is None:
        connection.execute(schema.DELETE, (row.key,))
        return
    connection.execute(schema.PUT, row.values)
    if row.tags:
        connection.executemany(schema.TAG, row.tags)


def _run(connection: sqlite3.Connection, statement: str, *parameters: object) -> None:
    connection.execute(statement, parameters)


@contextlib.contextmanager
def _all_or_none(connection: sqlite3.Connection) -> Generator[None, None, None]:
    """Undo what is done within, should it fail; what others do in the same transaction stays."""
    connection.execute("SAVEPOINT ours")
    try:
        yield
    except BaseException:
        # Where SQLite has ended the whole transaction there is nothing left to undo.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK TO ours")
            connection.execute("RELEASE ours")
        raise
    connection.execute("RELEASE ours")
