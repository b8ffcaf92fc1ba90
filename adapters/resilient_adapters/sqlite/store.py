"""The disk store in its two colours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from resilient.entry import Entry
from resilient.errors import StoreError, StoreTrouble, StoreUnavailableError
from resilient.ports import NO_ENTRIES, Usage
from resilient.runtime.patience import patience
from resilient.stores.keys import stored_key
from resilient_adapters.records import records
from resilient_adapters.sqlite import schema
from resilient_adapters.sqlite.commands import Commands
from resilient_adapters.sqlite.crew import Crew, settle
from resilient_adapters.sqlite.disk import NAME
from resilient_adapters.sqlite.writer import Job

T = TypeVar("T")

INLINE_BYTES = 64 * 1024
"""A body larger than this is encoded and decoded off the event loop."""

MOST_KEYS = 250
"""Keys that one statement looks for at most."""

COMMAND_WAIT = 5.0
"""Seconds that a blocking command waits at most which is in no call's way."""


class DiskStore:
    """For threads: reads are done by the calling thread, writes by the one that writes.

    A change waits as long as its caller's budget or timeout says (:mod:`resilient.runtime.patience`). Where nobody says
    so, what calls do on their way, to write an entry and to take, renew and release a lease, waits ``write_wait``
    seconds at most; any other change five, or as long if that is more. What takes longer raises
    ``StoreUnavailableError`` with the kind ``timeout``. It is not lost: it keeps its place in the queue and is done as
    soon as the disk allows. Only a lease that nobody waits for any more is given back.

    Args:
        commands: what it can do.

    Attributes:
        name: ``disk``, in events and metrics.
    """

    name = NAME

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def secret(self) -> bytes:
        found = self._commands.fetch(schema.SECRET)
        return bytes(found[0][0]) if found else self._hurry(self._commands.changes.making_secret(), "busy")

    def get(self, key: str) -> Entry | None:
        key = stored_key(key)
        return self._commands.found(key, self._commands.fetch(schema.GET, key))

    def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        found: list[Entry | None] = []
        for names in _pages(keys):
            found += self._commands.found_many(names, self._commands.fetch(schema.get_many(len(names)), *names))
        return found

    def set(self, key: str, entry: Entry) -> bool:
        return self._hurry(self._commands.changes.setting(key, entry))

    def delete(self, *keys: str) -> int:
        return self._wait(self._commands.changes.deleting(keys))

    def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        return self._wait(self._commands.changes.committing(changes, expected, tags))

    def incr(self, key: str, by: int, expires_at: float) -> int:
        return self._wait(self._commands.changes.adding(key, by, expires_at))

    def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        try:
            return self._hurry(self._commands.leases.acquiring(name, owner, ttl))
        except BaseException:
            self._commands.behind(self._commands.leases.releasing(name, owner))
            raise

    def renew(self, name: str, owner: str, ttl: float) -> bool:
        return self._hurry(self._commands.leases.renewing(name, owner, ttl))

    def release(self, name: str, owner: str) -> bool:
        return self._hurry(self._commands.leases.releasing(name, owner))

    def scan(self, prefix: str = "") -> Iterator[str]:
        start = prefix.encode(errors="replace")
        rows = self._commands.fetch(schema.PAGE, start)
        while rows:
            keys, after = self._commands.living(start, rows)
            yield from keys
            rows = [] if after is None else self._commands.fetch(schema.NEXT_PAGE, after)

    def usage(self) -> Usage:
        return self._commands.used(self._commands.fetch(schema.USAGE))

    def clear(self) -> None:
        self._wait(self._commands.changes.clearing())

    def close(self) -> None:
        self._commands.share.close()

    def _hurry(self, job: Job[T], late: StoreTrouble = "timeout") -> T:
        return self._answer(job, self._commands.manner.write_wait, late)

    def _wait(self, job: Job[T]) -> T:
        return self._answer(job, max(COMMAND_WAIT, self._commands.manner.write_wait))

    def _answer(self, job: Job[T], timeout: float, late: StoreTrouble = "timeout") -> T:
        rung = threading.Event()
        answers: list[tuple[T, StoreError | None]] = []

        def done(result: T, error: StoreError | None) -> None:
            answers.append((result, error))
            rung.set()

        self._commands.submit(job, done)
        timeout = patience(timeout)
        if not rung.wait(min(timeout, threading.TIMEOUT_MAX)):
            raise StoreUnavailableError(
                f"the disk store did not {job.doing} within {timeout:g} s; it goes on behind", kind=late
            )
        result, error = answers[0]
        if error is not None:
            raise error
        return result


