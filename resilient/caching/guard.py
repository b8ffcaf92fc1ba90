"""A store that can neither fail a call nor hold it up for long."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from resilient.caching.apart import changed, forgotten
from resilient.caching.timing import timed
from resilient.entry import Entry
from resilient.errors import CorruptEntryError, Rejection, StoreError, StoreUnavailableError, TransactionError
from resilient.events import Event, StoreFailed
from resilient.ports import NO_ENTRIES, EntryStore, Job, Runtime
from resilient.runtime.lift import Lifted, at_hand
from resilient.stores.health import Health
from resilient.stores.memory import MemoryStore

T = TypeVar("T")
COMMAND_BUDGET = 0.05
"""Seconds that a call waits for one command of its store; it waits for twice as long in all."""


class Guard:
    """The store of one call. What takes too long or fails is recorded, and counts as nothing found or done.

    The budget bounds the wait, never the work: a late write goes on behind the call. A store that keeps failing is not
    asked at all for a while.

    Args:
        store: the store.
        runtime: how the call waits.
        record: told of each failure.
        budget: seconds that the call waits for one command, and half of those for all; None for as many as it takes,
            however the store is doing.
        health: how the store is doing; None if it is asked all the same.
        tell: told of what is no failure: of locks, and how long each command took; None if nobody listens.
        is_timed: whether that is told; not of what nobody waits for.

    Attributes:
        store: the store.
        tell: as above.
    """

    __slots__ = (
        "_at_hand", "_budget", "_health", "_is_timed", "_memory", "_most", "_record", "_runtime", "_spent", "store",
        "tell", "unsure",
    )  # fmt: skip

    def __init__(
        self,
        store: EntryStore,
        runtime: Runtime,
        record: Callable[[Event], None],
        budget: float | None = COMMAND_BUDGET,
        health: Health | None = None,
        tell: Callable[[Event], None] | None = None,
        is_timed: bool = True,
    ) -> None:
        self._budget = math.inf if budget is None else budget
        self._health = None if budget is None else health
        self._most = 2 * self._budget
        self.store = store
        # Nobody waits for what this process remembers, and it does not fail.
        self._memory = store.store if isinstance(store, Lifted) and type(store.store) is MemoryStore else None
        self._at_hand = at_hand(store)
        self._runtime = runtime
        self._record = record
        self.tell = tell
        self._is_timed = is_timed and self._memory is None
        self._spent = 0.0
        self.unsure = False
        """Whether the store was asked and did not answer, so that what it keeps is not known."""

    async def secret(self) -> bytes | None:
        """The secret kept beside the entries, None if the store does not say."""
        if self._memory is not None:
            return self._memory.secret()
        if self._at_hand is not None and (known := self._at_hand.known_secret) is not None:
            return known
        secret = await self.ask("get", self.store.secret, None)
        # What a digest takes as its key, and too long to be guessed.
        if secret is not None and not (isinstance(secret, bytes) and 16 <= len(secret) <= 64):
            return self._failed("get", "corrupt", None)
        return secret

    async def get(self, key: str) -> Entry | None:
        """The entry, None if there is none or the store does not say."""
        if self._memory is not None:
            return self._memory.get(key)
        if self._at_hand is not None and (entry := self._at_hand.get(key)) is not None:
            return entry
        return self._sound(await self.ask("get", lambda: self.store.get(key), None))

    async def look(
        self, key: str, beside: Callable[[], Sequence[str]]
    ) -> tuple[Entry | None, dict[str, Entry | None] | None]:
        """The entry, and by the same command those of other keys.

        Returns:
            Nothing of other keys if the entry lies in this process, or passes middlewares; None in their place if the
            store does not say.
        """
        if self._memory is not None:
            if (entry := self._memory.get(key)) is not None:
                return entry, {}
            names = beside()
            return None, dict(zip(names, self._memory.get_many(names), strict=True))
        if self._at_hand is not None and (entry := self._at_hand.get(key)) is not None:
            return entry, {}
        # Only its class says so: a store that passes on whatever it does not know would take it for a command.
        is_direct = getattr(type(self.store), "is_direct", None)
        if is_direct is not None and not is_direct(self.store, key):
            # There are middlewares, which see what is read one by one.
            return await self.get(key), {}
        names = [key, *beside()]
        found = await self.get_many(names)
        return (None, None) if found is None else (found[0], dict(zip(names[1:], found[1:], strict=True)))

    async def get_patiently(self, key: str, seconds: float) -> Entry | None:
        """As :meth:`get`, beyond the budget and however the store is doing: for a call that has no other answer."""
        return self._sound(await self._wait("get", lambda: self.store.get(key), None, seconds))

    async def get_many(self, keys: Sequence[str]) -> list[Entry | None] | None:
        """The entries; None if the store does not say."""
        if self._memory is not None:
            return self._memory.get_many(keys)
        found = await self.ask("get", lambda: self.store.get_many(keys), None)
        if found is None:
            return None
        good = len(found) == len(keys) and all(entry is None or isinstance(entry, Entry) for entry in found)
        return found if good else self._failed("get", "corrupt", None)

    async def change(
        self,
        changes: Mapping[str, Entry | None],
        expected: Mapping[str, Entry | None],
        marks: Mapping[str, Entry | None],
    ) -> bool | None:
        """Write entries, all at once, if nothing has changed meanwhile; a cluster does it as :mod:`apart` says.

        Args:
            changes: what is written under each key, None to remove it.
            expected: what was there under keys that are written.
            marks: what was there under keys that are not.

        Returns:
            Whether it was written; None if the store does not say.
        """
        store = self.store
        try:
            if self._memory is not None:
                self._memory.commit(changes, expected={**expected, **marks})
                return all(entry is None or self._memory.get(key) is entry for key, entry in changes.items()) or None
            return await self.ask("set", partial(changed, store, changes, expected, marks), None)
        except TransactionError:
            return False

    async def forget(
        self,
        changes: Mapping[str, Entry | None],
        tags: Collection[str],
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
    ) -> int | None:
        """Remove entries by key and by tag, and leave marks, all at once or as :mod:`apart` says.

        Args:
            changes: the marks, and None for each key that is removed.
            tags: all that has one of these is removed.
            expected: what must still be there under these keys.

        Returns:
            How many were removed; None if what was expected is not there, and nothing was.
        """
        store = self.store
        try:
            if self._memory is not None:
                return self._memory.commit(changes, expected=expected, tags=tags)
            return await self.ask("delete", partial(forgotten, store, changes, tags, expected), 0)
        except TransactionError:
            return None

    async def set(self, key: str, entry: Entry) -> bool:
        """Write the entry; whether the store says so."""
        if self._memory is not None:
            return self._memory.set(key, entry)

        async def write() -> bool:
            return await self.store.set(key, entry) is not False

        return await self.ask("set", write, False)

    def patient(self, seconds: float) -> Guard:
        """Another guard of the same store, which waits so long in all: for a call that has no other answer."""
        guard = Guard(self.store, self._runtime, self._record, seconds, None, self.tell, self._is_timed)
        guard._most = seconds
        return guard

    def start_over(self) -> None:
        """Count the time from here on: what the call spent while it waited for others was not the store's."""
        self._spent = 0.0

    async def incr(self, key: str, expires_at: float) -> int:
        """One more in a counter; 0 if the store does not say."""
        number = await self.ask("incr", lambda: self.store.incr(key, 1, expires_at), 0)
        return number if isinstance(number, int) else self._failed("incr", "corrupt", 0)

    async def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        """Take a lease; unlike an entry, it cannot be done without.

        Raises:
            StoreUnavailableError: the store failed, or took too long.
        """
        return await self._in_time(lambda: self.store.acquire(name, owner, ttl), self._health)

    async def renew(self, name: str, owner: str, ttl: float) -> bool:
        """Renew a lease, however the store is doing; raises as :meth:`acquire`."""
        return await self._in_time(lambda: self.store.renew(name, owner, ttl))

    async def release(self, name: str, owner: str) -> bool:
        """Give a lease back, however the store is doing; raises as :meth:`acquire`."""
        return await self._in_time(lambda: self.store.release(name, owner))

    async def _in_time(self, job: Job[T], health: Health | None = None) -> T:
        began = self._runtime.clock.now()
        try:
            return await self._answer("lock", self._budget, job, health)
        except Exception as error:
            # What was waited for in vain is the store's time; waiting for the holder of a lease is not.
            self._spent += self._runtime.clock.now() - began
            if isinstance(error, StoreError):
                raise
            if isinstance(error, TimeoutError):
                raise StoreUnavailableError("the store did not answer in time", kind="timeout") from None
            # A store of a third party that breaks its promise to raise only StoreError.
            raise StoreUnavailableError(f"the store raised {type(error).__qualname__}") from error

    def failed(self, operation: str, error: StoreError) -> None:
        """Record that what the store answered is of no use."""
        self._failed(operation, error.kind, None, rejected=_rejection_of(error))

    async def ask(self, operation: str, job: Job[T], otherwise: T) -> T:
        """What ``job`` has of the store, ``otherwise`` if it fails or takes too long."""
        left = min(self._budget, self._most - self._spent)
        if left <= 0:
            self.unsure = True
            return self._failed(operation, "timeout", otherwise)
        return await self._wait(operation, job, otherwise, left, self._health)

    async def _wait(self, operation: str, job: Job[T], otherwise: T, seconds: float, health: Health | None = None) -> T:
        clock = self._runtime.clock
        began = clock.now()
        try:
            return await self._answer(operation, seconds, job, health)
        except TimeoutError:
            self.unsure = True
            return self._failed(operation, "timeout", otherwise)
        except TransactionError:
            raise
        except CorruptEntryError as error:
            return otherwise if error.told else self._failed(operation, "corrupt", otherwise, rejected=error.rejected)
        except StoreError as error:
            self.unsure = True
            return otherwise if error.told else self._failed(operation, getattr(error, "kind", "other"), otherwise)
        except Exception as error:  # noqa: BLE001
            # A middleware with a bug, or a store of a third party that breaks its promise to raise only StoreError.
            return self._failed(operation, "other", otherwise, type(error).__qualname__)
        finally:
            self._spent += clock.now() - began

    def _answer(self, operation: str, seconds: float, job: Job[T], health: Health | None) -> Coroutine[Any, Any, T]:
        if health is None:
            answer = self._runtime.within(seconds, job)
        else:
            answer = health.ask(self._runtime, seconds, job, self._record)
        if self.tell is None or not self._is_timed:
            return answer
        return timed(answer, self._runtime.clock, self.store.name, operation, self.tell)

    def _sound(self, entry: Entry | None) -> Entry | None:
        """What the store gave, if it is an entry; one of a third party may give anything."""
        good = entry is None or isinstance(entry, Entry)
        return entry if good else self._failed("get", "corrupt", None, rejected="value")

    def _failed(
        self, operation: str, kind: Any, otherwise: T, trouble: str = "", rejected: Rejection | None = None
    ) -> T:
        name = self.store.name
        self._record(StoreFailed(store=name, operation=operation, kind=kind, error=trouble, rejected=rejected))
        return otherwise


def _rejection_of(error: StoreError) -> Rejection | None:
    return error.rejected if isinstance(error, CorruptEntryError) else None
