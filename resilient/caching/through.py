"""Reading and writing one key as the middlewares of a cache see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from resilient.caching.coding import AsTheyAre, Coding
from resilient.caching.control import Command
from resilient.caching.core import Bottom, Core
from resilient.caching.mounts import Mount
from resilient.caching.names import is_mark, named
from resilient.caching.plain import Plain
from resilient.durations import Duration, seconds_of
from resilient.entry import FOREVER, Entry
from resilient.ports import NO_ENTRIES, AsyncStore, Runtime


class Through:
    """The part of a store that a strategy needs, behind the middlewares of its cache.

    Args:
        core: the cache.
        runtime: the colour of whoever asks.
        coding: what middlewares see.
        namespace: the strategy's.
        mount: where the keys are kept.

    Attributes:
        name: the store's.
    """

    __slots__ = ("_coding", "_core", "_mount", "_namespace", "_runtime", "name")

    def __init__(self, core: Core, runtime: Runtime, coding: Coding, namespace: str, mount: Mount) -> None:
        self._core = core
        self._runtime = runtime
        self._coding = coding
        self._namespace = namespace
        self._mount = mount
        self.name = mount.pair.blocking.name

    def reads(self, key: str) -> bool:
        """Whether ``get`` is switched on for ``key``."""
        return not self._core.is_off(Command.GET, key)

    def is_direct(self, key: str) -> bool:
        """Whether nothing stands between ``key`` and the store."""
        return not self._core.middlewares and self.reads(key)

    async def secret(self) -> bytes:
        """The store's."""
        return await self._mount.store(self._runtime).secret()

    async def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        """Take a lease; the store's own affair, of which middlewares see nothing."""
        return await self._mount.store(self._runtime).acquire(name, owner, ttl)

    async def renew(self, name: str, owner: str, ttl: float) -> bool:
        """Renew a lease."""
        return await self._mount.store(self._runtime).renew(name, owner, ttl)

    async def release(self, name: str, owner: str) -> bool:
        """Give a lease back."""
        return await self._mount.store(self._runtime).release(name, owner)

    async def delete(self, *keys: str) -> int:
        """Remove entries by their names in the store."""
        return await self._core.store(self._mount, self._runtime).delete(*keys)

    async def incr(self, key: str, by: int, expires_at: float) -> int:
        """Add to a counter by its name in the store."""
        return await self._core.store(self._mount, self._runtime).incr(key, by, expires_at)

    async def get(self, key: str) -> Entry | None:
        """The entry, or what a middleware gives in its place; None for a miss, and where ``get`` is switched off."""
        if not self.reads(key):
            return None
        if not self._core.middlewares:
            return await self._core.store(self._mount, self._runtime).get(named(self._namespace, key))
        entry: Entry | None = None
        value: object = None
        asked = key

        async def bottom(command: Command, *args: Any, **kwargs: Any) -> Any:
            if command is not Command.GET:
                return await Plain(self._core, self._runtime).do(command, *args, **kwargs)
            return await read(*args, **kwargs)

        async def read(key: str) -> object:
            nonlocal entry, value, asked
            asked = key
            entry = await self._store(key).get(named(self._namespace, key))
            value = None if entry is None else self._coding.value_of(key, entry)
            return value

        said = await self._core.through(Command.GET, self._telling(bottom), key)
        # Under another key it has another signature.
        if said is value and (asked == key or entry is None):
            # A stored None looks like a miss to the middlewares; the entry beside it knows better.
            return entry
        if said is None and value is not None:
            return None
        if entry is None:
            wall = self._core.clock.wall()
            entry = Entry(body=b"", stored_at=wall, fresh_until=FOREVER, expires_at=FOREVER)
        return self._coding.entry_of(key, said, entry)

    async def set(self, key: str, entry: Entry, marks: Mapping[str, Entry | None] = NO_ENTRIES) -> bool:
        """Write the entry, or what a middleware makes of it; whether it was written. Not if ``set`` is switched off.

        Raises:
            TransactionError: something else than ``marks`` is there under their names.
        """
        if self._core.is_off(Command.SET, key):
            return False
        if not self._core.middlewares:
            store = self._core.store(self._mount, self._runtime)
            return await _written(store, named(self._namespace, key), entry, marks)
        value = self._coding.value_of(key, entry)

        async def bottom(command: Command, *args: Any, **kwargs: Any) -> Any:
            if command is not Command.SET:
                return await Plain(self._core, self._runtime).do(command, *args, **kwargs)
            return await write(*args, **kwargs)

        async def write(name: str, said: object, ttl: Duration | None = None, *, tags: tuple[str, ...] = ()) -> bool:
            made = entry if said is value and name == key else self._coding.entry_of(name, said, entry)
            if ttl is not given or tags != entry.tags:
                ends = FOREVER if ttl is None else entry.stored_at + seconds_of(ttl, option="ttl")
                made = made.with_life(min(made.fresh_until, ends), ends, tuple(tags))
            return await _written(self._store(name), named(self._namespace, name), made, marks)

        given = None if entry.expires_at == FOREVER else entry.expires_at - entry.stored_at
        telling = self._telling(bottom)
        return bool(await self._core.through(Command.SET, telling, key, value, ttl=given, tags=entry.tags))

    async def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        """Entries by their names in the store, of which middlewares see nothing."""
        return await self._core.store(self._mount, self._runtime).get_many(keys)

    def scan(self, prefix: str = "") -> AsyncIterator[str]:
        """Names in the store, of which middlewares see nothing."""
        return self._core.store(self._mount, self._runtime).scan(prefix)

    async def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        """Change entries as the middlewares say, one by one; marks are the store's own affair, and are left first.

        Raises:
            TransactionError: other marks are there than those that were expected; what was changed by then stays.
        """
        store = self._core.store(self._mount, self._runtime)
        marks = {key: entry for key, entry in expected.items() if is_mark(key)}
        left = {key: entry for key, entry in changes.items() if is_mark(key)}
        removed = await store.commit(left, expected=marks, tags=tags) if left or tags else 0
        for key, entry in changes.items():
            if entry is not None and key not in left:
                await self.set(key, entry, marks)
        gone = [key for key, entry in changes.items() if entry is None]
        if not gone:
            return removed

        async def bottom(command: Command, *args: Any, **kwargs: Any) -> Any:
            if command is not Command.DELETE_MANY:
                return await Plain(self._core, self._runtime).do(command, *args, **kwargs)
            return await store.delete(*args)

        return removed + int(await self._core.through(Command.DELETE_MANY, self._telling(bottom), *gone))

    def _telling(self, bottom: Bottom) -> Bottom:
        # A response tells of its store itself, to those who listen to its client.
        return bottom if isinstance(self._coding, AsTheyAre) else self._core.telling(bottom)

    def _store(self, key: str) -> AsyncStore:
        """The store of a key that a middleware may have changed."""
        return self._core.store(self._core.mounts.of(key), self._runtime)


async def _written(store: AsyncStore, name: str, entry: Entry, marks: Mapping[str, Entry | None]) -> bool:
    if not marks:
        return await store.set(name, entry)
    await store.commit({name: entry}, expected=marks)
    return True
