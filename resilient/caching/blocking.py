"""The commands of a cache as plain functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from resilient.caching.commands import Commands
from resilient.caching.core import Core
from resilient.caching.explaining import Explanation, explain
from resilient.caching.figures import Stats
from resilient.durations import Duration
from resilient.runtime.drive import drive


class BlockingCache:
    """A cache for threads: its commands are those of :class:`resilient.Cache`, without ``await``.

    Args:
        core: the cache.
    """

    __slots__ = ("_commands", "_core")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._commands = Commands(core, blocking=True)

    def get(self, key: str, default: object = None) -> Any:
        """The value of ``key``, ``default`` if there is none; a stored None is a value."""
        return drive(self._commands.get(key, default))

    def set(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> bool:
        """Keep ``value`` under ``key``; whether it was written."""
        return drive(self._commands.set(key, value, ttl, tags=tags))

    def delete(self, key: str) -> bool:
        """Forget what is kept under ``key``; whether there was anything."""
        return drive(self._commands.delete(key))

    def get_many(self, *keys: str, default: object = None) -> tuple[Any, ...]:
        """The values of several keys, in their order; ``default`` where there is none."""
        return drive(self._commands.get_many(*keys, default=default))

    def set_many(self, pairs: Mapping[str, object], ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> None:
        """Keep several values, all of them or none."""
        drive(self._commands.set_many(pairs, ttl, tags=tags))

    def delete_many(self, *keys: str) -> int:
        """Forget several keys; how many entries that were."""
        return drive(self._commands.delete_many(*keys))

    def get_or_set(self, key: str, default: object, ttl: Duration | None = None) -> Any:
        """The value of ``key``; where there is none, ``default``, or what it returns, is kept and returned."""
        return drive(self._commands.get_or_set(key, default, ttl))

    def exists(self, key: str) -> bool:
        """Whether there is a value under ``key``."""
        return drive(self._commands.exists(key))

    def expire(self, key: str, ttl: Duration) -> bool:
        """Let ``key`` live for ``ttl`` from now on; False if there is nothing."""
        return drive(self._commands.expire(key, ttl))

    def get_expire(self, key: str) -> float | None:
        """Seconds that ``key`` lives on; None if there is nothing, or if it lives for ever."""
        return drive(self._commands.get_expire(key))

    def incr(self, key: str, value: int = 1, ttl: Duration | None = None) -> int:
        """Add to a whole number, atomically; its new value."""
        return drive(self._commands.incr(key, value, ttl))

    def scan(self, pattern: str = "*") -> Iterator[str]:
        """The keys that match ``pattern``."""
        keys = self._commands.scan(pattern)
        while (key := drive(anext(keys, None))) is not None:
            yield key

    def get_match(self, pattern: str = "*") -> Iterator[tuple[str, Any]]:
        """The keys that match ``pattern`` and have a value under the key itself, each with its value."""
        pairs = self._commands.get_match(pattern)
        while (pair := drive(anext(pairs, None))) is not None:
            yield pair

    def delete_match(self, pattern: str) -> int:
        """Forget the keys that match ``pattern``; how many entries that were."""
        return drive(self._commands.delete_match(pattern))

    def delete_tags(self, *tags: str) -> int:
        """Forget all that has one of ``tags``; how many entries that were."""
        return drive(self._commands.delete_tags(*tags))

    def clear(self) -> None:
        """Forget everything."""
        drive(self._commands.clear())

    def explain(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
        """What a call of a decorated function with these arguments would do, and why; nothing is called."""
        return drive(explain(self._core, self._core.threads, function, *args, **kwargs))

    def stats(self) -> Stats:
        """What the cache did so far, and how much its stores keep."""
        return drive(self._core.stats(self._core.threads))

    def ping(self) -> bool:
        """See whether the stores answer; True if they do."""
        return drive(self._commands.ping())
