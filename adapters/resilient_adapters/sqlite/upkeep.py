"""What keeps a database within its bounds; done by the writer beside its work."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from resilient.ports import Clock
from resilient_adapters.sqlite import schema

SWEEP_EVERY = 30.0
"""Seconds between two searches for expired entries."""

TOUCH_AFTER = 30.0
"""Seconds after its last noted use that a hit is noted again; longer for long records, which it rewrites."""

KEPT_FREE = 64 * 2**20
"""Bytes of the disk that are left to others and to the log, or a fifth of a smaller disk. A log that cannot be written
into the file, because the file cannot grow, could never be emptied again."""

_LOOK_AFTER = 2 * 2**20
_LONG = 64 * 1024
_TOUCHES, _MOST_TOUCHES = 256, 10_000
_ROWS, _ROUNDS = 128, 8
"""At most so many rows at once, and so often in one transaction."""


class Upkeep:
    """Drops expired entries and leases, and the least recently used ones where there are too many.

    Args:
        folder: where the database is.
        clock: what tells the time.
        max_bytes: how much the database may hold; it holds less where the disk is nearly full.
        max_entries: how many entries, None for as many as fit; counted after every sixteenth of them.
    """

    def __init__(self, folder: Path, clock: Clock, max_bytes: int, max_entries: int | None) -> None:
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self._folder = folder
        self._clock = clock
        self._touched: dict[str, float] = {}
        self._bytes_since = self._entries_since = 0
        self._look_at = self._sweep_at = 0.0
        # Until a look has shown otherwise.
        self._many_bytes = self._many_entries = True

    def used(self, key: str, used_at: float, size: int) -> bool:
        """Note a hit, if it matters: only what is more than half full will soon have to choose what to drop.

        Returns:
            Whether so many are noted that it is worth writing them down.
        """
        if not (self._many_bytes or self._many_entries):
            return False
        now = self._clock.wall()
        if now - used_at <= TOUCH_AFTER * (1 + size // _LONG) or len(self._touched) >= _MOST_TOUCHES:
            return False
        self._touched[key] = now
        return len(self._touched) % _TOUCHES == 0

    def due(self) -> None:
        """Let everything be done with the next transaction."""
        self._look_at = self._sweep_at = 0.0
        self._entries_since = self.max_entries or 0

    def work(self, connection: sqlite3.Connection, wrote_bytes: int, wrote_entries: int) -> int:
        """Do what is due, within the writer's transaction; how many entries were dropped to make room.

        Args:
            connection: the writer's.
            wrote_bytes: how much this transaction writes.
            wrote_entries: how many entries it writes.
        """
        self._bytes_since += wrote_bytes
        self._entries_since += wrote_entries
        now, evicted = self._clock.now(), 0
        # Other processes write too, so there is a look every second even if little was written here.
        if self._bytes_since > min(self.max_bytes // 64, _LOOK_AFTER) or now >= self._look_at:
            self._bytes_since, self._look_at = 0, now + 1.0
            evicted += self._fit_bytes(connection)
        if self._entries_since > (self.max_entries or 0) // 16:
            self._entries_since = 0
            evicted += self._fit_entries(connection)
        if now >= self._sweep_at or len(self._touched) >= _TOUCHES:
            self._sweep_at = now + SWEEP_EVERY
            self._touch(connection)
            connection.execute(schema.DELETE_ENDED, {"wall": self._clock.wall()})
            if self._drop_expired(connection, _ROWS)[0] == _ROWS:
                self._sweep_at = now
        return evicted

    def _fit_bytes(self, connection: sqlite3.Connection) -> int:
        used, whole = schema.used_and_whole_bytes(connection)
        most = min(self.max_bytes, whole + self._spare_bytes())
        enough, evicted = int(most * 0.95), 0
        self._many_bytes = used > most // 2
        if used <= most:
            return 0
        self._touch(connection)
        for _ in range(_ROUNDS):
            evicted += self._drop(connection, _ROWS, used - enough)
            used, _ = schema.used_and_whole_bytes(connection)
            if used <= enough:
                return evicted
        self._look_at = 0.0  # the rest with the next transaction, so that nobody waits long
        return evicted

    def _spare_bytes(self) -> int:
        """By how much the file may grow without taking the last of the disk; negative once too little is left."""
        disk = os.statvfs(self._folder)
        kept_free = min(KEPT_FREE, disk.f_blocks * disk.f_frsize // 5)
        return disk.f_bavail * disk.f_frsize - kept_free

    def _fit_entries(self, connection: sqlite3.Connection) -> int:
        if self.max_entries is None:
            self._many_entries = False
            return 0
        count, evicted = connection.execute(schema.COUNT).fetchall()[0][0], 0
        self._many_entries = count > self.max_entries // 2
        for _ in range(_ROUNDS):
            if count <= self.max_entries:
                return evicted
            self._touch(connection)
            evicted += self._drop(connection, min(_ROWS, count - self.max_entries))
            count = connection.execute(schema.COUNT).fetchall()[0][0]
        self._entries_since = self.max_entries
        return evicted

    def _touch(self, connection: sqlite3.Connection) -> None:
        touched, self._touched = self._touched, {}
        if self._many_bytes or self._many_entries:
            connection.executemany(schema.TOUCH, [(used_at, key) for key, used_at in list(touched.items())])

    def _drop(self, connection: sqlite3.Connection, most: int, enough: float = float("inf")) -> int:
        """Drop ``most`` entries or ``enough`` bytes of them, expired ones first; how many had not expired."""
        expired, freed = self._drop_expired(connection, most)
        evicted: list[tuple[int]] = []
        for row, size in connection.execute(schema.OLDEST, (most - expired,)).fetchall():
            if freed >= enough:
                break
            evicted.append((row,))
            freed += size
        connection.executemany(schema.DELETE_ROW, evicted)
        return len(evicted)

    def _drop_expired(self, connection: sqlite3.Connection, most: int) -> tuple[int, int]:
        """Drop at most ``most`` expired entries; how many, and their bytes."""
        rows = connection.execute(schema.EXPIRED, (self._clock.wall(), most)).fetchall()
        connection.executemany(schema.DELETE_ROW, [(row,) for row, _ in rows])
        return len(rows), sum(size for _, size in rows)
