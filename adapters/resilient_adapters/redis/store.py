"""The Redis store in its two colours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from resilient.entry import Entry
from resilient.ports import NO_ENTRIES, AtHand, Usage
from resilient.runtime.patience import patience
from resilient_adapters.redis.commands import Commands
from resilient_adapters.redis.reading import NAME
from resilient_adapters.redis.steps import Aside, Steps

T = TypeVar("T")

INLINE_BYTES = 64 * 1024
"""What takes longer to encode or decode than so many bytes is done off the event loop."""

COMMAND_WAIT = 5.0
"""Seconds that a blocking command waits at most which is in no call's way."""

LONGEST = 1e6
"""Seconds that a blocking command waits where its caller waits for ever: more than a week, and no socket minds."""


class RedisStore:
    """For threads.

    A command waits as long as its caller's budget or timeout says (:mod:`resilient.runtime.patience`). Where nobody
    says so, what calls do on their way, to read and write entries and for leases, waits ``socket_timeout`` seconds at
    most; anything else five, or as long if that is more. What takes longer raises ``StoreUnavailableError`` with the
    kind ``timeout``; the server may do it all the same.

    Args:
        commands: what it can do.

    Attributes:
        name: ``redis``, in events and metrics.
    """

    name = NAME

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    @property
    def at_hand(self) -> AtHand | None:
        """Copies in this process's memory, None if there never are any."""
        return self._commands.copies

    def secret(self) -> bytes:
        return self._hurry(self._commands.reading.secret())

    def get(self, key: str) -> Entry | None:
        return self._hurry(self._commands.reading.get(key))

    def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        return self._hurry(self._commands.reading.get_many(keys))

    def set(self, key: str, entry: Entry) -> bool:
        return self._hurry(self._commands.changing.set(key, entry))

    def delete(self, *keys: str) -> int:
        return self._wait(self._commands.changing.delete(keys))

    def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        return self._wait(self._commands.changing.commit(changes, expected, tags))

    def incr(self, key: str, by: int, expires_at: float) -> int:
        return self._wait(self._commands.changing.incr(key, by, expires_at))

    def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        return self._hurry(self._commands.leases.acquire(name, owner, ttl))

    def renew(self, name: str, owner: str, ttl: float) -> bool:
        return self._hurry(self._commands.leases.renew(name, owner, ttl))

    def release(self, name: str, owner: str) -> bool:
        return self._hurry(self._commands.leases.release(name, owner))

    def scan(self, prefix: str = "") -> Iterator[str]:
        # A server that makes room for more keys meanwhile may name some of them twice.
        named: set[str] = set()
        cursor, page = self._wait(self._commands.reading.page(0, prefix))
        while True:
            for key, _ in page:
                if key not in named:
                    named.add(key)
                    yield key
            if not cursor:
                return
            cursor, page = self._wait(self._commands.reading.page(cursor, prefix))

    def usage(self) -> Usage:
        return self._wait(self._commands.reading.usage(self._commands.changing.refused))

    def clear(self) -> None:
        self._wait(self._commands.changing.clear())

    def close(self) -> None:
        self._commands.close_near()
        self._commands.threads.close()
        self._commands.tasks.close_from_elsewhere()

    def _hurry(self, steps: Steps[T]) -> T:
        return self._run(steps, self._commands.socket_timeout)

    def _wait(self, steps: Steps[T]) -> T:
        return self._run(steps, max(COMMAND_WAIT, self._commands.socket_timeout))

    def _run(self, steps: Steps[T], timeout: float) -> T:
        ends = time.monotonic() + min(patience(timeout), LONGEST)
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = step.work() if isinstance(step, Aside) else self._commands.threads.ask(step, ends)


class AsyncRedisStore:
    """For tasks of any event loops, each of which has its own connections.

    Nothing here is bounded in time; a caller that gives up waiting leaves its command to the server.

    Args:
        commands: what it can do.

    Attributes:
        name: ``redis``, in events and metrics.
    """

    name = NAME

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    @property
    def at_hand(self) -> AtHand | None:
        """Copies in this process's memory, None if there never are any."""
        return self._commands.copies

    async def secret(self) -> bytes:
        return await self._run(self._commands.reading.secret())

    async def get(self, key: str) -> Entry | None:
        return await self._run(self._commands.reading.get(key))

    async def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        return await self._run(self._commands.reading.get_many(keys))

    async def set(self, key: str, entry: Entry) -> bool:
        return await self._run(self._commands.changing.set(key, entry))

    async def delete(self, *keys: str) -> int:
        return await self._run(self._commands.changing.delete(keys))

    async def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        return await self._run(self._commands.changing.commit(changes, expected, tags))

    async def incr(self, key: str, by: int, expires_at: float) -> int:
        return await self._run(self._commands.changing.incr(key, by, expires_at))

    async def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        return await self._run(self._commands.leases.acquire(name, owner, ttl))

    async def renew(self, name: str, owner: str, ttl: float) -> bool:
        return await self._run(self._commands.leases.renew(name, owner, ttl))

    async def release(self, name: str, owner: str) -> bool:
        return await self._run(self._commands.leases.release(name, owner))

    async def scan(self, prefix: str = "") -> AsyncIterator[str]:
        # As the blocking one does.
        named: set[str] = set()
        cursor, page = await self._run(self._commands.reading.page(0, prefix))
        while True:
            for key, _ in page:
                if key not in named:
                    named.add(key)
                    yield key
            if not cursor:
                return
            cursor, page = await self._run(self._commands.reading.page(cursor, prefix))

    async def usage(self) -> Usage:
        return await self._run(self._commands.reading.usage(self._commands.changing.refused))

    async def clear(self) -> None:
        await self._run(self._commands.changing.clear())

    async def close(self) -> None:
        self._commands.close_near()
        self._commands.threads.close()
        await self._commands.tasks.close()

    async def _run(self, steps: Steps[T]) -> T:
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if not isinstance(step, Aside):
                answer = await self._commands.tasks.ask(step)
            elif step.weight <= INLINE_BYTES:
                answer = step.work()
            else:
                answer = await asyncio.to_thread(step.work)
