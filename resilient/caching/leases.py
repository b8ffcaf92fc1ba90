"""Leases: of all who share a store, one at a time does the work of a name."""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Literal, Self, TypeAlias, TypeVar

from resilient.caching.names import key_of
from resilient.errors import LeaseLostError, StoreError
from resilient.events import Event, LockLost, LockReleased, LockTaken, LockWaited
from resilient.ports import LeaseStore, Runtime

V = TypeVar("V")
Tell: TypeAlias = Callable[[Event], object]
Look: TypeAlias = Callable[[], Coroutine[Any, Any, V | None]]
"""Looks for what the holder makes; None while there is nothing."""

LEASE = 5.0
"""Seconds after which the lease of a holder that died is free again."""
FIRST_WAIT, LAST_WAIT = 0.01, 0.2
"""Seconds between the first two tries of one who waits, and in the end; each wait is twice the one before."""


class Lease:
    """A lease that is held, renewed in the background at a third of its time; :func:`take` makes it.

    It is renewed until it is given back or lost, however much background work there is, and also after its runtime
    was closed: whoever holds it may have gone on.

    Used as ``async with lease:`` it is given back at the end; a store that does not answer then is no error, since
    the lease ends by itself.

    Args:
        store: where it is held.
        runtime: how its holder waits.
        name: of what only one does at a time.
        owner: tells this holder from all others.
        ttl: seconds that it lasts without being renewed.
        fence: higher than that of whoever held it before.
        ends: the instant of its end, unless it is renewed.
        tell: told of its end; None if nobody listens.
    """

    __slots__ = (
        "_began", "_ends", "_owner", "_renew_no_more", "_runtime", "_store", "_tell", "_ttl", "_unanswered",
        "_was_lost", "fence", "name",
    )  # fmt: skip

    def __init__(
        self,
        store: LeaseStore,
        runtime: Runtime,
        name: str,
        owner: str,
        ttl: float,
        fence: int,
        ends: float,
        tell: Tell | None = None,
    ) -> None:
        self.name = name
        self.fence = fence
        self._store = store
        self._runtime = runtime
        self._owner = owner
        self._ttl = ttl
        self._ends = ends
        self._was_lost: bool | None = None
        self._began = ends - ttl
        self._unanswered = False
        self._tell = tell
        self._renew_no_more = runtime.repeat(ttl / 3, self._renew)

    @property
    def lost(self) -> bool:
        """Whether somebody else may hold it, or may have held it before it was given back."""
        return self._runtime.clock.now() >= self._ends if self._was_lost is None else self._was_lost

    async def release(self) -> bool:
        """Give it back; whether it was held until now.

        Raises:
            StoreError: the store did not answer; the lease ends by itself.
        """
        self._was_lost = self.lost
        self._renew_no_more()
        try:
            held = await self._store.release(self.name, self._owner)
        except GeneratorExit:
            raise
        except StoreError:
            self._over("store" if self._was_lost else None)
            raise
        except BaseException:
            self._over(None)
            _release_behind(self._store, self._runtime, self.name, self._owner)
            raise
        self._over(None if held else "stolen")
        self._was_lost = not held
        return held

    def _over(self, lost: Literal["expired", "stolen", "store"] | None) -> None:
        """Tell that it is over, once; ``lost`` says how it was lost, None if it was not."""
        tell, self._tell = self._tell, None
        if tell is None:
            return
        seconds = self._runtime.clock.now() - self._began
        tell(LockReleased(seconds=seconds) if lost is None else LockLost(seconds=seconds, reason=lost))

    async def _renew(self) -> float | None:
        """Renew it; seconds after which to do so again, None if it is lost."""
        now, pause = self._runtime.clock.now, self._ttl / 3
        began = now()
        if began >= self._ends:
            self._over("store" if self._unanswered else "expired")
            return None
        try:
            held = await self._runtime.within(
                self._ends - began, lambda: self._store.renew(self.name, self._owner, self._ttl)
            )
            self._ends = began + self._ttl if held else -math.inf
            self._unanswered = False
            if not held:
                self._over("stolen")
        except (StoreError, TimeoutError):
            # The store may be back before the lease ends.
            pause = self._ttl / 10
            self._unanswered = True
        if now() + pause < self._ends:
            return pause
        self._over("store" if self._unanswered else "expired")
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(StoreError):
            await self.release()


async def take(
    store: LeaseStore, runtime: Runtime, name: str, ttl: float = LEASE, tell: Tell | None = None
) -> Lease | None:
    """Take the lease of ``name`` for ``ttl`` seconds, and as long as it is held; None if somebody else holds it.

    ``tell`` is told that it is held, and of its end.

    Raises:
        StoreError: the store did not answer.
    """
    owner, began = secrets.token_hex(16), runtime.clock.now()
    try:
        fence = await store.acquire(name, owner, ttl)
    except (StoreError, GeneratorExit):
        raise
    except BaseException:
        # Cancelled while it was being taken: perhaps it is.
        _release_behind(store, runtime, name, owner)
        raise
    if fence is None:
        return None
    if tell is not None:
        tell(LockTaken())
    return Lease(store, runtime, name, owner, ttl, fence, began + ttl, tell)


