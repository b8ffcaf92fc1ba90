"""Locks that a forked child can use, with what they guard in good order."""

from __future__ import annotations

import os
from threading import Lock
from weakref import WeakSet

_forking = Lock()
"""Held from before a fork until after it: two threads that fork at once take turns."""
_making = Lock()
"""Held while a lock is added to those that were made, and during a fork."""
_made: WeakSet[Lock] = WeakSet()
_held: set[Lock] = set()


def fork_safe_lock() -> Lock:
    """A lock that no thread holds while the process forks.

    In the child a thread that held it would not exist, and what it was changing would stay half changed for ever.
    Such a lock is held for a moment only, and never while another one is taken.
    """
    lock = Lock()
    with _making:
        _made.add(lock)
    return lock


def _before_fork() -> None:
    _forking.acquire()
    while True:
        _making.acquire()
        missing = [lock for lock in _made if lock not in _held]
        if not missing:
            return
        # Who holds one of them may be about to make another, so let go of that first.
        _making.release()
        for lock in missing:
            lock.acquire()
            _held.add(lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()
    _making.release()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
