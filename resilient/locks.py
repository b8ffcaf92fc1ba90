"""Locks that a forked child can use, with what they guard in good order."""

from __future__ import annotations

import os
from threading import Lock
from weakref import WeakSet

_made: WeakSet[Lock] = WeakSet()
_held: list[Lock] = []


def fork_safe_lock() -> Lock:
    """A lock that no thread holds while the process forks.

    In the child a thread that held it would not exist, and what it was changing would stay half changed for ever.
    Such a lock is held for a moment only, and never while another one is taken.
    """
    lock = Lock()
    _made.add(lock)
    return lock


def _before_fork() -> None:
    _held.extend(_made)
    for lock in _held:
        lock.acquire()


def _after_fork() -> None:
    for lock in _held:
        lock.release()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
