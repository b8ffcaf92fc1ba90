"""The commands of a cache, as code of either colour awaits them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from resilient.caching.control import Command
from resilient.caching.core import TROUBLE, Core, key_in
from resilient.caching.plain import Plain
from resilient.caching.through import Through
from resilient.caching.timing import timed
from resilient.checks import need
from resilient.durations import Duration
from resilient.errors import CorruptEntryError, StoreUnavailableError
from resilient.events import CacheLookup
from resilient.ports import Job, Runtime, T


class Commands:
    """What a cache can be asked to do.

    A command that is switched off does nothing, and answers as if nothing were kept. Each raises
    :class:`resilient.StoreUnavailableError` if its store fails, or does not answer within the ``timeout`` that was
    given to ``setup``, 5 s by default.

    Args:
        core: the cache.
        blocking: whether those who ask are threads; else they are tasks.
    """

    __slots__ = ("_blocking", "_core")

    def __init__(self, core: Core, *, blocking: bool) -> None:
        self._core = core
        self._blocking = blocking

    @property
    def _runtime(self) -> Runtime:
        return self._core.threads if self._blocking else self._core.tasks

    async def get(self, key: str, default: object = None) -> Any:
        """The value of ``key``, ``default`` if there is none; a stored None is a value."""
        core = self._core
        if core.is_off(Command.GET, key):
            return default
        values, mount = core.values, core.mounts.of(key)
        through = Through(core, self._runtime, values, "", mount)
        value = default
        try:
            entry = await self._in_time(lambda: through.get(key), Command.GET, key, mount.timeout)
            if entry is not None:
                value = values.value_of(key, entry)
        except CorruptEntryError as error:
            core.failed(Command.GET, key, error)
            entry = None
        if core.sinks.listens:
            # Those who listen hear of every question; the cache's own figures are of decorated calls.
            age = None if entry is None else entry.age(core.clock.wall())
            core.sinks(CacheLookup(result="miss" if entry is None else "hit", strategy="none", age=age))
        return value

    async def set(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> bool:
        """Keep ``value`` under ``key``.

        Args:
            key: its key.
            value: what to keep; what may be kept, and how it comes back, is told under "What comes back".
            ttl: how long, None for ever.
            tags: the groups that it belongs to.

        Returns:
            Whether it was written.

        Raises:
            StoreError: it is no value that can be kept.
            ConfigurationError: ``ttl`` is no duration, or ``tags`` no list.
        """
        return bool(await self._do(Command.SET, key, value, ttl=ttl, tags=_listed(tags), otherwise=False))

    async def delete(self, key: str) -> bool:
        """Forget what is kept under ``key``, whichever strategy keeps it; whether there was anything."""
        return bool(await self._do(Command.DELETE, key, otherwise=False))

    async def get_many(self, *keys: str, default: object = None) -> tuple[Any, ...]:
        """The values of several keys, in their order; ``default`` where there is none."""
        on = self._on(Command.GET_MANY, keys)
        values = await self._do(Command.GET_MANY, *on, default=default) if on else None
        found = {} if values is None else dict(zip(on, values, strict=True))
        return tuple(found.get(key, default) for key in keys)

    async def set_many(
        self, pairs: Mapping[str, object], ttl: Duration | None = None, *, tags: Sequence[str] = ()
    ) -> None:
        """Keep several values, all of them or none; in each store, where there are several."""
        on = self._on(Command.SET_MANY, pairs)
        if on:
            await self._do(Command.SET_MANY, {key: pairs[key] for key in on}, ttl=ttl, tags=_listed(tags))

    async def delete_many(self, *keys: str) -> int:
        """Forget several keys; how many entries that were."""
        on = self._on(Command.DELETE_MANY, keys)
        return int(await self._do(Command.DELETE_MANY, *on) or 0) if on else 0

    async def get_or_set(self, key: str, default: object, ttl: Duration | None = None) -> Any:
        """The value of ``key``; where there is none, ``default`` is kept and returned.

        Args:
            key: its key.
            default: the value, or a function without parameters that makes it, also an ``async def``.
            ttl: how long to keep it, None for ever.
        """
        found = await self.get(key, _NOTHING)
        if found is not _NOTHING:
            return found
        value = cast("Callable[[], object]", default)() if callable(default) else default
        if inspect.isawaitable(value):
            value = await value
        await self.set(key, value, ttl)
        return value

    async def exists(self, key: str) -> bool:
        """Whether there is a value under ``key``."""
        return bool(await self._do(Command.EXISTS, key, otherwise=False))

    async def expire(self, key: str, ttl: Duration) -> bool:
        """Let ``key`` live for ``ttl`` from now on; False if there is nothing."""
        return bool(await self._do(Command.EXPIRE, key, ttl, otherwise=False))

    async def get_expire(self, key: str) -> float | None:
        """Seconds that ``key`` lives on; None if there is nothing, or if it lives for ever."""
        return cast("float | None", await self._do(Command.GET_EXPIRE, key))

    async def incr(self, key: str, value: int = 1, ttl: Duration | None = None) -> int:
        """Add to a whole number, atomically; 0 where there is none.

        Args:
            key: its key.
            value: what to add, negative to subtract.
            ttl: how long to keep a number that is new, None for ever.

        Returns:
            The new number.

        Raises:
            ConfigurationError: ``value`` is no whole number.
            StoreError: what is kept is no whole number of 64 bits, or would be none.
        """
        need(isinstance(value, int), "value", value, "a whole number")
        return int(await self._do(Command.INCR, key, value, ttl=ttl, otherwise=0) or 0)

    async def scan(self, pattern: str = "*") -> AsyncIterator[str]:
        """The keys that match ``pattern``, whichever strategy keeps them; ``*`` is any text, all else is itself."""
        keys = await self._do(Command.SCAN, pattern)
        if keys is not None:
            async for key in keys:
                yield key

    async def get_match(self, pattern: str = "*") -> AsyncIterator[tuple[str, Any]]:
        """The keys that match ``pattern`` and have a value under the key itself, each with its value."""
        pairs = await self._do(Command.GET_MATCH, pattern)
        if pairs is not None:
            async for pair in pairs:
                yield pair

    async def delete_match(self, pattern: str) -> int:
        """Forget the keys that match ``pattern``; how many entries that were."""
        return int(await self._do(Command.DELETE_MATCH, pattern, otherwise=0) or 0)

    async def delete_tags(self, *tags: str) -> int:
        """Forget all that has one of ``tags``; how many entries that were.

        What is being written at the same time is either forgotten too, or written afterwards.
        """
        return int(await self._do(Command.DELETE_TAGS, *tags, otherwise=0) or 0)

    async def clear(self) -> None:
        """Forget everything."""
        await self._do(Command.CLEAR)

    async def ping(self) -> bool:
        """See whether the stores answer; True if they do.

        Raises:
            StoreUnavailableError: one of them does not.
        """
        await self._do(Command.PING)
        return True

    def _on(self, command: Command, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` for which the command is not switched off."""
        return [key for key in keys if not self._core.is_off(command, key)]

    async def _do(self, command: Command, *args: Any, otherwise: object = None, **kwargs: Any) -> Any:
        """The command through all middlewares, in time; ``otherwise`` where it is switched off."""
        core, key = self._core, key_in(args)
        if core.is_off(command, key):
            return otherwise
        core.forgotten.note(command, args)
        bottom, mounts = core.telling(Plain(core, self._runtime).do), core.mounts
        timeout = mounts.of(key).timeout if key else max(mount.timeout for mount in mounts.all())
        return await self._in_time(lambda: core.through(command, bottom, *args, **kwargs), command, key, timeout)

    async def _in_time(self, job: Job[T], command: Command, key: str, timeout: float) -> T:
        core = self._core
        answer = self._runtime.within(timeout, job)
        if core.tell is not None and core.waits_for(core.mounts.of(key)):
            answer = timed(answer, core.clock, core.store_name(key), command.value, core.tell)
        try:
            return await answer
        except TimeoutError:
            error = StoreUnavailableError(f"the store did not answer within {timeout:g} s", kind="timeout")
            core.failed(command, key, error)
            raise error from None
        except TROUBLE as error:
            core.failed(command, key, error)
            raise


def _listed(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags, as a tuple.

    Raises:
        ConfigurationError: they are one text, of which each letter would be a tag.
    """
    need(not isinstance(tags, str), "tags", tags, f"a list, as in [{tags!r}]")
    return tuple(tags)


_NOTHING: Any = object()
