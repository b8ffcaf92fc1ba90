"""The disk store in its two colours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from resilient.entry import Entry
from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.sqlite.commands import Commands
from resilient_adapters.sqlite.disk import NAME
from resilient_adapters.sqlite.readers import aside, settle
from resilient_adapters.sqlite.writer import Job

T = TypeVar("T")

INLINE_BYTES = 64 * 1024
"""A body larger than this is encoded off the event loop."""

SLOW = 5.0
"""Seconds that blocking commands which are rare and may take long wait at most."""


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
        return self._commands.secret() or self._wait(self._commands.making_secret(), SLOW)

    def get(self, key: str) -> Entry | None:
        return self._commands.get(key)

    def set(self, key: str, entry: Entry) -> None:
        self._wait(self._commands.setting(key, entry), self._commands.manner.write_wait)

    def delete(self, key: str) -> bool:
        return self._wait(self._commands.deleting(key), self._commands.manner.write_wait)

    def scan(self, prefix: str = "") -> Iterator[str]:
        after: bytes | None = None
        while True:
            keys, after = self._commands.page(prefix, after)
            yield from keys
            if after is None:
                return

    def clear(self) -> None:
        self._wait(self._commands.clearing(), SLOW)

    def close(self) -> None:
        self._commands.share.close()

    def _wait(self, job: Job[T], timeout: float) -> T:
        rung = threading.Event()
        answers: list[tuple[T, StoreError | None]] = []

        def done(result: T, error: StoreError | None) -> None:
            answers.append((result, error))
            rung.set()

        self._commands.submit(job, done)
        if not rung.wait(timeout):
            raise StoreUnavailableError(
                f"the disk store did not {job.doing} within {timeout:g} s; it goes on behind", kind="timeout"
            )
        result, error = answers[0]
        if error is not None:
            raise error
        return result


class AsyncDiskStore:
    """For tasks of any event loops: reads are done by a few threads, writes by the one that writes.

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
        found = await self._read(self._commands.secret)
        return found if found is not None else await self._ask(self._commands.making_secret())

    async def get(self, key: str) -> Entry | None:
        # The record is decoded in the same trip to the thread.
        return await self._read(partial(self._commands.get, key))

    async def set(self, key: str, entry: Entry) -> None:
        making = partial(self._commands.setting, key, entry)
        job = making() if len(entry.body) <= INLINE_BYTES else await self._commands.disk.readers.run(making)
        await self._ask(job)

    async def delete(self, key: str) -> bool:
        return await self._ask(self._commands.deleting(key))

    async def scan(self, prefix: str = "") -> AsyncIterator[str]:
        after: bytes | None = None
        while True:
            keys, after = await self._read(partial(self._commands.page, prefix, after))
            for key in keys:
                yield key
            if after is None:
                return

    async def clear(self) -> None:
        await self._ask(self._commands.clearing())

    async def close(self) -> None:
        await aside(self._commands.share.close)

    async def _read(self, work: Callable[[], T]) -> T:
        if self._commands.manner.inline_reads:
            return work()
        return await self._commands.disk.readers.run(work)

    async def _ask(self, job: Job[T]) -> T:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands.submit(job, partial(settle, future))
        result: T = await future
        return result
