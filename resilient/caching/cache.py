"""A cache: a store, opened, in the colour of whoever asks."""

from __future__ import annotations

from collections.abc import Callable

from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.ports import AsyncStore, Clock, Runtime, StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.registry import open_store


class Cache:
    """Where values are kept. One cache serves both colours at once.

    Args:
        store: the store as both colours see it.
    """

    __slots__ = ("_lifted", "_pair")

    def __init__(self, store: StorePair) -> None:
        self._pair = store
        self._lifted: AsyncStore = Lifted(store.blocking)

    @classmethod
    def at(cls, url: str, *, clock: Clock, record: Callable[[Event], None] | None = None) -> Cache:
        """The cache at a store's URL, such as ``mem://`` or ``disk:///var/cache/app``.

        Raises:
            ConfigurationError: no store has that scheme, or the store cannot be used.
        """
        return cls(open_store(url, clock=clock, record=record))

    def store(self, runtime: Runtime) -> AsyncStore:
        """The store in the colour of ``runtime``."""
        return runtime.choose(self._lifted, self._pair.tasks)

    def close(self) -> None:
        """Write what is waiting and let go of files; for the blocking colour."""
        self._pair.blocking.close()

    async def aclose(self) -> None:
        """The same for tasks."""
        await self._pair.tasks.close()


def cache_of(store: str | StorePair | Cache, *, clock: Clock, record: Callable[[Event], None] | None) -> Cache:
    """The cache that a client's ``store=`` means.

    Raises:
        ConfigurationError: it is neither a URL, nor a store, nor a cache.
    """
    if isinstance(store, Cache):
        return store
    if isinstance(store, StorePair):
        return Cache(store)
    if isinstance(store, str):
        return Cache.at(store, clock=clock, record=record)
    # Not shown itself: an address may hold a password.
    raise ConfigurationError(
        f"store={type(store).__name__} is not right; give a URL such as 'mem://', a StorePair or a Cache"
    )
