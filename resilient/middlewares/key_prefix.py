"""Several programs, or versions of one, on one store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from resilient.checks import need
from resilient.durations import Duration
from resilient.middlewares.base import BaseMiddleware


class KeyPrefix(BaseMiddleware):
    """Put ``prefix`` before every key, on the way to the store; whoever asks sees keys without it.

    What is kept under other prefixes is neither found nor forgotten, by ``clear`` neither. Tags are everybody's:
    ``delete_tags`` forgets what has the tag, whatever its prefix.

    Args:
        prefix: any text without ``*``, such as ``"v2:"``.

    Raises:
        ConfigurationError: it is none.
    """

    def __init__(self, prefix: str) -> None:
        right = "text that is not empty and has no '*', such as 'v2:'"
        need(isinstance(prefix, str) and prefix != "" and "*" not in prefix, "prefix", prefix, right)
        self._prefix = prefix

    async def get(self, key: str, **kwargs: Any) -> Any:
        """The value of the longer key."""
        return await super().get(self._prefix + key, **kwargs)

    async def set(self, key: str, value: Any, **kwargs: Any) -> Any:
        """Keep it under the longer key."""
        return await super().set(self._prefix + key, value, **kwargs)

    async def delete(self, key: str, **kwargs: Any) -> Any:
        """Forget the longer key."""
        return await super().delete(self._prefix + key, **kwargs)

    async def get_many(self, *keys: str, **kwargs: Any) -> Any:
        """The values of the longer keys."""
        return await super().get_many(*self._longer(keys), **kwargs)

    async def set_many(self, pairs: Mapping[str, Any], **kwargs: Any) -> Any:
        """Keep them under the longer keys."""
        return await super().set_many({self._prefix + key: value for key, value in pairs.items()}, **kwargs)

    async def delete_many(self, *keys: str, **kwargs: Any) -> Any:
        """Forget the longer keys."""
        return await super().delete_many(*self._longer(keys), **kwargs)

    async def exists(self, key: str, **kwargs: Any) -> Any:
        """Whether there is the longer key."""
        return await super().exists(self._prefix + key, **kwargs)

    async def expire(self, key: str, ttl: Duration, **kwargs: Any) -> Any:
        """Let the longer key live for ``ttl``."""
        return await super().expire(self._prefix + key, ttl, **kwargs)

    async def get_expire(self, key: str, **kwargs: Any) -> Any:
        """Seconds that the longer key lives on."""
        return await super().get_expire(self._prefix + key, **kwargs)

    async def incr(self, key: str, value: int = 1, **kwargs: Any) -> Any:
        """Add to the number of the longer key."""
        return await super().incr(self._prefix + key, value, **kwargs)

    async def scan(self, pattern: str, **kwargs: Any) -> AsyncIterator[str]:
        """The keys that match, without the prefix."""
        return self._shorter(await super().scan(self._prefix + pattern, **kwargs))

    async def get_match(self, pattern: str, **kwargs: Any) -> AsyncIterator[tuple[str, Any]]:
        """The same with their values."""
        return self._shorter_pairs(await super().get_match(self._prefix + pattern, **kwargs))

    async def delete_match(self, pattern: str, **kwargs: Any) -> Any:
        """Forget the keys that match behind the prefix."""
        return await super().delete_match(self._prefix + pattern, **kwargs)

    async def clear(self, **kwargs: Any) -> Any:
        """Forget every key that has the prefix."""
        await super().delete_match(f"{self._prefix}*", **kwargs)

    def _longer(self, keys: tuple[str, ...]) -> list[str]:
        return [self._prefix + key for key in keys]

    async def _shorter(self, keys: AsyncIterator[str]) -> AsyncIterator[str]:
        async for key in keys:
            yield key.removeprefix(self._prefix)

    async def _shorter_pairs(self, pairs: AsyncIterator[tuple[str, Any]]) -> AsyncIterator[tuple[str, Any]]:
        async for key, value in pairs:
            yield key.removeprefix(self._prefix), value
