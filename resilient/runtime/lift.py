"""A blocking store in the shape of an asynchronous one; its coroutines never suspend."""

from __future__ import annotations

from collections.abc import AsyncIterator

from resilient.entry import Entry
from resilient.ports import Store


class Lifted:
    """``store``, to be awaited by code that both colours run."""

    __slots__ = ("name", "store")

    def __init__(self, store: Store) -> None:
        self.store = store
        self.name = store.name

    async def secret(self) -> bytes:
        """The secret kept beside the entries."""
        return self.store.secret()

    async def get(self, key: str) -> Entry | None:
        """The entry, unless there is none or it has expired."""
        return self.store.get(key)

    async def set(self, key: str, entry: Entry) -> None:
        """Write the entry."""
        self.store.set(key, entry)

    async def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        return self.store.delete(key)

    async def scan(self, prefix: str = "") -> AsyncIterator[str]:
        """The keys that start with ``prefix``."""
        for key in self.store.scan(prefix):
            yield key

    async def clear(self) -> None:
        """Remove everything but the secret."""
        self.store.clear()

    async def close(self) -> None:
        """Let go of files and connections."""
        self.store.close()
