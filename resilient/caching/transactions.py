"""Several commands that take effect together or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from resilient.caching.mounts import Mount
from resilient.entry import Entry
from resilient.errors import ConfigurationError, StoreUnavailableError, TransactionError
from resilient.ports import NO_ENTRIES, Runtime, Usage
from resilient.settings import nearest
from resilient.stores.counters import incremented

Isolation: TypeAlias = Literal["READ_COMMITTED", "SERIALIZABLE"]
"""What a transaction sees of others: what they have committed; or nothing, else it fails."""


class Transaction:
    """What was changed, and what that rests upon; nothing of it is in the store yet.

    Args:
        isolation: under ``SERIALIZABLE`` all that was read must still be there when it is committed.

    Attributes:
        over: whether it has ended; what still runs in its stretch of the program is on its own.

    Raises:
        ConfigurationError: there is no such isolation.
    """

    __slots__ = ("_mount", "changes", "expected", "over", "serializable", "tags")

    def __init__(self, isolation: Isolation) -> None:
        if isolation not in get_args(Isolation):
            hint = nearest(str(isolation), get_args(Isolation))
            raise ConfigurationError(f"isolation={isolation!r} is not right; {hint}")
        self.serializable = isolation == "SERIALIZABLE"
        self.over = False
        self.reset()

    def reset(self) -> None:
        """Forget what was changed."""
        self.changes: dict[str, Entry | None] = {}
        self.expected: dict[str, Entry | None] = {}
        self.tags: set[str] = set()
        self._mount: Mount | None = None

    def belongs_to(self, mount: Mount) -> None:
        """Keep the transaction to one store.

        Raises:
            TransactionError: it has to do with another one already.
        """
        if self._mount is None:
            self._mount = mount
        elif self._mount is not mount:
            raise TransactionError("a transaction keeps to one store: these keys have prefixes of different stores")

    async def commit(self, runtime: Runtime) -> None:
        """Let it take effect, all of it or nothing.

        Args:
            runtime: the colour of whoever commits it.

        Raises:
            TransactionError: what it rests upon has changed meanwhile.
            StoreUnavailableError: the store failed.
        """
        mount, changes, expected, tags = self._mount, self.changes, self.expected, self.tags
        self.reset()
        # What was only read may have been read while others changed it, half before and half after.
        if mount is not None and (changes or tags or expected):
            store = mount.store(runtime)
            try:
                await runtime.within(mount.timeout, lambda: store.commit(changes, expected=expected, tags=tags))
            except TimeoutError:
                late = f"the store did not commit within {mount.timeout:g} s; it may do so yet"
                raise StoreUnavailableError(late, kind="timeout") from None


class Overlay:
    """A store as a transaction sees it: its own changes over what is there.

    Args:
        mount: what is there.
        runtime: the colour of whoever asks.
        transaction: what was changed.
    """

    __slots__ = ("_clock", "_mount", "_store", "_transaction", "name")

    def __init__(self, mount: Mount, runtime: Runtime, transaction: Transaction) -> None:
        self._mount = mount
        self._store = mount.store(runtime)
        self._transaction = transaction
        self._clock = runtime.clock
        self.name = self._store.name

    async def secret(self) -> bytes:
        """The store's."""
        return await self._store.secret()

    async def get(self, key: str) -> Entry | None:
        """What the transaction wrote, else what is there."""
        mine = self._transaction
        if key in mine.changes:
            return self._seen(key, None)
        return self._seen(key, await (self._relied_upon(key) if mine.serializable else self._store.get(key)))

    async def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        """The same for several keys."""
        return [await self.get(key) for key in keys]

    async def set(self, key: str, entry: Entry) -> bool:
        """Write it when the transaction is committed; a lease that its maker has lost by then must not undo that."""
        self._transaction.belongs_to(self._mount)
        self._transaction.changes[key] = entry.without_fence()
        return True

    async def delete(self, *keys: str) -> int:
        """Remove them when the transaction is committed."""
        found = [await self.get(key) for key in keys]
        self._transaction.belongs_to(self._mount)
        self._transaction.changes.update(dict.fromkeys(keys))
        return len(found) - found.count(None)

    async def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        """Make it a part of the transaction."""
        for key, entry in expected.items():
            if await self.get(key) != entry:
                raise TransactionError(f"{key!r} is not what it was expected to be")
            if key not in self._transaction.changes:
                self._transaction.expected.setdefault(key, entry)
        tagged = [
            key for key, entry in self._transaction.changes.items() if entry and not set(tags).isdisjoint(entry.tags)
        ]
        removed = await self.delete(*tagged, *(key for key, entry in changes.items() if entry is None))
        self._transaction.belongs_to(self._mount)
        self._transaction.tags.update(tags)
        self._transaction.changes.update(changes)
        return removed

    async def incr(self, key: str, by: int, expires_at: float) -> int:
        """Add to a counter; nobody else may have done so when the transaction is committed."""
        there = None if key in self._transaction.changes else await self._relied_upon(key)
        counter = incremented(self._seen(key, there), by, self._clock.wall(), expires_at)
        await self.set(key, counter)
        return int(counter.body)

    async def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        """A lease is taken at once."""
        return await self._store.acquire(name, owner, ttl)

    async def renew(self, name: str, owner: str, ttl: float) -> bool:
        """A lease is renewed at once."""
        return await self._store.renew(name, owner, ttl)

    async def release(self, name: str, owner: str) -> bool:
        """A lease is released at once."""
        return await self._store.release(name, owner)

    async def scan(self, prefix: str = "") -> AsyncIterator[str]:
        """The keys that are there as the transaction sees it."""
        mine = [key for key in list(self._transaction.changes) if key.startswith(prefix)]
        async for key in self._store.scan(prefix):
            if key not in mine and (not self._transaction.tags or await self.get(key) is not None):
                yield key
        for key in mine:
            if await self.get(key) is not None:
                yield key

    async def usage(self) -> Usage:
        """The store's, without what is not committed."""
        return await self._store.usage()

    async def clear(self) -> None:
        """Remove all that is there when the transaction is committed."""
        await self.delete(*[key async for key in self.scan()])

    async def close(self) -> None:
        """The store is not the transaction's to close."""

    def _seen(self, key: str, there: Entry | None) -> Entry | None:
        """What the transaction wrote, else what was ``there``, unless its tag was forgotten."""
        mine = self._transaction
        # Another of its tasks may have written while the store was asked.
        if key in mine.changes:
            entry = mine.changes[key]
            return entry if entry is not None and entry.is_alive(self._clock.wall()) else None
        return None if there is None or not mine.tags.isdisjoint(there.tags) else there

    async def _relied_upon(self, key: str) -> Entry | None:
        """What is there, and must be when the transaction is committed."""
        self._transaction.belongs_to(self._mount)
        expected = self._transaction.expected
        if key not in expected:
            # Whoever of several tasks read it first relies upon what that one saw.
            expected.setdefault(key, await self._store.get(key))
        return expected[key]
