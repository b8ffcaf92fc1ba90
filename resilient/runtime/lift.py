"""A blocking store in the shape of an asynchronous one; its coroutines never suspend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from resilient.entry import Entry
from resilient.ports import NO_ENTRIES, AtHand, Store, Usage


def at_hand(store: object) -> AtHand | None:
    """What of ``store`` lies in this process's memory, None if nothing ever does.

    Only its class says so: a store that passes on to another one whatever it does not know is not to be passed by.
    """
    found: AtHand | None = getattr(store, "at_hand", None) if hasattr(type(store), "at_hand") else None
    return found


class Lifted:
    """``store``, to be awaited by code that both colours run."""

    __slots__ = ("at_hand", "name", "store")

    def __init__(self, store: Store) -> None:
        self.store = store
        self.name = store.name
        self.at_hand = at_hand(store)

    async def secret(self) -> bytes:
        """The secret kept beside the entries."""
        return self.store.secret()

    async def get(self, key: str) -> Entry | None:
        """The entry, unless there is none or it has expired."""
        return self.store.get(key)

    async def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        """The entries of several keys, in their order."""
        return self.store.get_many(keys)

    async def set(self, key: str, entry: Entry) -> bool:
        """Write the entry; False if somebody else has taken over."""
        return self.store.set(key, entry)

    async def delete(self, *keys: str) -> int:
        """Remove the entries; how many there were."""
        return self.store.delete(*keys)

    async def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        """Change several entries at once, all or none of them; how many were removed."""
        return self.store.commit(changes, expected=expected, tags=tags)

    async def incr(self, key: str, by: int, expires_at: float) -> int:
        """Add to a counter; its new value."""
        return self.store.incr(key, by, expires_at)

    async def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        """Take a lease; its fence, None if somebody else holds it."""
        return self.store.acquire(name, owner, ttl)

    async def renew(self, name: str, owner: str, ttl: float) -> bool:
        """Hold a lease for longer; False if it is no longer the owner's."""
        return self.store.renew(name, owner, ttl)

    async def release(self, name: str, owner: str) -> bool:
        """Give a lease back; False if it was no longer the owner's."""
        return self.store.release(name, owner)

    async def scan(self, prefix: str = "") -> AsyncIterator[str]:
        """The keys that start with ``prefix``."""
        for key in self.store.scan(prefix):
            yield key

    async def usage(self) -> Usage:
        """How much it keeps."""
        return self.store.usage()

    async def clear(self) -> None:
        """Remove everything but the secret and the leases."""
        self.store.clear()

    async def close(self) -> None:
        """Let go of files and connections."""
        self.store.close()
