"""The base of cache middlewares that are classes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from resilient.caching.control import Command
from resilient.caching.core import Proceed
from resilient.durations import Duration

T = TypeVar("T")
_proceed: ContextVar[Proceed] = ContextVar("resilient_middleware_proceed")
"""The rest of the way of the command that is under way here."""


class BaseMiddleware:
    """Lets every command pass. Override those that concern you, and go on by ``await super().get(...)``.

    ``cache.add_middleware(...)`` puts one around a cache; the first that was added is the outermost, for every command.
    A decorated call goes through :meth:`get` and :meth:`set`. For a middleware a miss is None, and None that it returns
    is a miss. What it asks by ``super()`` goes the rest of the way: through those that were added later, to the store.

    One object may stand around several caches, and is used by many threads and tasks at the same time. For a plain
    function, ``cache.blocking`` included, a middleware must not await anything but ``super()``.
    """

    async def __call__(self, proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Any:
        """Do ``command`` by the method of its name."""
        token = _proceed.set(proceed)
        try:
            done: Any = getattr(self, command)(*args, **kwargs)
            return _iterated(proceed, done) if hasattr(done, "__anext__") else await done
        finally:
            _proceed.reset(token)

    async def get(self, key: str, **kwargs: Any) -> Any:
        """The value of ``key``, None for a miss."""
        return await self._go_on(Command.GET, key, **kwargs)

    async def set(self, key: str, value: Any, **kwargs: Any) -> Any:
        """Keep ``value``; ``ttl`` and ``tags`` are among the keyword arguments. Whether it was written."""
        return await self._go_on(Command.SET, key, value, **kwargs)

    async def delete(self, key: str, **kwargs: Any) -> Any:
        """Forget ``key``; whether there was anything."""
        return await self._go_on(Command.DELETE, key, **kwargs)

    async def get_many(self, *keys: str, **kwargs: Any) -> Any:
        """The values of several keys, as a tuple; ``default`` where there is none."""
        return await self._go_on(Command.GET_MANY, *keys, **kwargs)

    async def set_many(self, pairs: Mapping[str, Any], **kwargs: Any) -> Any:
        """Keep several values; ``ttl`` and ``tags`` are among the keyword arguments."""
        return await self._go_on(Command.SET_MANY, pairs, **kwargs)

    async def delete_many(self, *keys: str, **kwargs: Any) -> Any:
        """Forget several keys; how many entries that were."""
        return await self._go_on(Command.DELETE_MANY, *keys, **kwargs)

    async def exists(self, key: str, **kwargs: Any) -> Any:
        """Whether there is a value under ``key``."""
        return await self._go_on(Command.EXISTS, key, **kwargs)

    async def expire(self, key: str, ttl: Duration, **kwargs: Any) -> Any:
        """Let ``key`` live for ``ttl`` from now on; whether there is anything."""
        return await self._go_on(Command.EXPIRE, key, ttl, **kwargs)

    async def get_expire(self, key: str, **kwargs: Any) -> Any:
        """Seconds that ``key`` lives on."""
        return await self._go_on(Command.GET_EXPIRE, key, **kwargs)

    async def incr(self, key: str, value: int = 1, **kwargs: Any) -> Any:
        """Add to a whole number; its new value."""
        return await self._go_on(Command.INCR, key, value, **kwargs)

    async def scan(self, pattern: str, **kwargs: Any) -> AsyncIterator[str]:
        """An iterator over the keys that match; an override may return one, or be an asynchronous generator."""
        return cast("AsyncIterator[str]", await self._go_on(Command.SCAN, pattern, **kwargs))

    async def get_match(self, pattern: str, **kwargs: Any) -> AsyncIterator[tuple[str, Any]]:
        """An iterator over the keys that match, each with its value; as :meth:`scan`."""
        return cast("AsyncIterator[tuple[str, Any]]", await self._go_on(Command.GET_MATCH, pattern, **kwargs))

    async def delete_match(self, pattern: str, **kwargs: Any) -> Any:
        """Forget the keys that match; how many entries that were."""
        return await self._go_on(Command.DELETE_MATCH, pattern, **kwargs)

    async def delete_tags(self, *tags: str, **kwargs: Any) -> Any:
        """Forget all that has one of the tags; how many entries that were."""
        return await self._go_on(Command.DELETE_TAGS, *tags, **kwargs)

    async def clear(self, **kwargs: Any) -> Any:
        """Forget everything."""
        return await self._go_on(Command.CLEAR, **kwargs)

    async def ping(self, **kwargs: Any) -> Any:
        """See whether the stores answer."""
        return await self._go_on(Command.PING, **kwargs)

    async def _go_on(self, command: Command, *args: Any, **kwargs: Any) -> Any:
        return await _proceed.get().with_command(command, *args, **kwargs)


async def _iterated(proceed: Proceed, items: AsyncIterator[T]) -> AsyncIterator[T]:
    """The items of a generator, which asks by ``super()`` only while it is iterated."""
    while True:
        token = _proceed.set(proceed)
        try:
            item = await anext(items)
        except StopAsyncIteration:
            return
        finally:
            _proceed.reset(token)
        yield item