async def take_turns(
    store: LeaseStore,
    runtime: Runtime,
    name: str,
    look: Look[V],
    timeout: float | None = None,
    ttl: float = LEASE,
    tell: Tell | None = None,
) -> Lease | V:
    """Take the lease of ``name``, or wait for what its holder makes, whichever comes first.

    Whoever waits asks the store less and less often, 25 times in the first second at most.

    Args:
        store: where the lease is held.
        runtime: how the caller waits.
        name: of what only one does at a time.
        look: looks for what the holder makes; also once more as soon as the lease is taken.
        timeout: seconds to wait at most; None for as long as it takes.
        ttl: seconds that the lease lasts without being renewed.
        tell: told of the wait, that the lease is held, and of its end; None if nobody listens.

    Returns:
        What was found; else the lease, taken.

    Raises:
        TimeoutError: the time ran out first.
        StoreError: the store did not answer.
    """
    clock, pause = runtime.clock, FIRST_WAIT
    began = clock.now()
    ends = math.inf if timeout is None else began + timeout

    def waited(result: Literal["taken", "found", "timeout"]) -> None:
        if tell is not None:
            tell(LockWaited(seconds=clock.now() - began, result=result))

    while True:
        lease = await take(store, runtime, name, ttl, tell)
        if lease is not None:
            waited("taken")
            return await _unless_found(lease, look)
        left = ends - clock.now()
        if left <= 0:
            waited("timeout")
            raise TimeoutError
        # All who wait must not come back in step.
        await runtime.sleep(min(left, pause * random.uniform(0.5, 1.5)))
        pause = min(LAST_WAIT, 2 * pause)
        found = await look()
        if found is not None:
            waited("found")
            return found


class Lock:
    """A lock of all who share a store, for one ``async with`` block at a time.

    It is renewed while the block runs, and free again ``ttl`` seconds after its holder died. It keeps two holders
    apart only as long as the store answers and loses nothing: what must never happen twice needs the fence too.

    Args:
        store: where it is held.
        runtime: how its holder waits.
        name: of what only one does at a time.
        ttl: seconds that it lasts without being renewed.
        timeout: seconds to wait for it at most; None for as long as it takes.
        tell: told of waits, and of what becomes of it; None if nobody listens.
    """

    __slots__ = ("_lease", "_name", "_runtime", "_store", "_tell", "_timeout", "_ttl")

    def __init__(
        self,
        store: LeaseStore,
        runtime: Runtime,
        name: str,
        ttl: float = LEASE,
        timeout: float | None = None,
        tell: Tell | None = None,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._name = name
        self._ttl = ttl
        self._timeout = timeout
        self._tell = tell
        self._lease: Lease | None = None

    async def __aenter__(self) -> Lease:
        """Wait for the lock, and hold it.

        Raises:
            TimeoutError: the time ran out first.
            StoreError: the store did not answer.
        """
        try:
            lease = await take_turns(
                self._store, self._runtime, self._name, _look_nowhere, self._timeout, self._ttl, self._tell
            )
        except TimeoutError:
            raise TimeoutError(f"the lock of {key_of(self._name)!r} was not free within {self._timeout} s") from None
        if self._lease is not None:
            await lease.release()
            raise RuntimeError(f"this lock of {key_of(self._name)!r} is in use already; make one for each block")
        self._lease = lease
        return lease

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Give the lock back.

        Raises:
            LeaseLostError: it was lost while the block ran, which raised no error of its own.
        """
        lease, self._lease = self._lease, None
        assert lease is not None
        try:
            held = await lease.release()
        except StoreError:
            held = not lease.lost
        if not held and error is None:
            raise LeaseLostError(key_of(self._name))


async def _unless_found(lease: Lease, look: Look[V]) -> Lease | V:
    """The lease, unless its last holder left what is looked for: then that, and the lease is given back."""
    kept = False
    try:
        found = await look()
        kept = found is None
    finally:
        if not kept:
            with suppress(StoreError):
                await lease.release()
    return lease if found is None else found


async def _look_nowhere() -> None:
    """A lock has nothing to show but itself."""


def _release_behind(store: LeaseStore, runtime: Runtime, name: str, owner: str) -> None:
    """Give a lease back that nobody has time for any more."""
    job = partial(_release_quietly, store, name, owner)
    # Closing waits for it; where there is too much to wait for, it is done all the same.
    if not runtime.spawn(f"release {name} {owner}", job):
        runtime.repeat(0.0, job)


async def _release_quietly(store: LeaseStore, name: str, owner: str) -> None:
    with suppress(StoreError):
        await store.release(name, owner)
