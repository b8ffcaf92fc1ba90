"""The disk store in its two colours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, TypeVar

from resilient.entry import Entry
from resilient.errors import StoreError, StoreTrouble, StoreUnavailableError
from resilient.stores.keys import stored_key
from resilient_adapters.sqlite import records, schema
from resilient_adapters.sqlite.commands import Commands
from resilient_adapters.sqlite.crew import Crew, settle
from resilient_adapters.sqlite.disk import NAME
from resilient_adapters.sqlite.writer import Job

T = TypeVar("T")

INLINE_BYTES = 64 * 1024
"""A body larger than this is encoded and decoded off the event loop."""

SLOW = 5.0
"""Seconds that clearing the store waits at most, which is in no call's way."""


class DiskStore:
    """For threads: reads are done by the calling thread, writes by the one that writes.

    A write that does not succeed within ``write_wait`` seconds raises ``StoreUnavailableError`` with the kind
    ``timeout``. It is not lost: it keeps its place in the queue and is done as soon as the disk allows.

    Args:
        commands: what it can do.

    Attributes:
        name: ``disk``, in events and metrics.
    """

    name = NAME

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    @property
    def refused(self) -> int:
        """How many entries were too large to be kept."""
        return self._commands.refused

    def secret(self) -> bytes:
        found = self._commands.fetch(schema.SECRET)
        if found:
            return bytes(found[0][0])
        return self._wait(self._commands.making_secret(), self._commands.manner.write_wait, "busy")

    def get(self, key: str) -> Entry | None:
        key = stored_key(key)
        return self._commands.found(key, self._commands.fetch(schema.GET, key))

    def set(self, key: str, entry: Entry) -> None:
        self._wait(self._commands.setting(key, entry), self._commands.manner.write_wait)

    def delete(self, key: str) -> bool:
        return self._wait(self._commands.deleting(key), self._commands.manner.write_wait)

    def scan(self, prefix: str = "") -> Iterator[str]:
        start = prefix.encode(errors="replace")
        rows = self._commands.fetch(schema.PAGE, start)
        while rows:
            keys, after = self._commands.living(start, rows)
            yield from keys
            rows = [] if after is None else self._commands.fetch(schema.NEXT_PAGE, after)

    def clear(self) -> None:
        self._wait(self._commands.clearing(), SLOW)

    def close(self) -> None:
        self._commands.share.close()

    def _wait(self, job: Job[T], timeout: float, late: StoreTrouble = "timeout") -> T:
        rung = threading.Event()
        answers: list[tuple[T, StoreError | None]] = []

        def done(result: T, error: StoreError | None) -> None:
            answers.append((result, error))
            rung.set()

        self._commands.submit(job, done)
        if not rung.wait(timeout):
            raise StoreUnavailableError(
                f"the disk store did not {job.doing} within {timeout:g} s; it goes on behind", kind=late
            )
        result, error = answers[0]
        if error is not None:
            raise error
        return result


class AsyncDiskStore:
    """For tasks of any event loops: each loop reads by a connection of its own, writes are done by the one writer.

    Nothing here is bounded in time; a caller that gives up waiting leaves the write to be done behind.

    Args:
        commands: what it can do.

    Attributes:
        name: ``disk``, in events and metrics.
    """

    name = NAME

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    @property
    def refused(self) -> int:
        """How many entries were too large to be kept."""
        return self._commands.refused

    async def secret(self) -> bytes:
        found = await self._commands.fetch_aside(schema.SECRET)
        return bytes(found[0][0]) if found else await self._ask(self._commands.making_secret())

    async def get(self, key: str) -> Entry | None:
        key = stored_key(key)
        rows = await self._commands.fetch_aside(schema.GET, key)
        if rows and not self._commands.manner.inline_reads and records.weight(rows[0][0]) > INLINE_BYTES:
            return await self._commands.disk.crew.run(partial(self._commands.found, key, rows))
        return self._commands.found(key, rows)

    async def set(self, key: str, entry: Entry) -> None:
        making = self._commands.setting if len(entry.body) <= INLINE_BYTES else self._commands.setting_long
        await self._ask(making(key, entry))

    async def delete(self, key: str) -> bool:
        return await self._ask(self._commands.deleting(key))

    async def scan(self, prefix: str = "") -> AsyncIterator[str]:
        start = prefix.encode(errors="replace")
        rows = await self._commands.fetch_aside(schema.PAGE, start)
        while rows:
            keys, after = self._commands.living(start, rows)
            for key in keys:
                yield key
            rows = [] if after is None else await self._commands.fetch_aside(schema.NEXT_PAGE, after)

    async def clear(self) -> None:
        await self._ask(self._commands.clearing())

    async def close(self) -> None:
        # Not in the store's own crew, for whose end closing may have to wait.
        await Crew().run(self._commands.share.close)

    async def _ask(self, job: Job[T]) -> T:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands.submit(job, partial(settle, future))
        result: T = await future
        return result
