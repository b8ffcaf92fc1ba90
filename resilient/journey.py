"""What happened to one call, told from its events."""

from __future__ import annotations

from typing import TypeVar

from resilient.durations import shown
from resilient.events import (
    AttemptEnded,
    CacheLookup,
    CacheResult,
    CacheStored,
    CallEnded,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    Event,
    FellBack,
    Paused,
    Rejected,
    Rescue,
    Retried,
    RetryExhausted,
    RetryStop,
    StoreDegraded,
    StoreFailed,
    StoreRecovered,
    TimedOut,
)
from resilient.outcome import Failure

E = TypeVar("E", bound=Event)
INFINITE = float("inf")


class Journey:
    """What happened to one call; found in ``response.extensions["resilient"]`` and on errors.

    Attributes:
        route: the pattern of the policy that applied last, or the route named in the request's options.
        started: when the call began, on the monotonic clock.
        deadline: when it has to be over, on the same clock; infinite if it does not.
        ended: when the caller got its answer, None until then.
        store: the name of the store where answers are kept, empty if none was asked.
        key_hash: eight digits of the digest under which the answer is kept, empty if none was asked.
        timeline: every event with the instant at which it happened.
    """

    __slots__ = ("deadline", "ended", "key_hash", "route", "started", "store", "timeline")

    def __init__(self, started: float) -> None:
        self.route = ""
        self.store = ""
        self.key_hash = ""
        self.started = started
        self.deadline = INFINITE
        self.ended: float | None = None
        self.timeline: list[tuple[float, Event]] = []

    def events(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for _, event in self.timeline if isinstance(event, kind)]

    @property
    def attempts(self) -> list[AttemptEnded]:
        """The requests that were sent."""
        return self.events(AttemptEnded)

    @property
    def waits(self) -> list[Retried]:
        """The back-offs between attempts."""
        return self.events(Retried)

    @property
    def cache(self) -> CacheLookup | None:
        """What the cache said last, None if none was asked."""
        found = self.events(CacheLookup)
        return found[-1] if found else None

    @property
    def circuit(self) -> str:
        """``open`` if the circuit refused the call or opened during it, else ``closed``."""
        refused = any(event.by == "circuit" for event in self.events(Rejected))
        return "open" if refused or self.events(CircuitOpened) else "closed"

    @property
    def saved_by(self) -> Rescue | None:
        """What answered although an attempt failed or was refused, as far as it is known; None if none was."""
        if len(self.timeline) < 2:
            return None  # nothing but a question to a cache, and every hit comes here
        happened = {type(event) for _, event in self.timeline}
        if FellBack in happened:
            return "fallback"
        if self.cache is not None and self.cache.result == "stale":
            failed = any(
                each.failure is not None or each.status is None or each.status >= 500 for each in self.attempts
            )
            return "stale" if failed or Rejected in happened else None
        return "retry" if Retried in happened else None

    @property
    def seconds(self) -> float | None:
        """How long the call took, None until it has ended."""
        return None if self.ended is None else self.ended - self.started

    def __repr__(self) -> str:
        return f"<Journey {self.route!r}: {len(self.attempts)} attempts>"

    def __str__(self) -> str:
        """The journey line by line: when it happened, counted from the start, and what."""
        lines = [f"{at - self.started:9.3f} s  {describe(event)}" for at, event in self.timeline]
        attempts = len(self.attempts)
        sent = "nothing sent" if not attempts else "1 attempt" if attempts == 1 else f"{attempts} attempts"
        total = "" if self.seconds is None else f", {shown(self.seconds)} in all"
        return "\n".join([f"policy {self.route!r}: {sent}{self._result()}{total}", *lines])

    def _result(self) -> str:
        served = self.cache is not None and self.cache.result in _SERVED
        cache = f", answered from the cache ({self.cache.result}, {self.store})" if served and self.cache else ""
        fallback = ", answered by the fallback" if self.events(FellBack) else ""
        circuit = ", circuit open" if self.circuit == "open" else ""
        return cache + fallback + circuit


