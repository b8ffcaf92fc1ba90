"""Every statement of the disk store, and how its connections are set up."""

from __future__ import annotations

import sqlite3

from resilient.errors import StoreUnavailableError

APPLICATION = 0x72736C31
VERSION = 1

_LONGEST = 1e6
"""Seconds; SQLite counts them in milliseconds, and not very far."""

# A damaged or planted row may hold values of any type; the casts see to it that we meet those we know.
GET = "SELECT CAST(record AS BLOB), CAST(used_at AS REAL) FROM entries WHERE key = ?"
ENDS = "SELECT CAST(expires_at AS REAL) FROM entries WHERE key = ?"
PUT = (
    "INSERT INTO entries (key, expires_at, used_at, record) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
    "SET expires_at = excluded.expires_at, used_at = excluded.used_at, record = excluded.record"
)
DELETE = "DELETE FROM entries WHERE key = ?"
DELETE_RECORD = "DELETE FROM entries WHERE key = ? AND CAST(record AS BLOB) = ?"
# Keys go by their bytes, which are in order and compare to themselves whatever damage has made of them.
PAGE = (
    "SELECT CAST(key AS BLOB), CAST(expires_at AS REAL) FROM entries "
    "WHERE key >= CAST(? AS TEXT) AND typeof(key) = 'text' ORDER BY key LIMIT 256"
)
NEXT_PAGE = PAGE.replace(">=", ">")
CLEAR = "DELETE FROM entries"
SECRET = "SELECT CAST(value AS BLOB) FROM meta WHERE name = 'secret'"
PUT_SECRET = "INSERT OR IGNORE INTO meta (name, value) VALUES ('secret', ?)"
TOUCH = "UPDATE entries SET used_at = ? WHERE key = ?"
EXPIRED = "SELECT rowid, length(record) FROM entries WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
OLDEST = "SELECT rowid, length(record) FROM entries ORDER BY used_at LIMIT ?"
DELETE_ROW = "DELETE FROM entries WHERE rowid = ?"
COUNT = "SELECT count(*) FROM entries"

# The record comes last, so that the other columns are read without it.
_TABLES = """
CREATE TABLE entries (
    key TEXT NOT NULL UNIQUE, expires_at REAL NOT NULL, used_at REAL NOT NULL, record BLOB NOT NULL
);
CREATE INDEX entries_by_end ON entries (expires_at);
CREATE INDEX entries_by_use ON entries (used_at);
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL);
"""


class UnfinishedError(Exception):
    """Whoever made the database was stopped in the middle; there is nothing in it."""


def connect(path: str, timeout: float) -> sqlite3.Connection:
    """A connection to the database at ``path`` that commits by itself; nothing is read yet.

    Args:
        path: the file, which must be there.
        timeout: seconds that a statement waits at most for another process's lock.
    """
    # Which thread uses it is seen to by the handle; closing it is any thread's right.
    return sqlite3.connect(path, timeout=min(timeout, _LONGEST), isolation_level=None, check_same_thread=False)


def make(connection: sqlite3.Connection) -> None:
    """Make an empty database ours."""
    # Whatever is lost here by a power cut is made once more.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = WAL")
    ours = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
    connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} {ours} COMMIT")


def check(connection: sqlite3.Connection) -> None:
    """See that the database is ours, and set the connection up.

    Raises:
        sqlite3.DatabaseError: it is damaged.
        UnfinishedError: nothing is in it, not even our mark.
        StoreUnavailableError: it is whole but another's.
    """
    application, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
    if (application, version) != (APPLICATION, VERSION):
        if not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
            raise UnfinishedError
        raise StoreUnavailableError(
            f"the database was made by another program or version (application {application:#x}, version "
            f"{version}, not {APPLICATION:#x}, {VERSION}); give the store another folder"
        )
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # Whoever can write the file must not be able to make us run anything, nor to send us into garbage.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def wait_for_others(connection: sqlite3.Connection, timeout: float) -> None:
    """Let every statement wait for another process's lock for ``timeout`` seconds at most."""
    connection.execute(f"PRAGMA busy_timeout = {int(min(timeout, _LONGEST) * 1000)}")


def used_and_whole_bytes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Bytes of the database that hold something, and all of its bytes."""
    pages, free, size = (_pragma(connection, name) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size, pages * size


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchall()[0][0]
    return value
