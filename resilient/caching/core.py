"""What a cache is made of; its commands and its decorators share it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias

from resilient.caching.codec import Codec
from resilient.caching.coding import Values
from resilient.caching.control import Command
from resilient.caching.figures import Figures, Stats
from resilient.caching.forgotten import Forgotten
from resilient.caching.mounts import Mount, Mounts
from resilient.caching.pauses import Pauses
from resilient.caching.scopes import Scopes
from resilient.caching.transactions import Overlay
from resilient.checks import need
from resilient.entry import Entry
from resilient.errors import CorruptEntryError, StoreError, StoreUnavailableError
from resilient.events import Event, StoreFailed, StoreMeasured
from resilient.ports import AsyncStore, Clock, Runtime, Usage
from resilient.runtime.background import DRAIN
from resilient.runtime.clock import SystemClock
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.sinks import Sinks
from resilient.telemetry import Source

Bottom: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
"""Does a command, which is its first argument, once all middlewares have let it pass."""


TROUBLE = (StoreUnavailableError, CorruptEntryError)
"""The errors of commands for which a store is to blame."""


def key_in(args: Sequence[object]) -> str:
    """The key, or the first of several keys, among the arguments of a command; empty if there is none."""
    return args[0] if args and isinstance(args[0], str) else ""


class Proceed:
    """The rest of the way of a command: called with its arguments, it does it.

    Attributes:
        command: which command is on its way.
    """

    __slots__ = ("_bottom", "_rest", "command")

    def __init__(self, command: Command, rest: Sequence[CacheMiddleware], bottom: Bottom) -> None:
        self.command = command
        self._rest = rest
        self._bottom = bottom

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Go on with these arguments."""
        return self.with_command(self.command, *args, **kwargs)

    def with_command(self, command: Command, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Go the rest of the way with another command."""
        if not self._rest:
            return self._bottom(command, *args, **kwargs)
        return self._rest[0](Proceed(command, self._rest[1:], self._bottom), command, *args, **kwargs)


class CacheMiddleware(Protocol):
    """Stands around the commands of a cache; a plain ``async def`` with these parameters is one."""

    def __call__(self, proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Do the command, usually by ``await proceed(*args, **kwargs)``."""
        ...


class Core:
    """What a cache is made of.

    Args:
        name: the cache's, in events and metrics.
        clock: what tells the time, the machine's if not given.

    Attributes:
        at_hand: gives an entry by its name without any ado, if it lies in this process's memory; None where none
            does, or something stands between.
        disabled: the commands that are switched off, by the beginnings of keys.
        figures: counts what happened.
        keeps_answers: whether a client keeps its answers here.
        forgotten: what was forgotten, so that nothing that was made before is kept.
        middlewares: what stands around commands, the outermost first.
        mounts: the stores.
        pauses: the keys whose values could not be made a moment ago.
        puts: how many values were written by decorated calls; whoever saw it change reads once more.
        scopes: what holds where.
        sinks: who hears of events.
        tasks: how tasks wait.
        threads: how threads wait.
        values: makes values into what a store keeps.
    """

    def __init__(self, name: str, clock: Clock | None) -> None:
        self.name = name
        self.clock = clock or SystemClock()
        self.sinks = Sinks(source=Source("cache", name))
        self.figures = Figures()
        self.mounts = Mounts(self.clock, self.record)
        self.scopes = Scopes(name)
        self.pauses = Pauses()
        self.forgotten = Forgotten()
        self.puts = 0
        self.keeps_answers = False
        self.closed = False
        self.at_hand: Callable[[str], Entry | None] | None = None
        self.values = Values(Codec())
        self.middlewares: tuple[CacheMiddleware, ...] = ()
        self.disabled: dict[str, frozenset[Command]] = {}
        self.tasks, self.threads = self._runtimes()

    def open(self) -> None:
        """Make ready for background work, also after an end."""
        if self.closed:
            self.closed = False
            self.tasks, self.threads = self._runtimes()

    def _runtimes(self) -> tuple[TaskRuntime, ThreadRuntime]:
        tasks, threads = TaskRuntime(self.clock), ThreadRuntime(self.clock)
        tasks.background.tell = threads.background.tell = self.sinks
        return tasks, threads

    async def close(self, *, blocking: bool) -> None:
        """Wait for background work a little, then let go of the stores; those of a closed cache answer nothing."""
        self.closed = True
        runtime = self.threads if blocking else self.tasks
        # Work of the other colour ends too, which does not need its waiting to be in this one.
        for each in (self.tasks, self.threads):
            await each.background.settle(runtime, DRAIN)
        for mount in self.mounts.opened():
            await mount.store(runtime).close()

    async def stats(self, runtime: Runtime) -> Stats:
        """What happened so far, and how much those stores keep that say so."""
        usages: list[Usage] = []
        for mount in self.mounts.opened():
            try:
                usage = await runtime.within(mount.timeout, mount.store(runtime).usage)
            except (StoreError, TimeoutError) as error:
                kind = error.kind if isinstance(error, StoreError) else "timeout"
                self.record(StoreFailed(store=mount.pair.blocking.name, operation="usage", kind=kind))
                continue
            usages.append(usage)
            name = mount.pair.blocking.name
            self.record(StoreMeasured(store=name, entries=usage.entries, size=usage.size))
        degraded = [each.health.store for each in self.mounts.opened() if each.health and each.health.is_degraded]
        return self.figures.stats(sum(usage.entries for usage in usages), sum(usage.size for usage in usages), degraded)

    def record(self, event: Event) -> None:
        """Count ``event`` and tell whoever listens."""
        self.figures.count(event)
        self.sinks(event)

    @property
    def tell(self) -> Callable[[Event], None] | None:
        """Tells whoever listens of what is no figure of the cache's own; None if nobody does."""
        return self.sinks if self.sinks.listens else None

    def waits_for(self, mount: Mount) -> bool:
        """Whether commands of that store take time: not those of this process's memory with nothing around them."""
        return bool(self.middlewares) or not mount.is_memory

    def settle(self) -> None:
        """See whether entries are at hand: called after every change of the cache."""
        mount = self.mounts.only()
        simple = not self.middlewares and not self.disabled and not self.sinks.listens
        self.at_hand = mount.at_hand if mount is not None and simple else None

    def is_off(self, command: Command, key: str = "") -> bool:
        """Whether ``command`` is switched off for ``key``, here or everywhere."""
        if command in self.scopes.here().disabled:
            return True
        if not self.disabled:
            return False  # every call asks several times
        return any(command in off and key.startswith(prefix) for prefix, off in self.disabled.items())

    def store(self, mount: Mount, runtime: Runtime) -> AsyncStore:
        """The store of ``mount`` as whoever asks sees it: through the transaction under way, if there is one."""
        transaction = self.scopes.here().transaction
        if transaction is None or transaction.over:
            return mount.store(runtime)
        return Overlay(mount, runtime, transaction)

    def add(self, middlewares: Sequence[CacheMiddleware]) -> None:
        """Put these around every command, the first of them the outermost, inside of those that are there.

        One that has a method ``attach`` is told of this cache, and gives what stands around its commands.

        Raises:
            ConfigurationError: one of them cannot be called, or is a class.
        """
        need(isinstance(middlewares, Sequence), "middlewares", middlewares, "a list of them")
        for middleware in middlewares:
            need(
                callable(middleware) and not isinstance(middleware, type),
                "middleware",
                middleware,
                "an object of a subclass of BaseMiddleware, or an async function (proceed, command, *args, **kwargs)",
            )
            attach = getattr(middleware, "attach", None)
            self.middlewares += (middleware if attach is None else attach(self),)
        self.settle()

    def failed(self, command: Command, key: str, error: StoreError) -> None:
        """Tell of a store's failure, once however many see it pass."""
        if not error.told:
            error.told = True
            rejected = error.rejected if isinstance(error, CorruptEntryError) else None
            name = self.store_name(key)
            self.record(StoreFailed(store=name, operation=command.value, kind=error.kind, rejected=rejected))

    def store_name(self, key: str) -> str:
        """The name of the store that keeps ``key``."""
        return self.mounts.of(key).pair.blocking.name

    def telling(self, bottom: Bottom) -> Bottom:
        """``bottom``, of whose failures is told even if a middleware keeps them to itself."""

        async def told(command: Command, *args: Any, **kwargs: Any) -> Any:
            try:
                return await bottom(command, *args, **kwargs)
            except TROUBLE as error:
                self.failed(command, key_in(args), error)
                raise

        return told

    def through(self, command: Command, bottom: Bottom, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Do ``command`` as the middlewares say, and by ``bottom`` in the end."""
        return Proceed(command, self.middlewares, bottom).with_command(command, *args, **kwargs)