def describe(event: Event) -> str:
    """One event as a short line for people."""
    match event:
        case CallEnded(method=method, outcome=outcome, status=status, seconds=seconds):
            answered = "no answer" if status is None else f"answered {status}"
            return f"{method}: {answered} after {shown(seconds)} ({outcome.value})"
        case AttemptEnded(number=number, status=status, failure=None, seconds=seconds):
            return f"attempt {number}: answered {status} after {shown(seconds)}"
        case AttemptEnded(number=number, failure=Failure() as failure, seconds=seconds):
            return f"attempt {number}: {_FAILURES[failure]}, after {shown(seconds)} ({failure.value})"
        case Retried(reason=reason, delay=delay, asked=asked):
            wish = "" if asked is None else f", as the origin asked for {shown(asked)}"
            return f"that is a failure ({reason}); again in {shown(delay)}{wish}"
        case RetryExhausted(reason=reason, stop=stop, retry_after=asked):
            wish = "" if asked is None else f" (the origin asked for {shown(asked)})"
            return f"that is a failure ({reason}); not again: {_STOPS[stop]}{wish}"
        case Paused(seconds=seconds, by="rate"):
            return f"waits up to {shown(seconds)} for its turn under the rate limit"
        case Paused(seconds=seconds):
            return f"waits {shown(seconds)} until the origin's quota is filled again"
        case TimedOut(what=what, timeout=timeout):
            return f"the {what}'s time of {shown(timeout)} is over"
        case Rejected(by="circuit", origin=origin, retry_in=retry_in):
            when = "isolated by hand" if retry_in == float("inf") else f"open, next probe in {shown(retry_in)}"
            return f"refused: the circuit of {origin} is {when}"
        case Rejected(origin=origin, retry_in=retry_in):
            return f"refused: the quota of {origin} is used up for {shown(retry_in)}"
        case CircuitOpened(circuit=circuit, open_for=open_for, cause=cause):
            return f"the circuit of {circuit} opens for {shown(open_for)}: {_CAUSES[cause]}"
        case CircuitHalfOpened(circuit=circuit):
            return f"the circuit of {circuit} lets a probe through"
        case CircuitClosed(circuit=circuit):
            return f"the circuit of {circuit} closes: the origin answers again"
        case FellBack(to=to, reason=reason):
            return f"fallback: a {to} answers in place of the failure ({reason})"
        case CacheLookup(result=result, strategy=strategy, age=age, ttl=ttl, detail=detail):
            old = "" if age is None else f", {shown(age)} old"
            return f"cache: {_LOOKUPS[result]}{old}{_left(result, ttl)} ({detail or strategy})"
        case CacheStored(strategy=strategy, detail=None):
            return f"cache: the answer is kept ({strategy})"
        case CacheStored(detail=detail):
            return f"cache: the answer is not kept ({detail})"
        case StoreFailed(store=store, operation=operation, kind=kind):
            if kind == "degraded":
                return f"the store {store!r} is left alone, since it failed too often; the call goes on without it"
            return f"the store {store!r} failed to {operation} ({kind}); the call goes on without it"
        case StoreDegraded(store=store):
            return f"the store {store!r} fails too often: it is left alone, and asked once a second whether it is back"
        case StoreRecovered(store=store, seconds=seconds):
            return f"the store {store!r} answers again, after {shown(seconds)}"
        case _:
            pass
    given = ", ".join(f"{name} {getattr(event, name)}" for name in event.__struct_fields__)
    return f"{event.name.removeprefix('resilient.')}: {given}"


def _left(result: CacheResult, ttl: float | None) -> str:
    """How long what was served is fresh yet, or has been stale."""
    if ttl is None or result not in _SERVED:
        return ""
    return f", fresh for {shown(ttl)}" if ttl > 0 else f", stale for {shown(-ttl)}"


_SERVED = ("hit", "stale", "revalidated", "collapsed")
_FAILURES = {
    Failure.UNSENT: "no connection, nothing was sent",
    Failure.POOL: "no free connection, nothing was sent",
    Failure.TIMEOUT: "no answer in time",
    Failure.BROKEN: "the connection broke",
    Failure.UNTRUSTED: "the origin's certificate was refused",
    Failure.PROXY: "the proxy refused the credentials, nothing was sent",
    Failure.INVALID: "the request can never succeed",
    Failure.REJECTED: "refused here",
    Failure.CANCELLED: "the caller gave up",
    Failure.OTHER: "an error in the client's own code",
}
_STOPS: dict[RetryStop, str] = {
    "limit": "that was the last attempt",
    "budget": "the host's retry budget is used up",
    "deadline": "too little time is left",
    "not_idempotent": "sending it twice might do harm",
    "body_not_replayable": "its body cannot be sent twice",
    "retry_after": "too long to wait",
}
_CAUSES = {
    "run": "too many failures in a row",
    "ratio": "too many failures among the latest calls",
    "slow": "too many slow answers among the latest calls",
    "probe": "the probe failed",
    "manual": "by hand",
}
_LOOKUPS: dict[CacheResult, str] = {
    "hit": "fresh answer served",
    "stale": "stale answer served",
    "revalidated": "kept answer confirmed by the origin",
    "miss": "the origin's own answer",
    "bypass": "passed by",
    "collapsed": "shared with a call under way",
    "error": "failed",
}
