"""Every statement of the disk store, and how its connections are set up."""

from __future__ import annotations

import sqlite3

from resilient.errors import StoreUnavailableError

APPLICATION = 0x72736C31
VERSION = 2

_LONGEST = 1e6
"""Seconds; SQLite counts them in milliseconds, and not very far."""

# A damaged or planted row may hold values of any type; the casts see to it that we meet those we know.
GET = "SELECT CAST(record AS BLOB), CAST(used_at AS REAL) FROM entries WHERE key = ?"
ENDS = "SELECT CAST(expires_at AS REAL) FROM entries WHERE key = ?"
PUT = (
    "INSERT INTO entries (key, expires_at, used_at, fence, tagged, record) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at, used_at = excluded.used_at, "
    "fence = excluded.fence, tagged = excluded.tagged, record = excluded.record"
)
TAG = "INSERT OR IGNORE INTO tags (tag, entry) SELECT ?, id FROM entries WHERE key = ?"
_TAGGED = "FROM entries WHERE id IN (SELECT entry FROM tags WHERE tag = ?)"
COUNT_TAGGED = f"SELECT count(*) {_TAGGED} AND expires_at > ?"
DELETE_TAGGED = f"DELETE {_TAGGED}"
DELETE = "DELETE FROM entries WHERE key = ?"
DELETE_RECORD = "DELETE FROM entries WHERE key = ? AND CAST(record AS BLOB) = ?"
# Keys go by their bytes, which are in order and compare to themselves whatever damage has made of them.
PAGE = (
    "SELECT CAST(key AS BLOB), CAST(expires_at AS REAL) FROM entries "
    "WHERE key >= CAST(? AS TEXT) AND typeof(key) = 'text' ORDER BY key LIMIT 256"
)
NEXT_PAGE = PAGE.replace(">=", ">")
CLEAR = "DELETE FROM entries"
USAGE = (
    "SELECT (SELECT count(*) FROM entries), (page_count - freelist_count) * page_size "
    "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
SECRET = "SELECT CAST(value AS BLOB) FROM meta WHERE name = 'secret'"
PUT_SECRET = "INSERT OR IGNORE INTO meta (name, value) VALUES ('secret', ?)"
TOUCH = "UPDATE entries SET used_at = ? WHERE key = ?"
EXPIRED = "SELECT id, length(record) FROM entries WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
OLDEST = "SELECT id, length(record) FROM entries ORDER BY used_at LIMIT ?"
DELETE_ROW = "DELETE FROM entries WHERE id = ?"
COUNT = "SELECT count(*) FROM entries"

# A lease whose end lies further ahead than it was meant to was taken before the clock was set back.
_HELD = "CAST(ends AS REAL) > :wall AND CAST(ends AS REAL) - :wall <= CAST(ttl AS REAL) + 0.001"
OVERTAKEN = (
    f"SELECT 1 FROM leases WHERE name = :key AND fence > :fence AND {_HELD} "
    "UNION ALL SELECT 1 FROM entries WHERE key = :key AND fence > :fence AND expires_at > :wall"
)
HELD_BY_ANOTHER = f"SELECT 1 FROM leases WHERE name = :name AND owner != :owner AND {_HELD}"
NEXT_FENCE = (
    "INSERT INTO meta (name, value) VALUES ('fence', 1) "
    "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)
FENCE = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'fence'"
TAKE = "INSERT OR REPLACE INTO leases (name, owner, fence, ttl, ends) VALUES (?, ?, ?, ?, ?)"
RENEW = f"UPDATE leases SET ttl = :ttl, ends = :wall + :ttl WHERE name = :name AND owner = :owner AND {_HELD}"
RELEASE = f"DELETE FROM leases WHERE name = :name AND owner = :owner AND {_HELD}"
DELETE_ENDED = f"DELETE FROM leases WHERE NOT ({_HELD})"

# The record comes last, so that the other columns are read without it. An entry without tags pays nothing for those of
# others; one that has some loses them with its record, whoever deletes or replaces it.
_TABLES = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, expires_at REAL NOT NULL, used_at REAL NOT NULL,
    fence INTEGER NOT NULL, tagged INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE INDEX entries_by_end ON entries (expires_at);
CREATE INDEX entries_by_use ON entries (used_at);
CREATE TABLE tags (tag TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (tag, entry)) WITHOUT ROWID;
CREATE INDEX tags_by_entry ON tags (entry);
CREATE TRIGGER entry_deleted AFTER DELETE ON entries WHEN OLD.tagged
    BEGIN DELETE FROM tags WHERE entry = OLD.id; END;
CREATE TRIGGER entry_replaced AFTER UPDATE OF record ON entries WHEN OLD.tagged
    BEGIN DELETE FROM tags WHERE entry = OLD.id; END;
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, fence INTEGER NOT NULL, ttl REAL NOT NULL, ends REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL);
"""


class OlderError(sqlite3.DatabaseError):
    """The database was made by an earlier version of ours; what a cache keeps may be lost, so it is made anew."""


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
        OlderError: an earlier version made it.
        StoreUnavailableError: it is whole but another's.
    """
    application, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
    if (application, version) != (APPLICATION, VERSION):
        if not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
            raise UnfinishedError
        if application == APPLICATION and version < VERSION:
            raise OlderError(f"it was made by an earlier version, {version} and not {VERSION}")
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


def get_many(keys: int) -> str:
    """The statement that finds the records of so many keys, as :data:`GET` finds that of one."""
    return (
        f"SELECT CAST(record AS BLOB), CAST(used_at AS REAL), key FROM entries WHERE key IN ({', '.join('?' * keys)})"
    )


def used_and_whole_bytes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Bytes of the database that hold something, and all of its bytes."""
    pages, free, size = (_pragma(connection, name) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size, pages * size


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchall()[0][0]
    return value
