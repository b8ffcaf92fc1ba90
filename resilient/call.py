"""What travels through a pipeline, and who handles it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from resilient.events import Event
from resilient.journey import Journey
from resilient.locks import fork_safe_lock
from resilient.mechanics.budget import Budget
from resilient.messages import Request, Response
from resilient.options import NO_OPTIONS, Options
from resilient.outcome import Failure, failure_of
from resilient.ports import EntryStore, HttpLibrary, Runtime
from resilient.stores.health import Health
from resilient.telemetry import CallTrace

T = TypeVar("T")
INFINITE = float("inf")
BEHIND = 30.0
"""Seconds that a call in the background has where no deadline says less."""


class Call(Struct, frozen=True, kw_only=True, eq=False):
    """One pass of a request through a pipeline; a value, cheap to copy, that nobody changes.

    Attributes:
        request: what to send.
        asked: the phases of its timeout that the caller or an SDK gave, in seconds; None is for ever.
        runtime: how to wait, in the caller's colour.
        library: the caller's HTTP library.
        send: sends a request over the real transport.
        host: what has been learned about the origin under this policy.
        journey: what happened so far.
        budget: how much may be spent on further attempts, None for as much as they like.
        store: where answers are kept, None if nowhere.
        store_health: how that store is doing; None if it is asked in any case.
        record_to: where events go beside the journey, None if nowhere.
        is_heard: whether anybody hears of them there, beside the log.
        options: what the caller asked for this request.
        client: the client's name.
        streamed: whether the caller reads the body itself, after the call.
        deadline: the instant at which the whole call must be over.
        attempt: the number of the attempt under way, from 1.
        attempt_ends: the instant at which the attempt must be over.
        trace: follows the call, None if nobody does.
    """

    request: Request
    asked: Mapping[str, float | None]
    runtime: Runtime
    library: HttpLibrary
    send: Sender
    host: Host
    journey: Journey
    budget: Budget | None = None
    store: EntryStore | None = None
    store_health: Health | None = None
    record_to: Callable[[Event], None] | None = None
    is_heard: bool = False
    options: Options = NO_OPTIONS
    client: str = "default"
    streamed: bool = False
    deadline: float = INFINITE
    attempt: int = 1
    attempt_ends: float = INFINITE
    trace: CallTrace | None = None

    def due(self, deadline: float) -> Self:
        """The same call, to be over at the instant ``deadline``."""
        return replace(self, deadline=deadline)

    def attempted(self, number: int) -> Self:
        """The same call at its attempt ``number``."""
        return replace(self, attempt=number)

    def attempt_due(self, ends: float) -> Self:
        """The same call, its attempt to be over at the instant ``ends``."""
        return replace(self, attempt_ends=ends)

    def asking(self, request: Request) -> Self:
        """The same call for another request."""
        return replace(self, request=request)

    def sending(self, send: Sender) -> Self:
        """The same call, sent by ``send``."""
        return replace(self, send=send)

    def behind(self) -> Self:
        """A call of its own for the same request, begun now in the background, with as much time as this one had."""
        now = self.runtime.clock.now()
        had = self.deadline - self.journey.started
        return replace(
            self,
            journey=Journey(now),
            streamed=False,
            deadline=now + min(had, BEHIND),
            attempt=1,
            attempt_ends=INFINITE,
            trace=None if self.trace is None else self.trace.behind(),
        )

    @property
    def time_left(self) -> float:
        """Seconds until the deadline; negative once it has passed, infinite without one."""
        return self.deadline - self.runtime.clock.now()

    def record(self, event: Event) -> None:
        """Put ``event`` into the journey and tell whoever listens."""
        self.journey.timeline.append((self.runtime.clock.now(), event))
        if self.record_to is not None:
            self.record_to(event)

    def tell(self, event: Event) -> None:
        """Tell whoever listens, of what is no part of the journey: the call may be over."""
        if self.record_to is not None:
            self.record_to(event)

    def failure_of(self, error: BaseException) -> Failure:
        """What ``error`` means."""
        return failure_of(error, self.library.failures)

    async def discard(self, response: Response) -> None:
        """Close a response that is not handed on, so that its connection is free again."""
        await self.runtime.close(self.library.body(response))


class Host:
    """What is known of one origin under one policy entry: circuit, budget, limits.

    Attributes:
        route: the pattern of the entry.
        origin: scheme, host and port.
    """

    __slots__ = ("_learned", "_lock", "origin", "route")

    def __init__(self, route: str, origin: str) -> None:
        self.route = route
        self.origin = origin
        self._learned: dict[type, Any] = {}
        self._lock = fork_safe_lock()

    def learned(self, kind: type[T], make: Callable[[], T]) -> T:
        """The one object of ``kind`` that belongs to this host, made at its first use."""
        found: T | None = self._learned.get(kind)
        if found is not None:
            return found
        with self._lock:
            made: T = self._learned.setdefault(kind, make())
            return made

    def known(self, kind: type[T]) -> T | None:
        """The object of ``kind``, if there is one yet."""
        found: T | None = self._learned.get(kind)
        return found

    def everything(self) -> list[Any]:
        """All that was learned, in the order in which it was."""
        return list(self._learned.values())


Sender: TypeAlias = Callable[[Any], Coroutine[Any, Any, Response]]
Handler: TypeAlias = Callable[[Call], Coroutine[Any, Any, Response]]


class Middleware(Protocol):
    """A stage of a pipeline: does its work around ``proceed``, the rest of the pipeline.

    It is frozen and keeps no state; what it learns lives with ``call.host``. A plain ``async def`` with these
    two parameters is a middleware too. It awaits only ``call.runtime``, a store, and ``proceed``.
    """

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Answer ``call``, usually by what ``proceed`` answers."""
        ...
