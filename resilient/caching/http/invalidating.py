"""Forgetting answers because a program says so: one URL's, those of a tag, a prefix or a partition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resilient.caching.apart import forgotten
from resilient.caching.guard import Guard
from resilient.caching.http.asked import partition_of, resource_of
from resilient.caching.http.forgetting import Resources
from resilient.caching.http.places import ANSWER
from resilient.caching.marks import EVERYWHERE, leaving
from resilient.entry import Entry
from resilient.messages import URL, origin_of
from resilient.ports import NO_ENTRIES, EntryStore, Runtime

_AT_ONCE = 100
"""Entries that are read with one command."""


class Invalidating:
    """Makes a store forget answers; what is being asked for meanwhile is not kept either.

    Args:
        store: where they are.
        runtime: how to wait.

    Raises:
        StoreError: by all its methods: the store failed, and may not have forgotten.
    """

    __slots__ = ("_runtime", "_store")

    def __init__(self, store: EntryStore, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime

    async def url(self, url: URL, host: bytes) -> int:
        """Forget all answers to one URL; how many there were.

        Args:
            url: an absolute one.
            host: the Host field of requests for it.
        """
        resource = resource_of(host, origin_of(url), url.raw_path, await self._store.secret())
        guard = Guard(self._store, self._runtime, _nobody, None)
        done = await Resources([resource]).forget(guard, self._runtime.clock)
        return 0 if done is None else done[0]

    async def tag(self, tag: str) -> int:
        """Forget what has a tag, functions' values too; how many there were."""
        return await forgotten(self._store, self._marked(), [tag], NO_ENTRIES)

    async def prefix(self, prefix: str) -> int:
        """Forget all answers from places that begin so, whatever their query; how many there were."""
        return await self._where(lambda _, entry: str(entry.meta.get("place")).startswith(prefix))

    async def partition(self, name: str) -> int:
        """Forget all answers of the partition of that name; how many there were."""
        mine = partition_of(name, await self._store.secret())
        return await self._where(lambda key, entry: "place" in entry.meta and _partition(key) == mine)

    def _marked(self) -> dict[str, Entry | None]:
        return leaving([EVERYWHERE], self._runtime.clock.wall())

    async def _where(self, holds: Callable[[str, Entry], bool]) -> int:
        await self._store.commit(self._marked())
        found = [key async for key in self._store.scan() if ANSWER.search(key)]
        forgotten = 0
        for at in range(0, len(found), _AT_ONCE):
            keys = found[at : at + _AT_ONCE]
            entries = await self._store.get_many(keys)
            gone = [key for key, entry in zip(keys, entries, strict=True) if entry is not None and holds(key, entry)]
            if gone:
                forgotten += await self._store.delete(*gone)
        return forgotten


def _partition(key: str) -> str | None:
    found = ANSWER.search(key)
    return None if found is None else found["partition"]


def _nobody(event: Any) -> None:
    """Whoever gives a command hears of its failure by its error."""
