"""The decorators of a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, Unpack

from resilient.caching.arguments import Arguments
from resilient.caching.batching import Batch
from resilient.caching.conditions import ConditionOption, condition_of
from resilient.caching.core import Core
from resilient.caching.decorating import decorated
from resilient.caching.invalidating import invalidating
from resilient.caching.keys import tags_of
from resilient.caching.options import More, classes_of, planned
from resilient.caching.protecting import circuit_broken, rate_limited
from resilient.caching.slot import Strategy
from resilient.caching.strategies.early import Early
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.hit import Hit
from resilient.caching.strategies.iterator import Replay
from resilient.caching.strategies.locked import Locked
from resilient.caching.strategies.simple import Simple
from resilient.caching.strategies.soft import Soft
from resilient.caching.templates import Template
from resilient.caching.ttl import TtlOption, ttl_of
from resilient.durations import Duration, seconds_of
from resilient.mechanics.breaker import Breaker, BreakerOptions
from resilient.mechanics.gcra import quota_of

F = TypeVar("F", bound=Callable[..., Any])


class Decorators:
    """What a cache can do to a function."""

    __slots__ = ()
    _core: Core

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
