"""A cache for functions and responses, over one store or several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar, Unpack

from resilient.caching.arguments import Arguments
from resilient.caching.batching import Batch
from resilient.caching.blocking import BlockingCache
from resilient.caching.codec import Codec
from resilient.caching.coding import AsTheyAre, Values
from resilient.caching.commands import Commands
from resilient.caching.conditions import ConditionOption, condition_of
from resilient.caching.control import Command, commands_of
from resilient.caching.core import CacheMiddleware, Core
from resilient.caching.decorating import decorated
from resilient.caching.explaining import Explanation, explain
from resilient.caching.figures import Stats
from resilient.caching.guard import COMMAND_BUDGET
from resilient.caching.invalidating import invalidating
from resilient.caching.keys import tags_of
from resilient.caching.leases import LEASE
from resilient.caching.locking import Locking
from resilient.caching.mounts import PATIENCE, Mount
from resilient.caching.options import More, classes_of, planned
from resilient.caching.protecting import circuit_broken, rate_limited
from resilient.caching.scopes import Detecting, Disabling
from resilient.caching.slot import Strategy
from resilient.caching.strategies.early import Early
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.hit import Hit
from resilient.caching.strategies.iterator import Replay
from resilient.caching.strategies.locked import Locked
from resilient.caching.strategies.simple import Simple
from resilient.caching.strategies.soft import Soft
from resilient.caching.templates import Template
from resilient.caching.through import Through
from resilient.caching.transacting import Transacting
from resilient.caching.transactions import Isolation
from resilient.caching.ttl import TtlOption, ttl_of
from resilient.checks import need
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.mechanics.breaker import Breaker, BreakerOptions
from resilient.mechanics.gcra import quota_of
from resilient.ports import Clock, EntryStore, Runtime, StorePair, Telemetry
from resilient.runtime.drive import drive
from resilient.stores.registry import open_store

F = TypeVar("F", bound=Callable[..., Any])
Sink = Telemetry | Callable[[Event], object]


class Cache(Commands):
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

    # --- decorators ---

    def __call__(
        self,
        ttl: TtlOption,
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        lock: bool = False,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Keep the results of a function for ``ttl``.

        Args:
            ttl: how long: seconds, a ``timedelta``, text such as ``"1h30m"``, or a function that names parameters of
                the call, and ``result``, and returns one of these.
            key: a template such as ``"items:{category}:{page}"``; made of the function's name and all arguments if not
                given.
            tags: templates of the groups that a result belongs to.
            condition: whether a result is kept: a function of the result, or ``"not_none"``.
            lock: whether one of all processes makes the value, as with :meth:`locked`.
            more: see :class:`resilient.caching.options.More`.

        Raises:
            ConfigurationError: an option is wrong.
        """

        def strategy_of(arguments: Arguments) -> Strategy:
            span = ttl_of(ttl, arguments)
            return Locked(span) if lock else Simple(span)

        return self._decorator(strategy_of, "", key, tags, condition, more)

    def early(
        self,
        ttl: TtlOption,
        early_ttl: TtlOption,
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Keep results for ``ttl``; the first call after ``early_ttl`` has the value made anew in the background.

        Args:
            ttl: how long a result is kept.
            early_ttl: after how long it is made anew; less than ``ttl``.
            key: as in :meth:`__call__`, as are the options that follow.
            tags: as there.
            condition: as there.
            more: as there.
        """

        def strategy_of(arguments: Arguments) -> Strategy:
            return Early(ttl_of(ttl, arguments), ttl_of(early_ttl, arguments, option="early_ttl"))

        return self._decorator(strategy_of, Early.name, key, tags, condition, more)

    def soft(
        self,
        ttl: TtlOption,
        soft_ttl: TtlOption,
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Keep results for ``ttl``; after ``soft_ttl`` they are served stale, while they are made anew.

        A failure in the background keeps the stale value; the next try is after 1 s, then 2 s, up to 30 s.

        Args:
            ttl: how long a result is kept.
            soft_ttl: how long it is fresh; less than ``ttl``.
            key: as in :meth:`__call__`, as are the options that follow.
            tags: as there.
            condition: as there.
            more: as there.
        """

        def strategy_of(arguments: Arguments) -> Strategy:
            return Soft(ttl_of(ttl, arguments), ttl_of(soft_ttl, arguments, option="soft_ttl"))

        return self._decorator(strategy_of, Soft.name, key, tags, condition, more)

    def locked(
        self,
        ttl: TtlOption,
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Keep results for ``ttl``; on a cold key one caller of all processes executes, the others wait for its result.

        It is no mutex for side effects: where the store fails, each process executes for itself.

        Args:
            ttl: how long a result is kept.
            key: as in :meth:`__call__`, as are the options that follow.
            tags: as there.
            condition: as there.
            more: as there.
        """
        return self._decorator(
            lambda arguments: Locked(ttl_of(ttl, arguments)), Locked.name, key, tags, condition, more
        )

    def failover(
        self,
        ttl: TtlOption,
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        *,
        exceptions: type[Exception] | tuple[type[Exception], ...] = Exception,
        retry_after: Duration | None = None,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Always call the function; if it raises, the last good result of the past ``ttl`` is returned.

        Args:
            ttl: how long the last good result may stand in.
            exceptions: those for which it does.
            retry_after: for how long after a failure the kept result is returned without a call.
            key: as in :meth:`__call__`, as are the options that follow.
            tags: as there.
            condition: as there.
            more: as there.
        """
        excused = classes_of(exceptions, "exceptions")
        pause = 0.0 if retry_after is None else seconds_of(retry_after, option="retry_after")

        def strategy_of(arguments: Arguments) -> Strategy:
            return Failover(ttl_of(ttl, arguments), pause)

        return self._decorator(strategy_of, Failover.name, key, tags, condition, more, excused)

    def iterator(
        self,
        ttl: TtlOption,
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Keep what a generator yields, asynchronous or not, and yield it again for ``ttl``.

        It passes while it is kept. Only a run that came to its end is kept, at most 8 MiB of it.

        Args:
            ttl: how long it is kept.
            key: as in :meth:`__call__`, as are the options that follow.
            tags: as there.
            more: as there.
            condition: whether it is kept; its result is a tuple of all items.
        """
        return self._decorator(
            lambda arguments: Replay(ttl_of(ttl, arguments)), Replay.name, key, tags, condition, more
        )

    def hit(
        self,
        ttl: TtlOption,
        cache_hits: int,
        update_after: int | None = None,
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Return a kept result ``cache_hits`` times, for ``ttl`` at most.

        Args:
            ttl: how long a result is kept at most.
            cache_hits: how often it is returned.
            update_after: after so many times it is made anew in the background; less than ``cache_hits``.
            key: as in :meth:`__call__`, as are the options that follow.
            tags: as there.
            condition: as there.
            more: as there.
        """

        def strategy_of(arguments: Arguments) -> Strategy:
            return Hit(ttl_of(ttl, arguments), cache_hits, update_after)

        return self._decorator(strategy_of, Hit.name, key, tags, condition, more)

    def dynamic(
        self,
        ttl: TtlOption = "1d",
        key: str | None = None,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
        **more: Unpack[More],
    ) -> Callable[[F], F]:
        """Keep what is asked for often up to date: :meth:`hit` with ``cache_hits=3, update_after=1``.

        Args:
            ttl: how long a result is kept at most.
            key: as in :meth:`__call__`, as are the options that follow.
            tags: as there.
            condition: as there.
            more: as there.
        """
        return self.hit(ttl, 3, 1, key, tags, condition, **more)

    def invalidate(self, template: str) -> Callable[[F], F]:
        """Forget keys whenever the function has returned.

        Args:
            template: a pattern of keys with parameters of the function, such as ``"items:{category}:*"``.

        Raises:
            ConfigurationError: it names a parameter that the function does not have.
        """
        return lambda function: invalidating(self._core, function, template)

    def batch(
        self,
        ttl: TtlOption,
        key: str,
        over: str,
        tags: Sequence[str] = (),
        condition: ConditionOption = None,
    ) -> Callable[[F], F]:
        """Keep the values of single items for a function that takes many of them and returns a mapping of them.

        The function is called for those items only that are not kept; the result holds all that were asked for and
        found. ``@cache.batch(ttl="1h", key="user:{ids}", over="ids")`` keeps the value of 7 under ``user:7``.

        Args:
            ttl: how long a value is kept.
            key: the template of one item's key.
            over: the parameter that takes the items; in templates it stands for one of them.
            tags: templates of the groups that one item's value belongs to.
            condition: whether one item's value is kept.

        Raises:
            ConfigurationError: an option is wrong.
        """
        holds = condition_of(condition)

        def decorate(function: F) -> F:
            arguments = Arguments(function)
            batch = Batch(
                core=self._core,
                arguments=arguments,
                over=over,
                key=Template(key, arguments, option="key"),
                tags=tags_of(tags, arguments),
                ttl=ttl_of(ttl, arguments),
                condition=holds,
            )
            return batch.wrap(function)

        return decorate

    def circuit_breaker(
        self,
        key: str | None = None,
        *,
        exceptions: type[Exception] | tuple[type[Exception], ...] = Exception,
        **breaker: Unpack[BreakerOptions],
    ) -> Callable[[F], F]:
        """Refuse calls of a function that fails too often, and let one through now and then; in this process.

        Args:
            key: a template, if what it gives for a call is to have a circuit of its own; else the function has one.
            exceptions: what counts as a failure.
            breaker: when the circuit opens and for how long, as of :class:`resilient.CircuitBreaker`.

        Raises:
            ConfigurationError: an option is wrong.
            CircuitOpenError: at a call: it was refused.
        """
        rule, failures = Breaker(**breaker), classes_of(exceptions, "exceptions")
        return lambda function: circuit_broken(self._core, function, rule, key, failures)

    def rate_limit(
        self, rate: str, key: str | None = None, *, burst: int | None = None, max_wait: Duration | None = None
    ) -> Callable[[F], F]:
        """Call a function no more often than ``rate``; in this process.

        Args:
            rate: so many in a time, such as ``"5/1m"``.
            key: a template, if what it gives for a call is to be counted by itself; else all calls are.
            burst: so many at once, after a time in which none ran; as many as ``rate`` names if not given.
            max_wait: how long a call waits for its turn; without it one that comes too early is refused at once.

        Raises:
            ConfigurationError: an option is wrong.
            RateLimitedError: at a call: it was refused.
        """
        quota_of(rate, burst)
        return lambda function: rate_limited(self._core, function, rate, key, burst, max_wait)

    def _decorator(
        self,
        strategy_of: Callable[[Arguments], Strategy],
        namespace: str,
        key: str | None,
        tags: Sequence[str],
        condition: ConditionOption,
        more: More,
        excused: tuple[type[Exception], ...] = (Exception,),
    ) -> Callable[[F], F]:
        plan_of = planned(self._core, strategy_of, namespace, key, tags, condition, more, excused)
        return lambda function: decorated(function, plan_of)

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
        mount = core.mounts.of("http:")
        is_plain = not (core.middlewares or core.disabled or core.scopes.here().disabled)
        return core.store(mount, runtime) if is_plain else Through(core, runtime, AsTheyAre(), "", mount)

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
