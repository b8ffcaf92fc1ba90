"""A lock that all who share a store respect, as the program holds it."""

from __future__ import annotations

from resilient.caching.control import Command
from resilient.caching.core import Core
from resilient.caching.guard import Guard
from resilient.caching.leases import Lease, Lock
from resilient.caching.names import named
from resilient.runtime.drive import drive

LOCK = "lock"
"""Where locks of programs have their names, apart from those of decorated functions."""


class Hold:
    """A lock that is held; where ``lock`` is switched off, nothing is.

    Attributes:
        fence: higher than that of whoever held it before, 0 if nothing is held.
    """

    __slots__ = ("_lease", "fence")

    def __init__(self, lease: Lease | None) -> None:
        self._lease = lease
        self.fence = 0 if lease is None else lease.fence

    @property
    def lost(self) -> bool:
        """Whether somebody else may hold it by now."""
        return self._lease is not None and self._lease.lost


class Locking:
    """A lock, as ``async with`` and as ``with``.

    Args:
        core: the cache.
        key: what is locked.
        ttl: seconds after which it is free if its holder died; it is renewed while it is held.
        timeout: seconds to wait for it at most; None for as long as it takes.
    """

    __slots__ = ("_core", "_held", "_key", "_timeout", "_ttl")

    def __init__(self, core: Core, key: str, ttl: float, timeout: float | None) -> None:
        self._core = core
        self._key = key
        self._ttl = ttl
        self._timeout = timeout
        self._held: list[Lock | None] = []

    async def __aenter__(self) -> Hold:
        return await self._enter(blocking=False)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._leave(kind, error, trace)

    def __enter__(self) -> Hold:
        return drive(self._enter(blocking=True))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        drive(self._leave(kind, error, trace))

    async def _enter(self, *, blocking: bool) -> Hold:
        """Hold it; where ``lock`` is switched off, hold nothing."""
        core = self._core
        if core.is_off(Command.LOCK, self._key):
            self._held.append(None)
            return Hold(None)
        runtime = core.threads if blocking else core.tasks
        mount = core.mounts.of(self._key)
        # Waits for each answer of the store as long as any command does, and for the lock as long as it takes.
        waits = core.waits_for(mount)
        store = Guard(mount.store(runtime), runtime, core.record, mount.timeout, None, core.tell, waits)
        lock = Lock(store, runtime, named(LOCK, self._key), self._ttl, self._timeout, core.tell)
        lease = await lock.__aenter__()
        if mount.near is not None:
            # What others wrote while they held it may not have been heard of yet.
            mount.near.empty()
        self._held.append(lock)
        return Hold(lease)

    async def _leave(self, kind: object, error: BaseException | None, trace: object) -> None:
        lock = self._held.pop()
        if lock is not None:
            await lock.__aexit__(kind, error, trace)
