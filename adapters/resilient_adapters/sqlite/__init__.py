"""A store in a folder of the local disk, on SQLite: it lasts, and threads, tasks and processes share it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from resilient.errors import ConfigurationError
from resilient.ports import Clock, StorePair
from resilient.stores.parameters import Record, bytes_of, count_of, flag_of, span_of
from resilient_adapters.records.codecs import codec_named
from resilient_adapters.records.records import MAX_DECODED
from resilient_adapters.sqlite.changes import Manner
from resilient_adapters.sqlite.commands import Commands
from resilient_adapters.sqlite.folder import default_folder, make_private
from resilient_adapters.sqlite.shared import share_of
from resilient_adapters.sqlite.store import AsyncDiskStore, DiskStore

__all__ = ["AsyncDiskStore", "DiskStore", "open_disk"]

_LEAST_BYTES = 2**20


def open_disk(
    url: str,
    *,
    clock: Clock,
    record: Record | None = None,
    compress: str | None = "gzip",
    max_bytes: object = "1GiB",
    size: object = None,
    max_decoded: object = MAX_DECODED,
    busy_timeout: object = 0.05,
    write_wait: object = 0.05,
    inline_reads: object = False,
) -> StorePair:
    """The store in the folder of ``disk:///path``, or of ``disk://`` in a folder of this application's own.

    The folder is made here if there is none; the database in it, ``resilient.db``, with the first command.
    Stores that are opened on the same folder in one process share its connections and its writer, and the
    limits and the ``busy_timeout`` of the one opened last hold for all of them. Closing either colour closes
    both.

    Args:
        url: names the folder by its absolute path.
        clock: what tells the time.
        record: hears of evictions, and of a damaged database that was replaced.
        compress: how bodies above 1 KiB are compressed: ``"gzip"``, ``"zstd"`` with the extra of that name, or None.
        max_bytes: how much the database may hold: bytes, or text such as ``"500MB"``; at least 1 MiB.
        size: how many entries it may hold, give or take a sixteenth; None for as many as fit.
        max_decoded: bodies larger than this are neither written nor read.
        busy_timeout: how long a read waits at most for other processes.
        write_wait: how long a blocking call waits at most for what it does on its way, to write and to take and give
            back leases; other changes are waited for 5 s, or for this long if it is more. A late one goes on behind.
        inline_reads: whether tasks read on the loop's own thread: several times faster for a fast disk, but
            the loop stands still for as long as a read takes.

    Raises:
        ConfigurationError: an option is wrong, or the folder cannot be used; says why, and what is right.
    """
    limit = bytes_of(max_bytes, option="max_bytes")
    if limit < _LEAST_BYTES:
        raise ConfigurationError(f"max_bytes={max_bytes!r} is not right; give at least 1MiB")
    manner = Manner(
        codec=codec_named(compress),
        max_decoded=bytes_of(max_decoded, option="max_decoded"),
        write_wait=span_of(write_wait, option="write_wait"),
        inline_reads=flag_of(inline_reads, option="inline_reads"),
    )
    most = None if size is None else count_of(size, option="size")
    busy = span_of(busy_timeout, option="busy_timeout")
    folder = _folder(url)
    make_private(folder)
    share = share_of(folder, clock=clock, max_bytes=limit, max_entries=most, busy_timeout=busy, record=record)
    commands = Commands(share, clock, manner)
    return StorePair(blocking=DiskStore(commands), tasks=AsyncDiskStore(commands))


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc:
        raise ConfigurationError("a disk URL names no host; write disk:/// and an absolute path, three slashes in all")
    path = unquote(parts.path)
    if "\0" in path or (path and not path.strip("/")):
        raise ConfigurationError(f"{path!r} is no folder for a store; give one of its own: disk:///var/cache/my-app")
    # Its parents may be links, so that one folder has one name here.
    folder = Path(path) if path else default_folder()
    return folder.parent.resolve() / folder.name
