"""What protects a function from its callers, and them from it: a rate limit and a circuit, as the client has them."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from resilient.durations import Duration, seconds_of
from resilient.errors import RateLimitedError
from resilient.events import Event, Paused, Rejected, Waited
from resilient.locks import fork_safe_lock
from resilient.mechanics.breaker import Breaker
from resilient.mechanics.circuit import Circuit, Verdict
from resilient.mechanics.gcra import quota_of
from resilient.outcome import Failure, failure_of
from resilient.ports import Job, Runtime
from resilient.runtime.line import Line

T = TypeVar("T")
Record: TypeAlias = Callable[[Event], None]
MAX_KEYS = 10_000
"""Keys of which one function remembers something; beyond that those that were used least lately are forgotten."""


class RateLimited:
    """Run a function no more often than so many times in a time, for each key by itself.

    Args:
        rate: so many in a time: ``"60/1m"``, ``"5/s"``, ``"100/1h"``.
        burst: so many at once, after a time in which none ran; if not given, as many as ``rate`` names.
        name: what the function is called in events and errors.
        max_wait: how long a call waits for its turn; without one it is refused at once.

    Raises:
        ConfigurationError: an option has a wrong value.
    """

    def __init__(self, rate: str, burst: int | None = None, *, name: str, max_wait: Duration | None = None) -> None:
        self._quota = quota_of(rate, burst)
        self._name = name
        self._max_wait = 0.0 if max_wait is None else seconds_of(max_wait, option="max_wait")
        self._lines = _Table(Line)

    async def enter(self, runtime: Runtime, key: str, record: Record) -> None:
        """Go on when it is the call's turn.

        Args:
            runtime: how it waits.
            key: what is counted by itself.
            record: is told of a wait and of a refusal.

        Raises:
            RateLimitedError: the turn would come too late.
        """
        line = self._lines.of(key)
        wait = line.take(self._quota, runtime.clock.now())
        if 0 < wait <= self._max_wait:
            record(Paused(seconds=wait, by="rate"))
            began = runtime.clock.now()
            wait = await line.wait(self._quota, runtime, self._max_wait)
            record(Waited(seconds=runtime.clock.now() - began, by="rate"))
        if wait:
            record(Rejected(by="rate", origin=self._name, retry_in=wait))
            raise RateLimitedError(self._name, wait)


class Protected:
    """Refuse calls of a function that fails too often, and let a probe through now and then, for each key by itself.

    Args:
        breaker: when its circuit opens and for how long.
        name: what the function is called in events and errors.
        exceptions: what counts as a failure. Others are answers like any value; a refusal by a policy within the
            function, and the caller's own cancellation, say nothing.
    """

    def __init__(
        self,
        breaker: Breaker,
        *,
        name: str,
        exceptions: type[Exception] | tuple[type[Exception], ...] = Exception,
    ) -> None:
        self._breaker = breaker
        self._name = name
        self._exceptions = exceptions
        self._circuits = _Table(partial(Circuit, random.random))

    async def run(self, runtime: Runtime, key: str, job: Job[T], record: Record) -> T:
        """What ``job`` returns, unless the circuit refuses to run it.

        Args:
            runtime: whose clock counts.
            key: what has a circuit of its own.
            job: calls the function.
            record: is told of each change of the circuit and of a refusal.

        Raises:
            CircuitOpenError: the circuit is open; the function was not called.
        """
        clock = runtime.clock
        passage = self._breaker.admit(self._circuits.of(key), self._name, clock.now, record)
        if passage is None:
            return await job()
        began = clock.now()
        try:
            value = await job()
        except BaseException as error:
            passage.settle(self._verdict(error))
            raise
        slow = self._breaker.rule.slow
        passage.settle(Verdict.OK if slow is None or clock.now() - began <= slow else Verdict.SLOW)
        return value

    def _verdict(self, error: BaseException) -> Verdict:
        if failure_of(error, {}) in (Failure.REJECTED, Failure.CANCELLED):
            return Verdict.NEUTRAL
        return Verdict.FAILED if isinstance(error, self._exceptions) else Verdict.OK


class _Table(Generic[T]):
    """One object for each key, as long as it is among the :data:`MAX_KEYS` that were used last."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = fork_safe_lock()

    def of(self, key: str) -> T:
        """The object of ``key``, made at its first use."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = self._make()
                if len(self._kept) > MAX_KEYS:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
            return found
