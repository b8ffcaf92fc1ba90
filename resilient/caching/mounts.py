"""Which store keeps a key: stores are mounted at the beginnings of keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resilient.caching.guard import COMMAND_BUDGET
from resilient.entry import Entry
from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.locks import fork_safe_lock
from resilient.ports import AsyncStore, AtHand, Clock, Runtime, StorePair
from resilient.runtime.lift import Lifted, at_hand
from resilient.stores.health import Health
from resilient.stores.memory import MemoryStore
from resilient.stores.registry import open_store

logger = logging.getLogger("resilient.cache")
PATIENCE = 5.0
"""Seconds that a command given directly waits for its store."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Mount:
    """One store, and how a cache deals with it.

    Attributes:
        pair: the store as both colours see it.
        prefix: how the keys start that it keeps.
        timeout: seconds that a command given directly waits for it.
        budget: seconds that a decorated call waits for one command, and half of those for all; None for as many as
            it takes.
        lifted: the blocking store, for code that both colours run.
        health: how it is doing, as decorated calls see it; None for this process's memory, which does not fail.
    """

    pair: StorePair
    prefix: str = ""
    timeout: float = PATIENCE
    budget: float | None = COMMAND_BUDGET
    lifted: AsyncStore = field(init=False)
    health: Health | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "health", None if self.is_memory else Health(self.pair.blocking.name))
        object.__setattr__(self, "lifted", Lifted(self.pair.blocking))

    @property
    def is_memory(self) -> bool:
        """Whether it is this process's memory, which keeps nobody waiting."""
        return type(self.pair.blocking) is MemoryStore

    @property
    def at_hand(self) -> Callable[[str], Entry | None] | None:
        """Gives what lies in this process's memory, None if nothing ever does."""
        if self.is_memory:
            return self.pair.blocking.get
        return None if self.near is None else self.near.get

    @property
    def near(self) -> AtHand | None:
        """What of another store lies in this process's memory, None if nothing ever does."""
        return at_hand(self.pair.blocking)

    def store(self, runtime: Runtime) -> AsyncStore:
        """The store in the colour of ``runtime``."""
        return runtime.choose(self.lifted, self.pair.tasks)


class Mounts:
    """The stores of one cache. Where none was set up, things are kept in the user's cache directory.

    Args:
        clock: what tells the time.
        record: hears what happens in that default store.
    """

    __slots__ = ("_clock", "_lock", "_mounts", "_record")

    def __init__(self, clock: Clock, record: Callable[[Event], None]) -> None:
        self._clock = clock
        self._record = record
        self._lock = fork_safe_lock()
        self._mounts: tuple[Mount, ...] = ()

    def add(self, mount: Mount, *, replace: bool = True) -> Mount | None:
        """Keep what starts with its prefix there from now on.

        Args:
            mount: the store.
            replace: whether it takes the place of another one with that prefix.

        Returns:
            The one that is not in use, or no longer: it wants to be closed.
        """
        with self._lock:
            before = next((one for one in self._mounts if one.prefix == mount.prefix), None)
            if before is not None and not replace:
                return mount
            others = [one for one in self._mounts if one is not before]
            self._mounts = tuple(sorted([*others, mount], key=lambda one: len(one.prefix), reverse=True))
        return before

    def of(self, key: str) -> Mount:
        """The store of ``key``: the one with the longest prefix."""
        for mount in self._mounts:
            if key.startswith(mount.prefix):
                return mount
        self._add_default()
        return self.of(key)

    def all(self) -> Sequence[Mount]:
        """Every store; one of them keeps what no other does."""
        if not self._mounts or self._mounts[-1].prefix:
            self._add_default()
        return self._mounts

    def opened(self) -> Sequence[Mount]:
        """Every store that was set up, or asked for, by now."""
        return self._mounts

    def only(self) -> Mount | None:
        """The one store, where there is one for all keys."""
        mounts = self._mounts
        return mounts[0] if len(mounts) == 1 and not mounts[0].prefix else None

    def forget(self) -> Sequence[Mount]:
        """Let go of all stores; returns them, to be closed."""
        with self._lock:
            before, self._mounts = self._mounts, ()
        return before

    def _add_default(self) -> None:
        """Set up the user's cache directory; where there is none that can be used, this process's memory."""
        try:
            pair = open_store("disk://", clock=self._clock, record=self._record)
        except ConfigurationError as error:
            logger.warning("things are kept in memory only, until cache.setup(...) says otherwise: %s", error)
            pair = open_store("mem://", clock=self._clock, record=self._record)
        unused = self.add(Mount(pair=pair), replace=False)
        if unused is not None:
            unused.pair.blocking.close()
