"""What each command does once all middlewares have let it pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from resilient.caching.control import Command
from resilient.caching.core import Core
from resilient.caching.marks import EVERYWHERE, leaving
from resilient.caching.mounts import Mount
from resilient.caching.names import all_names, is_mark, key_of, matcher
from resilient.durations import Duration, seconds_of
from resilient.entry import FOREVER, Entry
from resilient.errors import CorruptEntryError, ScatteredError, TransactionError
from resilient.ports import AsyncStore, Runtime


class Plain:
    """The commands of a cache in one colour, without its middlewares. Each is described where users find it.

    Args:
        core: the cache.
        runtime: the colour.
    """

    __slots__ = ("_core", "_runtime", "_values")

    def __init__(self, core: Core, runtime: Runtime) -> None:
        self._core = core
        self._runtime = runtime
        self._values = core.values

    async def do(self, command: Command, *args: Any, **kwargs: Any) -> Any:
        """The command of that name."""
        return await getattr(self, command)(*args, **kwargs)

    async def get(self, key: str, default: object = None) -> object:
        return self._value(key, await self._store(key).get(key), default)

    async def set(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> bool:
        return await self._store(key).set(key, self._entry(key, value, ttl, tags))

    async def delete(self, key: str) -> bool:
        return await self.delete_many(key) > 0

    async def get_many(self, *keys: str, default: object = None) -> tuple[object, ...]:
        entries: dict[str, Entry | None] = {}
        for mount, mine in self._by_mount(keys).items():
            entries.update(zip(mine, await self._of(mount).get_many(mine), strict=True))
        return tuple(self._value(key, entries[key], default) for key in keys)

    async def set_many(
        self, pairs: Mapping[str, object], ttl: Duration | None = None, *, tags: Sequence[str] = ()
    ) -> None:
        made = {key: self._entry(key, value, ttl, tags) for key, value in pairs.items()}
        for mount, mine in self._by_mount(made).items():
            try:
                await self._of(mount).commit({key: made[key] for key in mine})
            except ScatteredError as error:
                for together in error.groups:
                    await self._of(mount).commit({key: made[key] for key in together})

    async def delete_many(self, *keys: str) -> int:
        removed = 0
        for mount, mine in self._by_mount(keys).items():
            for batch in batched(mine):
                # Several strategies may keep a key; it is one key all the same.
                removed += await self._of(mount).delete(*(name for key in batch for name in all_names(key)))
        return removed

    async def exists(self, key: str) -> bool:
        return await self._store(key).get(key) is not None

    async def expire(self, key: str, ttl: Duration) -> bool:
        seconds = seconds_of(ttl, option="ttl")

        def longer(entry: Entry) -> Entry:
            ends = self._core.clock.wall() + seconds
            return entry.with_life(ends, ends)

        return await self._change(key, longer)

    async def get_expire(self, key: str) -> float | None:
        entry = await self._store(key).get(key)
        if entry is None or entry.expires_at == FOREVER:
            return None
        return max(0.0, entry.expires_at - self._core.clock.wall())

    async def incr(self, key: str, value: int = 1, ttl: Duration | None = None) -> int:
        return await self._store(key).incr(key, value, self._ends(ttl))

    async def scan(self, pattern: str = "*") -> AsyncIterator[str]:
        return self._scan(pattern)

    async def get_match(self, pattern: str = "*") -> AsyncIterator[tuple[str, object]]:
        return self._get_match(pattern)

    async def delete_match(self, pattern: str) -> int:
        start = pattern.partition("*")[0]
        if self._core.keeps_answers and (start.startswith(_ANSWERS) or _ANSWERS.startswith(start)):
            # An answer that a client is asking for now is not kept either.
            await self._store(_ANSWERS).commit(leaving([EVERYWHERE], self._core.clock.wall()))
        return await self.delete_many(*[key async for key in self._scan(pattern) if not is_mark(key)])

    async def delete_tags(self, *tags: str) -> int:
        return sum([await self._of(mount).commit({}, tags=tags) for mount in self._core.mounts.all()])

    async def clear(self) -> None:
        for mount in self._core.mounts.all():
            await self._of(mount).clear()
        if self._core.keeps_answers:
            # The marks are gone too: what began before them may have been kept by now.
            await self.delete_match(f"{_ANSWERS}*")

    async def ping(self) -> None:
        for mount in self._core.mounts.all():
            await self._of(mount).get("~ping")

    async def _scan(self, pattern: str) -> AsyncIterator[str]:
        matches = matcher(pattern).fullmatch
        seen: set[str] = set()
        for mount in self._core.mounts.all():
            async for name in self._of(mount).scan():
                key = key_of(name)
                if key not in seen and matches(key) and self._core.mounts.of(key) is mount:
                    seen.add(key)
                    yield key

    async def _get_match(self, pattern: str) -> AsyncIterator[tuple[str, object]]:
        async for key in self._scan(pattern):
            entry = await self._store(key).get(key)
            # The answers of a client that shares the store are no values.
            value = _NOTHING if entry is None or "kind" not in entry.meta else self._value(key, entry, _NOTHING)
            if value is not _NOTHING:
                yield key, value

    async def _change(self, key: str, change: Callable[[Entry], Entry]) -> bool:
        """Put another entry in the place of the one that is there; False if there is none."""
        store = self._store(key)
        while (entry := await store.get(key)) is not None:
            try:
                await store.commit({key: change(entry)}, expected={key: entry})
            except TransactionError:
                continue  # somebody was faster
            return True
        return False

    def _value(self, key: str, entry: Entry | None, default: object) -> object:
        """What ``entry`` keeps; ``default`` without one, or if it cannot be decoded, which is told."""
        if entry is None:
            return default
        try:
            return self._values.value_of(key, entry)
        except CorruptEntryError as error:
            self._core.failed(Command.GET, key, error)
            return default

    def _entry(self, key: str, value: object, ttl: Duration | None, tags: Sequence[str]) -> Entry:
        wall, ends = self._core.clock.wall(), self._ends(ttl)
        like = Entry(body=b"", stored_at=wall, fresh_until=ends, expires_at=ends, tags=tuple(tags))
        return self._values.entry_of(key, value, like)

    def _ends(self, ttl: Duration | None) -> float:
        return FOREVER if ttl is None else self._core.clock.wall() + seconds_of(ttl, option="ttl")

    def _store(self, key: str) -> AsyncStore:
        return self._of(self._core.mounts.of(key))

    def _of(self, mount: Mount) -> AsyncStore:
        return self._core.store(mount, self._runtime)

    def _by_mount(self, keys: Sequence[str] | Mapping[str, object]) -> dict[Mount, list[str]]:
        found: dict[Mount, list[str]] = {}
        for key in dict.fromkeys(keys):
            found.setdefault(self._core.mounts.of(key), []).append(key)
        return found


_NOTHING: object = object()
_ANSWERS = "http:"
"""How the keys of clients' answers begin."""


def batched(keys: list[str], most: int = 100) -> list[list[str]]:
    """``keys`` in lists of ``most`` at most."""
    return [keys[start : start + most] for start in range(0, len(keys), most)]