class AsyncDiskStore:
    """For tasks of any event loops: each loop reads by a connection of its own, writes are done by the one writer.

    Nothing here is bounded in time; a caller that gives up waiting leaves the change to be done behind. Only a lease
    that nobody waits for any more is given back.

    Args:
        commands: what it can do.

    Attributes:
        name: ``disk``, in events and metrics.
    """

    name = NAME

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def secret(self) -> bytes:
        found = await self._commands.fetch_aside(schema.SECRET)
        return bytes(found[0][0]) if found else await self._ask(self._commands.changes.making_secret())

    async def get(self, key: str) -> Entry | None:
        key = stored_key(key)
        rows = await self._commands.fetch_aside(schema.GET, key)
        return await self._decoded(partial(self._commands.found, key, rows), rows)

    async def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        found: list[Entry | None] = []
        for names in _pages(keys):
            rows = await self._commands.fetch_aside(schema.get_many(len(names)), *names)
            found += await self._decoded(partial(self._commands.found_many, names, rows), rows)
        return found

    async def set(self, key: str, entry: Entry) -> bool:
        return await self._ask(self._commands.changes.setting(key, entry, later=_long([entry])))

    async def delete(self, *keys: str) -> int:
        return await self._ask(self._commands.changes.deleting(keys))

    async def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        later = _long(entry for entry in changes.values() if entry is not None)
        return await self._ask(self._commands.changes.committing(changes, expected, tags, later=later))

    async def incr(self, key: str, by: int, expires_at: float) -> int:
        return await self._ask(self._commands.changes.adding(key, by, expires_at))

    async def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        try:
            return await self._ask(self._commands.leases.acquiring(name, owner, ttl))
        except BaseException:
            self._commands.behind(self._commands.leases.releasing(name, owner))
            raise

    async def renew(self, name: str, owner: str, ttl: float) -> bool:
        return await self._ask(self._commands.leases.renewing(name, owner, ttl))

    async def release(self, name: str, owner: str) -> bool:
        return await self._ask(self._commands.leases.releasing(name, owner))

    async def scan(self, prefix: str = "") -> AsyncIterator[str]:
        start = prefix.encode(errors="replace")
        rows = await self._commands.fetch_aside(schema.PAGE, start)
        while rows:
            keys, after = self._commands.living(start, rows)
            for key in keys:
                yield key
            rows = [] if after is None else await self._commands.fetch_aside(schema.NEXT_PAGE, after)

    async def usage(self) -> Usage:
        return self._commands.used(await self._commands.fetch_aside(schema.USAGE))

    async def clear(self) -> None:
        await self._ask(self._commands.changes.clearing())

    async def close(self) -> None:
        # Not in the store's own crew, for whose end closing may have to wait.
        await Crew().run(self._commands.share.close)

    async def _decoded(self, decode: Callable[[], T], rows: list[Any]) -> T:
        if not self._commands.manner.inline_reads and sum(records.weight(row[0]) for row in rows) > INLINE_BYTES:
            return await self._commands.disk.crew.run(decode)
        return decode()

    async def _ask(self, job: Job[T]) -> T:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands.submit(job, partial(settle, future))
        result: T = await future
        return result


def _pages(keys: Sequence[str]) -> Iterator[list[str]]:
    """The stored keys, as many at once as one statement looks for."""
    for first in range(0, len(keys), MOST_KEYS):
        yield [stored_key(key) for key in keys[first : first + MOST_KEYS]]


def _long(entries: Iterable[Entry]) -> int:
    """Bytes of what takes long to encode; 0 if it does not."""
    size = sum(len(entry.body) for entry in entries)
    return size if size > INLINE_BYTES else 0
