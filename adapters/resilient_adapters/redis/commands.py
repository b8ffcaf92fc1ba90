"""What a Redis store can do, made once for both colours; and what a fork does to it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from resilient.ports import Clock
from resilient.stores.parameters import Record
from resilient_adapters.records.codecs import Codec
from resilient_adapters.records.life import Lives
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.asking import Scripts
from resilient_adapters.redis.changing import Changing
from resilient_adapters.redis.copies import Copies
from resilient_adapters.redis.copying import Copying
from resilient_adapters.redis.groups import OneServer
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.leases import Leases
from resilient_adapters.redis.line import Line
from resilient_adapters.redis.near import NearChanging, NearLeases, NearReading
from resilient_adapters.redis.pool import Pool
from resilient_adapters.redis.puts import Puts
from resilient_adapters.redis.reading import Reading
from resilient_adapters.redis.script import FOR_A_SERVER, Command
from resilient_adapters.redis.tasks import Tasks
from resilient_adapters.redis.threads import Threads
from resilient_adapters.redis.times import Times
from resilient_adapters.redis.tracking import Tracking

_made: weakref.WeakSet[Commands] = weakref.WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a store was told that is no address.

    Attributes:
        codec: compresses bodies above 1 KiB; None for none.
        max_decoded: bytes; larger bodies are neither written nor read.
        sizes: how many connections are kept, and how many there are at most; for all threads, and for each loop.
        socket_timeout: seconds that a blocking call waits at most for what it does on its way.
        record: hears what happens inside.
        copying: on which terms copies are kept in memory; None for none.
    """

    codec: Codec | None
    max_decoded: int
    sizes: tuple[int, int]
    socket_timeout: float
    record: Record | None
    copying: Copying | None


class LinksOfThreads(Protocol):
    """Connections for threads, be it to one server."""

    def ask(self, commands: Sequence[Command], ends: float) -> list[Any]: ...
    def renew(self) -> None: ...
    def close(self) -> None: ...


class LinksOfTasks(Protocol):
    """Connections for tasks, be it to one server."""

    async def ask(self, commands: Sequence[Command]) -> list[Any]: ...
    async def close(self) -> None: ...
    def close_from_elsewhere(self) -> None: ...


class Commands:
    """The commands of one store, and the connections by which its two colours give them.

    Args:
        reading: makes the steps that read.
        changing: makes the steps that change entries.
        leases: makes the steps for leases.
        threads: the connections of threads.
        tasks: the connections of event loops.
        socket_timeout: seconds that a blocking call waits at most for what it does on its way.
        copies: in this process's memory, if there are any.
        link: tells of what becomes of them, if anything does.
    """

    def __init__(
        self,
        reading: Reading,
        changing: Changing,
        leases: Leases,
        threads: LinksOfThreads,
        tasks: LinksOfTasks,
        socket_timeout: float,
        copies: Copies | None,
        link: Tracking | None,
    ) -> None:
        self.reading, self.changing, self.leases = reading, changing, leases
        self.threads, self.tasks = threads, tasks
        self.socket_timeout = socket_timeout
        self.copies = copies
        self._link = link
        _made.add(self)

    def renew(self) -> None:
        """Start with nothing open and nothing in memory in a child process."""
        self.threads.renew()
        if self._link is not None:
            self._link.renew()

    def close_near(self) -> None:
        """Let go of the copies, and hear of changes no longer."""
        if self._link is not None:
            self._link.close()
        if self.copies is not None:
            self.copies.close()


def commands_of_a_server(address: Address, keys: Keys, clock: Clock, settings: Settings) -> Commands:
    """The commands of one store on one server.

    Args:
        address: where the server is.
        keys: where everything lies.
        clock: what tells the time.
        settings: what else the store was told.
    """
    scripts = Scripts(FOR_A_SERVER, keys, Times(clock))
    most, record, copying = settings.max_decoded, settings.record, settings.copying
    reads = keys, scripts, OneServer(keys, scripts), Lives(clock), most, record
    puts = Puts(clock, settings.codec, most)
    fences = (keys.fence,)
    copies: Copies | None = None
    link: Tracking | None = None
    if copying is None:
        reading = Reading(*reads)
        changing = Changing(keys, scripts, reading, puts)
        leases = Leases(keys, scripts, fences)
    else:
        copies = copying.copies(clock)
        if copying.is_told:
            link = Tracking(address, keys, copies, clock.now, record)
        reading = NearReading(copies, link, *reads)
        changing = NearChanging(copies, keys, scripts, reading, puts)
        leases = NearLeases(copies, keys, scripts, fences)
    threads = Threads(address, lambda: Pool[Line](*settings.sizes))
    tasks = Tasks(address, settings.sizes)
    return Commands(reading, changing, leases, threads, tasks, settings.socket_timeout, copies, link)


def _after_fork_in_child() -> None:
    for commands in list(_made):
        commands.renew()


os.register_at_fork(after_in_child=_after_fork_in_child)
