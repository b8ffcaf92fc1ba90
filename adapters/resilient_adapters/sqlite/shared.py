"""Which folders this process has open, so that all stores on one share its writer; and what a fork does."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from pathlib import Path

from resilient.ports import Clock
from resilient.stores.parameters import Record
from resilient_adapters.sqlite.disk import Disk
from resilient_adapters.sqlite.upkeep import Upkeep

_lock = threading.Lock()
_disks: dict[str, Disk] = {}
_forgotten: deque[Share] = deque()
"""What was dropped without being closed; a garbage collector comes at any moment, and leaves a note."""


class Share:
    """A part in the disk of one folder; the last one to be closed closes the disk.

    Args:
        disk: the disk.
        record: hears what happens inside while this share is open.

    Attributes:
        disk: the disk.
        is_open: whether it was not given back yet.
    """

    __slots__ = ("_record", "disk", "is_open")

    def __init__(self, disk: Disk, record: Record | None) -> None:
        self.disk = disk
        self._record = record
        self.is_open = True

    def close(self) -> None:
        """Give it back; a second time does nothing."""
        with _lock:
            self.give_back()

    def give_back(self) -> None:
        """The same for a caller who holds this module's lock."""
        if not self.is_open:
            return
        self.is_open = False
        disk = self.disk
        disk.users -= 1
        if not disk.users and _disks.get(str(disk.folder)) is disk:
            del _disks[str(disk.folder)]
            disk.close()
        if self._record is not None:
            disk.records.remove(self._record)


def share_of(
    folder: Path,
    *,
    clock: Clock,
    max_bytes: int,
    max_entries: int | None,
    busy_timeout: float,
    record: Record | None,
) -> Share:
    """A share in the disk of ``folder``; what is given here holds from now on for all who share it."""
    with _lock:
        _reap()
        disk = _disks.get(str(folder))
        if disk is None:
            disk = _disks[str(folder)] = Disk(folder, Upkeep(folder, clock, max_bytes, max_entries))
        disk.users += 1
        disk.upkeep.max_bytes, disk.upkeep.max_entries = max_bytes, max_entries
        disk.busy_timeout = busy_timeout
        if record is not None:
            disk.records.append(record)
        return Share(disk, record)


def forget(owner: object, share: Share) -> None:
    """Close ``share`` some time after ``owner`` was dropped, should nobody close it before."""
    weakref.finalize(owner, _forgotten.append, share).atexit = False


def _reap() -> None:
    while _forgotten:
        _forgotten.popleft().give_back()


def _close_all() -> None:
    with _lock:
        for disk in list(_disks.values()):
            disk.close()


def _before_fork() -> None:
    _lock.acquire()
    for disk in _disks.values():
        disk.park()


def _after_fork_in_parent() -> None:
    for disk in _disks.values():
        disk.resume()
    _lock.release()


def _after_fork_in_child() -> None:
    for disk in _disks.values():
        disk.renew()
    _lock.release()


atexit.register(_close_all)
# Registered after the core's own, so that before a fork ours comes first: the writer may need the core's locks to end.
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
