"""What a Redis store can do, made once for both colours; and what a fork does to it."""

from __future__ import annotations

import os
import weakref

from resilient.ports import Clock
from resilient.stores.parameters import Record
from resilient_adapters.records.codecs import Codec
from resilient_adapters.records.life import Lives
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.asking import Scripts
from resilient_adapters.redis.changing import Changing
from resilient_adapters.redis.copies import Copies
from resilient_adapters.redis.copying import Copying
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.leases import Leases
from resilient_adapters.redis.line import Line
from resilient_adapters.redis.near import NearChanging, NearLeases, NearReading
from resilient_adapters.redis.pool import Pool
from resilient_adapters.redis.reading import Reading
from resilient_adapters.redis.tasks import Tasks
from resilient_adapters.redis.threads import Threads
from resilient_adapters.redis.times import Times
from resilient_adapters.redis.tracking import Tracking

_made: weakref.WeakSet[Commands] = weakref.WeakSet()


class Commands:
    """The commands of one store, and the connections by which its two colours give them.

    Args:
        address: where the server is.
        keys: where everything lies.
        clock: what tells the time.
        codec: compresses bodies above 1 KiB; None for none.
        max_decoded: bytes; larger bodies are neither written nor read.
        sizes: how many connections are kept, and how many there are at most; for all threads, and for each loop.
        socket_timeout: seconds that a blocking call waits at most for what it does on its way.
        record: hears what happens inside.
        copying: on which terms copies are kept in memory; None for none.

    Attributes:
        copies: those copies.
        reading: makes the steps that read.
        changing: makes the steps that change entries.
        leases: makes the steps for leases.
        threads: the connections of threads.
        tasks: the connections of event loops.
    """

    def __init__(
        self,
        address: Address,
        keys: Keys,
        clock: Clock,
        *,
        codec: Codec | None,
        max_decoded: int,
        sizes: tuple[int, int],
        socket_timeout: float,
        record: Record | None,
        copying: Copying | None,
    ) -> None:
        scripts = Scripts(keys, Times(clock))
        lives = Lives(clock)
        self.copies: Copies | None = None
        self._link: Tracking | None = None
        if copying is None:
            self.reading = Reading(keys, scripts, lives, max_decoded, record)
            self.changing = Changing(keys, scripts, self.reading, clock, codec, max_decoded)
            self.leases = Leases(keys, scripts)
        else:
            self.copies = copies = copying.copies(clock)
            if copying.is_told:
                self._link = Tracking(address, keys, copies, clock.now, record)
            self.reading = NearReading(copies, self._link, keys, scripts, lives, max_decoded, record)
            self.changing = NearChanging(copies, keys, scripts, self.reading, clock, codec, max_decoded)
            self.leases = NearLeases(copies, keys, scripts)
        self.socket_timeout = socket_timeout
        self.threads = Threads(address, lambda: Pool[Line](*sizes))
        self.tasks = Tasks(address, sizes)
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


def _after_fork_in_child() -> None:
    for commands in list(_made):
        commands.renew()


os.register_at_fork(after_in_child=_after_fork_in_child)
