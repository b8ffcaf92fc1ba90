"""Of all processes that share a store, one makes a value; the others wait for it, or leave it to that one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from resilient.caching.guard import Guard
from resilient.caching.leases import take, take_turns
from resilient.caching.pauses import Pauses
from resilient.caching.slot import Made
from resilient.entry import Entry
from resilient.errors import StoreError
from resilient.events import CacheResult
from resilient.ports import Runtime

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Shared(Protocol[T_co]):
    """A slot whose key others may fill at the same time.

    Attributes:
        fence: of the lease under which its value is made, 0 without one.
        guard: its store.
        name: the name that its key has there.
        runtime: how its caller waits.
    """

    fence: int
    guard: Guard
    name: str
    runtime: Runtime

    async def newer(self) -> Entry | None:
        """What was put there since it was read."""
        ...

    def serve(self, entry: Entry, result: CacheResult) -> T_co:
        """The value of ``entry``, told as ``result``."""
        ...


async def made_in_turn(slot: Shared[T], made: Made[T], timeout: float | None) -> tuple[T, Entry | None]:
    """Make the value unless another process does; then wait for what it makes.

    A store that fails is no reason to wait: then each process makes its own.

    Raises:
        TimeoutError: ``timeout`` seconds were not enough to get the turn.
    """

    async def look() -> Entry | None:
        slot.guard.start_over()
        return await slot.newer()

    try:
        turn = await take_turns(slot.guard, slot.runtime, slot.name, look, timeout, tell=slot.guard.tell)
    except StoreError as error:
        slot.guard.failed("lock", error)
        return await made()
    if isinstance(turn, Entry):
        return slot.serve(turn, "collapsed"), turn
    async with turn:
        slot.fence = turn.fence
        return await made()


def make_behind(
    slot: Shared[T], made: Made[T], pauses: Pauses, told: Callable[[float, Exception | None], None]
) -> None:
    """Make the value in the background, unless some process does so, or it failed a moment ago.

    Args:
        slot: where it belongs; nobody else uses this object.
        made: makes and keeps it.
        pauses: what failed, and when.
        told: hears how long it took, and how it failed, if it did.
    """
    if not pauses.is_paused(slot.name, slot.runtime.clock.now()):
        slot.runtime.spawn(slot.name, partial(_make_behind, slot, made, pauses, told))


async def _make_behind(
    slot: Shared[T], made: Made[T], pauses: Pauses, told: Callable[[float, Exception | None], None]
) -> None:
    try:
        lease = await take(slot.guard, slot.runtime, slot.name, tell=slot.guard.tell)
    except StoreError as error:
        # What is made could not be kept either.
        slot.guard.failed("lock", error)
        return
    if lease is None:
        return
    async with lease:
        if await slot.newer() is not None:
            return
        slot.fence = lease.fence
        now = slot.runtime.clock.now
        began = now()
        try:
            await made()
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for it
            pauses.failed(slot.name, now())
            told(now() - began, error)
        else:
            pauses.succeeded(slot.name)
            told(now() - began, None)
