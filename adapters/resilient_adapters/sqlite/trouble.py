"""What SQLite's and the system's errors mean to a store."""

from __future__ import annotations

import errno
import sqlite3

from resilient.errors import StoreError, StoreTrouble, StoreUnavailableError

_KINDS: dict[int, StoreTrouble] = {
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_PROTOCOL: "busy",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "readonly",
    sqlite3.SQLITE_PERM: "readonly",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
}
_SYSTEM: dict[int, StoreTrouble] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "readonly",
    errno.EACCES: "readonly",
    errno.EPERM: "readonly",
    errno.EAGAIN: "busy",
}


def kind_of(error: BaseException) -> StoreTrouble:
    """Which of the few kinds of trouble ``error`` is."""
    if isinstance(error, StoreError):
        return error.kind
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        # The file that all processes map cannot grow: the disk is full.
        if code == sqlite3.SQLITE_IOERR_SHMSIZE:
            return "full"
        return _KINDS.get(code & 0xFF, "other")
    if isinstance(error, OSError):
        return _SYSTEM.get(error.errno or 0, "other")
    return "other"


def unavailable(error: BaseException, doing: str) -> StoreError:
    """A new error of ours for ``error``; every waiter gets one of its own."""
    made = StoreUnavailableError(f"the disk store failed to {doing}: {error}", kind=kind_of(error))
    made.__cause__ = error
    return made
