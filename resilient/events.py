"""What the library says about itself: one frozen value an event, subscribed to by telemetry.

Seconds are floats, counts are ints, names are low in cardinality; no event holds a header value, a query
value, a body or a key in clear.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct

from resilient.outcome import Failure, Outcome

CacheResult = Literal["hit", "stale", "revalidated", "miss", "bypass", "collapsed", "error"]
Forwarded = Literal["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"]
"""Why a cache asked the origin (RFC 9211 section 2.2)."""
Rescue = Literal["retry", "stale", "fallback"]
RetryStop = Literal["limit", "budget", "deadline", "not_idempotent", "body_not_replayable", "retry_after"]


class Event(Struct, frozen=True, kw_only=True):
    """The base of all events; ``name`` is the same in spans, logs and live views."""

    name: ClassVar[str]


class CallEnded(Event, frozen=True, kw_only=True):
    """A call came to its end.

    Attributes:
        client: the client's name.
        route: the pattern of the policy that applied, or the route named in the request's options.
        method: the request's method.
        origin: scheme, host and port.
        outcome: how the caller sees it.
        status: the answer's status, None without an answer.
        seconds: how long it took.
        attempts: how many requests were sent.
        saved_by: what made it end well although an attempt failed or was refused, None if nothing had to.
    """

    name: ClassVar[str] = "resilient.call"
    client: str
    route: str
    method: str
    origin: str
    outcome: Outcome
    status: int | None
    seconds: float
    attempts: int
    saved_by: Rescue | None = None


class AttemptEnded(Event, frozen=True, kw_only=True):
    """One request was sent and answered, or failed.

    Attributes:
        number: 1 for the first attempt of a pass through the pipeline.
        origin: scheme, host and port.
        status: the answer's status, None without an answer.
        failure: what the failure meant, None with an answer.
        seconds: from the start of the attempt until its end; the body is part of it unless it is streamed.
    """

    name: ClassVar[str] = "resilient.attempt"
    number: int
    origin: str
    status: int | None
    failure: Failure | None
    seconds: float


class Retried(Event, frozen=True, kw_only=True):
    """A failed attempt is followed by another one.

    Attributes:
        attempt: the number of the attempt that failed.
        reason: why it counted as failed: ``5xx``, ``429`` or another status, or a failure's name.
        delay: seconds until the next attempt.
        asked: seconds that the origin asked for, None if it did not.
    """

    name: ClassVar[str] = "resilient.retry"
    attempt: int
    reason: str
    delay: float
    asked: float | None = None


class RetryExhausted(Event, frozen=True, kw_only=True):
    """A failed attempt is followed by no other.

    Attributes:
        attempts: how many were made.
        reason: as in :class:`Retried`.
        stop: what forbade another one.
        retry_after: seconds that the origin asked for, None if it did not.
    """

    name: ClassVar[str] = "resilient.retry.exhausted"
    attempts: int
    reason: str
    stop: RetryStop
    retry_after: float | None = None


class Paused(Event, frozen=True, kw_only=True):
    """A call waits before it is sent, since a quota is used up.

    Attributes:
        seconds: how long, at most.
        by: whose quota it is: the origin's own, by its word, or that of the policy's rate limit.
    """

    name: ClassVar[str] = "resilient.pause"
    seconds: float
    by: Literal["origin", "rate"] = "origin"


class Waited(Event, frozen=True, kw_only=True):
    """The wait of :class:`Paused` is over.

    Attributes:
        seconds: how long it was.
        by: as in :class:`Paused`.
    """

    name: ClassVar[str] = "resilient.waited"
    seconds: float
    by: Literal["origin", "rate"] = "origin"


class TimedOut(Event, frozen=True, kw_only=True):
    """An attempt or the whole call ran out of time.

    Attributes:
        what: which of the two.
        timeout: seconds that it had.
    """

    name: ClassVar[str] = "resilient.timeout"
    what: Literal["attempt", "deadline"]
    timeout: float


class Rejected(Event, frozen=True, kw_only=True):
    """A policy refused to send, or to call.

    Attributes:
        by: what refused: the circuit, or a used-up quota.
        origin: scheme, host and port, or the name of a function.
        retry_in: seconds until it may be tried again.
    """

    name: ClassVar[str] = "resilient.rejected"
    by: Literal["circuit", "rate"]
    origin: str
    retry_in: float


class CircuitOpened(Event, frozen=True, kw_only=True):
    """Too many failures: the circuit refuses calls for a while.

    Attributes:
        circuit: the origin, or the name of a function.
        open_for: seconds.
        cause: which rule tripped it, or ``probe`` for a failed probe, or ``manual``.
    """

    name: ClassVar[str] = "resilient.circuit.opened"
    circuit: str
    open_for: float
    cause: Literal["run", "ratio", "slow", "probe", "manual"]


class CircuitHalfOpened(Event, frozen=True, kw_only=True):
    """The open period is over: a probe may go.

    Attributes:
        circuit: the origin, or the name of a function.
    """

    name: ClassVar[str] = "resilient.circuit.half_opened"
    circuit: str


class CircuitClosed(Event, frozen=True, kw_only=True):
    """The origin answers again.

    Attributes:
        circuit: the origin, or the name of a function.
    """

    name: ClassVar[str] = "resilient.circuit.closed"
    circuit: str


class FellBack(Event, frozen=True, kw_only=True):
    """A fallback answered in place of the origin.

    Attributes:
        to: what kind of fallback.
        reason: what it replaced: a status, or a failure's name.
    """

    name: ClassVar[str] = "resilient.fallback"
    to: Literal["response", "callable", "url"]
    reason: str


class CacheLookup(Event, frozen=True, kw_only=True):
    """A cache was asked.

    Attributes:
        result: what it said.
        strategy: the strategy that asked, ``none`` where there was none.
        function: the qualified name of the decorated function, empty for a response and for a command.
        age: seconds since the entry was stored, and for a response since the origin made it; None without an entry.
        ttl: seconds that it stays fresh, negative once stale, None without an entry.
        detail: a word on why, one of a fixed set.
        fwd: of a response: why the origin was asked, None if it was not.
        fwd_status: the status that the origin answered with, where the caller got another one.
        stored: of a response: whether the origin's answer is kept. What is streamed is not kept yet.
    """

    name: ClassVar[str] = "resilient.cache.lookup"
    result: CacheResult
    strategy: str
    function: str = ""
    age: float | None = None
    ttl: float | None = None
    detail: str | None = None
    fwd: Forwarded | None = None
    fwd_status: int | None = None
    stored: bool = False


class CacheStored(Event, frozen=True, kw_only=True):
    """A value was written, or a word says why not.

    Attributes:
        strategy: the strategy that wrote it.
        function: the qualified name of the decorated function, empty for a response.
        ttl: seconds that it stays fresh, None if it was not written.
        detail: why it was not written, one of a fixed set.
        background: whether it was made anew while a kept one was served.
    """

    name: ClassVar[str] = "resilient.cache.stored"
    strategy: str
    function: str = ""
    ttl: float | None = None
    detail: str | None = None
    background: bool = False


class CacheRefreshed(Event, frozen=True, kw_only=True):
    """A value was made anew in the background.

    Attributes:
        strategy: the strategy that wanted it.
        function: the qualified name of the decorated function, empty for a response.
        seconds: how long the making took.
    """

    name: ClassVar[str] = "resilient.cache.refreshed"
    strategy: str
    function: str = ""
    seconds: float


class BackgroundFailed(Event, frozen=True, kw_only=True):
    """Work in the background failed; nobody waited for it.

    Attributes:
        what: what it was for.
        strategy: the strategy that wanted it.
        function: the qualified name of the decorated function, empty for a response.
        error: the name of the exception's class.
    """

    name: ClassVar[str] = "resilient.background.failed"
    what: Literal["refresh"]
    strategy: str = ""
    function: str = ""
    error: str


class BackgroundBegan(Event, frozen=True, kw_only=True):
    """Work in the background has begun."""

    name: ClassVar[str] = "resilient.background.began"


class BackgroundEnded(Event, frozen=True, kw_only=True):
    """Work in the background has ended.

    Attributes:
        dropped: whether it was cancelled or left behind, by the end of its event loop, its client or its cache.
    """

    name: ClassVar[str] = "resilient.background.ended"
    dropped: bool


class BackgroundDropped(Event, frozen=True, kw_only=True):
    """Work in the background was not begun: there was too much of it, or its client or cache was closed.

    Attributes:
        under_way: how much of it there was.
    """

    name: ClassVar[str] = "resilient.background.dropped"
    under_way: int


class LockWaited(Event, frozen=True, kw_only=True):
    """Somebody has waited for a lock, or asked for one that was free.

    Attributes:
        seconds: how long.
        result: whether the lock was got, what its holder made was, or the time ran out.
    """

    name: ClassVar[str] = "resilient.lock.waited"
    seconds: float
    result: Literal["taken", "found", "timeout"]


class LockTaken(Event, frozen=True, kw_only=True):
    """A lock is held from now on."""

    name: ClassVar[str] = "resilient.lock.taken"


class LockReleased(Event, frozen=True, kw_only=True):
    """A lock was given back.

    Attributes:
        seconds: how long it was held.
    """

    name: ClassVar[str] = "resilient.lock.released"
    seconds: float


class LockLost(Event, frozen=True, kw_only=True):
    """A lock was lost while it was held: somebody else may hold it.

    Attributes:
        seconds: how long it was held.
        reason: ``stolen`` if the store says that it is another's, ``store`` if the store did not answer in time to
            renew it, ``expired`` if nobody got to renew it in time.
    """

    name: ClassVar[str] = "resilient.lock.lost"
    seconds: float
    reason: Literal["expired", "stolen", "store"]


class StoreAsked(Event, frozen=True, kw_only=True):
    """A store was asked, and the caller waited; of this process's memory nothing is told unless it has middlewares.

    Attributes:
        store: the store's name.
        operation: what was asked of it: a command's name, ``incr``, ``delete`` or ``lock``.
        seconds: how long it took, middlewares included; up to its failure, if it failed.
        failed: whether it did.
    """

    name: ClassVar[str] = "resilient.store.asked"
    store: str
    operation: str
    seconds: float
    failed: bool = False


class StoreMeasured(Event, frozen=True, kw_only=True):
    """How much a store keeps. Memory tells it once it is more than a tenth more or less, all by ``cache.stats()``.

    Attributes:
        store: the store's name.
        entries: how many.
        size: bytes that they take.
    """

    name: ClassVar[str] = "resilient.store.measured"
    store: str
    entries: int
    size: int


class StoreFailed(Event, frozen=True, kw_only=True):
    """A store failed, was too slow, or was not asked. A call went on without it; a command given directly raised.

    Attributes:
        store: the store's name.
        operation: what was asked of it.
        kind: ``timeout``, ``corrupt``, ``full``, ``busy``, ``readonly`` or ``other``; ``auth`` if it does not let us
            in, or is not who we trust; ``degraded`` if it was not asked, since it had failed again and again.
        error: the name of the exception's class, if it is none of ours.
        rejected: why an entry was refused that is ``corrupt``; None for all else.
    """

    name: ClassVar[str] = "resilient.store.error"
    store: str
    operation: str
    kind: Literal["timeout", "corrupt", "full", "busy", "readonly", "auth", "degraded", "other"]
    error: str = ""
    rejected: Literal["damaged", "version", "signature", "value"] | None = None


class StoreDegraded(Event, frozen=True, kw_only=True):
    """A store failed again and again. Calls go on without it, and one of them a second asks whether it is back.

    Attributes:
        store: the store's name.
    """

    name: ClassVar[str] = "resilient.store.degraded"
    store: str


class StoreRecovered(Event, frozen=True, kw_only=True):
    """A store that was left alone answers again.

    Attributes:
        store: the store's name.
        seconds: how long calls went on without it.
    """

    name: ClassVar[str] = "resilient.store.recovered"
    store: str
    seconds: float


class StoreEvicted(Event, frozen=True, kw_only=True):
    """Entries were dropped to make room.

    Attributes:
        store: the store's name.
        entries: how many.
    """

    name: ClassVar[str] = "resilient.cache.evicted"
    store: str
    entries: int


class ReplicaConnected(Event, frozen=True, kw_only=True):
    """A server tells of changes, as was seen: from now on copies of its entries are served from this process's memory.

    Attributes:
        store: the store's name.
        staleness: seconds that a copy is served at most without asking again.
    """

    name: ClassVar[str] = "resilient.csc.connected"
    store: str
    staleness: float


class ReplicaLost(Event, frozen=True, kw_only=True):
    """A server tells of changes no longer: until it does again, nothing is served from this process's memory.

    Attributes:
        store: the store's name.
        reason: whether the link was closed, or silent for too long.
    """

    name: ClassVar[str] = "resilient.csc.lost"
    store: str
    reason: Literal["closed", "silent"]


class ReplicaInvalidated(Event, frozen=True, kw_only=True):
    """A server told of changes, and the copies of what had changed were dropped.

    Attributes:
        store: the store's name.
        names: of how many entries and groups it told.
    """

    name: ClassVar[str] = "resilient.csc.invalidated"
    store: str
    names: int


class ReplicaFlushed(Event, frozen=True, kw_only=True):
    """All copies in this process's memory were dropped at once.

    Attributes:
        store: the store's name.
        reason: whether the link was lost, or the server has dropped everything itself.
        entries: how many copies there were.
    """

    name: ClassVar[str] = "resilient.csc.flushed"
    store: str
    reason: Literal["lost", "server"]
    entries: int


class ConfigChanged(Event, frozen=True, kw_only=True):
    """A policy file that is watched has changed, and its policies apply from now on.

    Attributes:
        file: the file's name.
        policies: how many entries it holds.
    """

    name: ClassVar[str] = "resilient.config.changed"
    file: str
    policies: int


class ConfigFailed(Event, frozen=True, kw_only=True):
    """A policy file that is watched has changed and cannot be used; the policies from before still apply.

    Attributes:
        file: the file's name.
        error: what is wrong with it, for people.
    """

    name: ClassVar[str] = "resilient.config.failed"
    file: str
    error: str
