"""A cache for functions and responses, over one store or several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from resilient.caching.blocking import BlockingCache
from resilient.caching.codec import Codec
from resilient.caching.coding import AsTheyAre, Values
from resilient.caching.commands import Commands
from resilient.caching.control import Command, commands_of
from resilient.caching.core import CacheMiddleware, Core
from resilient.caching.decorators import Decorators
from resilient.caching.explaining import Explanation, explain
from resilient.caching.figures import Stats
from resilient.caching.guard import COMMAND_BUDGET
from resilient.caching.leases import LEASE
from resilient.caching.locking import Locking
from resilient.caching.mounts import PATIENCE, Mount
from resilient.caching.scopes import NOWHERE, Detecting, Disabling
from resilient.caching.through import Through
from resilient.caching.transacting import Transacting
from resilient.caching.transactions import Isolation
from resilient.checks import need
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.ports import Clock, EntryStore, Runtime, StorePair
from resilient.runtime.drive import drive
from resilient.stores.health import Health
from resilient.stores.registry import open_store
from resilient.telemetry import Sink

F = TypeVar("F", bound=Callable[..., Any])


class Cache(Decorators, Commands):
    """Keeps the results of functions, and the answers of a client whose store it is.

    Threads, tasks and event loops may use one cache at the same time. Until :meth:`setup` says otherwise it keeps
    things on the disk, in the user's cache directory.

    Args:
        store: a URL such as ``mem://``, or a store; what :meth:`setup` would be given.
        name: the cache's name in events and metrics.
        clock: what tells the time, the machine's if not given.
        telemetry: who hears of events: objects with ``record(event)``, or callables.

    Raises:
        ConfigurationError: an option is wrong, or the store cannot be used.

    Attributes:
        blocking: the same commands as plain functions.
    """

    __slots__ = ("blocking",)

    def __init__(
        self,
        store: str | StorePair | None = None,
        *,
        name: str = "default",
        clock: Clock | None = None,
        telemetry: Sequence[Sink] = (),
    ) -> None:
        core = Core(name, clock)
        super().__init__(core, blocking=False)
        self.blocking = BlockingCache(core)
        core.sinks.add(telemetry)
        if store is not None:
            self.setup(store)

    # --- setting up ---

    def setup(
        self,
        store: str | StorePair,
        *,
        prefix: str = "",
        disable: bool | Collection[str] = False,
        middlewares: Sequence[CacheMiddleware] = (),
        telemetry: Sequence[Sink] = (),
        secret: str | bytes | Sequence[str | bytes] | None = None,
        timeout: Duration = PATIENCE,
        store_budget: Duration | None = COMMAND_BUDGET,
        **options: object,
    ) -> None:
        """Say where values are kept. It takes the place of the store that had the same ``prefix``, which is closed.

        Args:
            store: a URL such as ``mem://``, ``disk:///var/cache/my-app``, or a store.
            prefix: how the keys start that are kept there; of several stores that with the longest one is taken.
            disable: commands that are switched off for those keys; True for all of them.
            middlewares: what stands around commands; the first is the outermost, behind those that are there already.
            telemetry: who else hears of events.
            secret: signs what is kept, see :class:`resilient.caching.codec.Codec`; for all stores of this cache.
            timeout: how long a command given directly waits for this store.
            store_budget: how long a decorated call waits for one command of this store, and twice as long in all; then
                its function answers. None: as long as the store takes.
            options: the store's own, as in its URL.

        Raises:
            ConfigurationError: an option is wrong, or the store cannot be used.
        """
        core = self._core
        patience = seconds_of(timeout, option="timeout")
        budget = None if store_budget is None else seconds_of(store_budget, option="store_budget")
        need(not isinstance(disable, str), "disable", disable, f"a list, as in [{disable!r}]")
        off = commands_of(() if disable is True else tuple(disable)) if disable else frozenset[Command]()
        values = None if secret is None else Values(Codec(secret=secret))
        if isinstance(store, StorePair):
            if options:
                raise ConfigurationError(f"a store that is made has no options; {', '.join(options)} cannot be given")
            pair = store
        else:
            pair = open_store(store, clock=core.clock, record=core.record, **options)
        core.open()
        core.sinks.add(telemetry)
        core.values = values or core.values
        core.add(middlewares)
        self._switch(prefix, off)
        unused = core.mounts.add(Mount(pair=pair, prefix=prefix, timeout=patience, budget=budget))
        core.settle()
        if unused is not None and unused.pair is not pair:
            unused.pair.blocking.close()

    def add_middleware(self, middleware: CacheMiddleware) -> None:
        """Put ``middleware`` around every command, inside of those that were added before."""
        self._core.add([middleware])

    @property
    def name(self) -> str:
        """The cache's name in events and metrics."""
        return self._core.name

    # --- control ---

    def lock(self, key: str, ttl: Duration = LEASE, *, timeout: Duration | None = None) -> Locking:
        """Hold a lock inside of an ``async with`` or ``with`` block, respected by all who share the store.

        It is renewed while it is held. It is no proof against two holders where the store fails or loses data.

        Args:
            key: what is locked.
            ttl: how long it lasts if its holder dies.
            timeout: how long to wait for it; None for as long as it takes.

        Raises:
            TimeoutError: at its start: it was not free in time.
            LeaseLostError: at its end: it was lost while it was held.
            StoreUnavailableError: the store failed.
        """
        wait = None if timeout is None else seconds_of(timeout, option="timeout")
        return Locking(self._core, key, seconds_of(ttl, option="ttl"), wait)

    def transact(self, isolation: Isolation = "READ_COMMITTED") -> Transacting:
        """Commands that take effect together or not at all: ``async with``, ``with``, or a decorator.

        Args:
            isolation: ``"READ_COMMITTED"`` sees what others commit meanwhile; ``"SERIALIZABLE"`` sees one state, and
                fails if that has changed when it is committed.

        Raises:
            ConfigurationError: there is no such isolation.
            TransactionError: at its end: it could not be committed, and nothing of it was.
        """
        return Transacting(self._core, isolation)

    def disabling(self, *commands: str) -> Disabling:
        """Switch commands off inside of a ``with`` or ``async with`` block, and in what is called there.

        Args:
            commands: their names, or members of ``Command``; all of them if none is given.

        Raises:
            ConfigurationError: there is no command of that name.
        """
        return Disabling(self._core.scopes, commands_of(commands))

    def disable(self, *commands: str, prefix: str = "") -> None:
        """Switch commands off everywhere, for keys that start with ``prefix``; all of them if none is named."""
        self._switch(prefix, self._core.disabled.get(prefix, frozenset()) | commands_of(commands))

    def enable(self, *commands: str, prefix: str = "") -> None:
        """Switch commands on again that :meth:`disable` switched off; all of them if none is named."""
        self._switch(prefix, self._core.disabled.get(prefix, frozenset()) - commands_of(commands))

    def is_enabled(self, command: str, prefix: str = "") -> bool:
        """Whether a command is not switched off, here, for keys that start with ``prefix``."""
        (wanted,) = commands_of((command,))
        return not self._core.is_off(wanted, prefix)

    def _switch(self, prefix: str, off: frozenset[Command]) -> None:
        others = {one: commands for one, commands in self._core.disabled.items() if one != prefix}
        self._core.disabled = {**others, prefix: off} if off else others
        self._core.settle()

    # --- looking inside ---

    def detect(self) -> Detecting:
        """Learn of each decorated call inside of a ``with`` block: its key, its outcome, and the age of its value."""
        return Detecting(self._core.scopes)

    async def explain(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
        """What a call of a decorated function with these arguments would do, and why; nothing is called.

        Raises:
            ConfigurationError: the function is not decorated by this cache.
            StoreError: the store failed.
        """
        return await explain(self._core, self._runtime, function, *args, **kwargs)

    async def stats(self) -> Stats:
        """What the cache did so far, and how much its stores keep."""
        return await self._core.stats(self._runtime)

    # --- for clients, and the end ---

    def store(self, runtime: Runtime) -> EntryStore:
        """The store of responses in the colour of ``runtime``, as middlewares and switches of this cache say."""
        core = self._core
        core.keeps_answers = True
        mount, here = core.mounts.of("http:"), core.scopes.here()
        if here is NOWHERE and not core.middlewares and not core.disabled:
            return mount.store(runtime)
        if core.middlewares or core.disabled or here.disabled:
            return Through(core, runtime, AsTheyAre(), "", mount)
        return core.store(mount, runtime)

    @property
    def health(self) -> Health | None:
        """How the store of responses is doing; None for this process's memory, which does not fail."""
        return self._core.mounts.of("http:").health

    def close(self) -> None:
        """Let background work end, write what is waiting, and let go of files; for programs without an event loop.

        Background work gets 2 s; what takes longer is cancelled, or left behind where it is a thread's.
        """
        drive(self._core.close(blocking=True))

    async def aclose(self) -> None:
        """The same for programs with one."""
        await self._core.close(blocking=False)


def cache_of(store: str | StorePair | Cache, *, clock: Clock, record: Callable[[Event], None] | None) -> Cache:
    """The cache that a client's ``store=`` means.

    Raises:
        ConfigurationError: it is neither a URL, nor a store, nor a cache.
    """
    if isinstance(store, Cache):
        return store
    if isinstance(store, str | StorePair):
        return Cache(store, clock=clock, telemetry=[] if record is None else [record])
    # Not shown itself: an address may hold a password.
    raise ConfigurationError(
        f"store={type(store).__name__} is not right; give a URL such as 'mem://', a StorePair or a Cache"
    )
