"""Whose events there are, who wants to hear of them, and who follows what is under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias

from msgspec import Struct

from resilient.events import CacheLookup, Event
from resilient.journey import Journey
from resilient.messages import URL, Request, Response
from resilient.outcome import Failure, Outcome


class Source(Struct, frozen=True):
    """Whose events they are.

    Attributes:
        kind: a client's or a cache's.
        name: its name.
        route: the pattern of the policy that applies to the call, or the route named in its request's options; empty
            for a cache, and for what belongs to no call.
    """

    kind: Literal["client", "cache"] = "client"
    name: str = ""
    route: str = ""


class Telemetry(Protocol):
    """Somebody who wants to know."""

    def record(self, event: Event) -> None:
        """Called for every event, on the thread where it happens; must not block."""
        ...


class SourcedTelemetry(Telemetry, Protocol):
    """Somebody who wants to know whose events they are."""

    def of(self, source: Source) -> Callable[[Event], object]:
        """What is called for the events of ``source``, in place of ``record``; asked for once a source."""
        ...


class AttemptTrace(Protocol):
    """One request on the wire, as it is followed; inside of its ``with`` block it is what everything belongs to."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Fields that go with the request, so that the origin can follow it too."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    def answered(self, response: Response) -> None:
        """The header fields of its answer have come."""
        ...

    def failed(self, error: BaseException, failure: Failure) -> None:
        """There was no answer, or its body broke."""
        ...


class Trace(Protocol):
    """Work under way, as it is followed; inside of its ``with`` block it is what everything belongs to.

    It begins when that is entered first.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    @property
    def mark(self) -> bytes:
        """What others may point at; empty if nobody could follow it."""
        ...

    def points(self, why: Literal["collapsed_into", "filled_by"], mark: bytes) -> None:
        """What it gives is what another one has made, which is that of ``mark``."""
        ...


class CallTrace(Trace, Protocol):
    """One call of a client."""

    def attempt(self, request: Request, number: int) -> AttemptTrace:
        """A request that is about to be sent.

        Args:
            request: the request.
            number: of the attempt, from 1, in its pass through the pipeline.
        """
        ...

    def behind(self) -> CallTrace:
        """Another call, in the background, that this one causes."""
        ...

    def ended(self, journey: Journey, outcome: Outcome, status: int | None, error: BaseException | None) -> None:
        """It is over.

        Args:
            journey: what happened.
            outcome: how the caller sees it.
            status: the answer's, None without one.
            error: what was raised, None with an answer.
        """
        ...


class FunctionTrace(Trace, Protocol):
    """One call of a function whose results are kept."""

    def behind(self) -> FunctionTrace:
        """Another call of it, in the background, that this one causes."""
        ...

    def ended(self, lookup: CacheLookup | None, outcome: Outcome, error: BaseException | None) -> None:
        """It is over.

        Args:
            lookup: what the cache said, None if it was not asked.
            outcome: how the caller sees it.
            error: what was raised, None with a result.
        """
        ...


class Tracer(Protocol):
    """Somebody who follows calls; what is given as telemetry and has a method ``begin`` is one."""

    def begin(self, source: Source, method: str, url: URL, named: str | None) -> CallTrace | None:
        """A call of a client; None if it is not followed.

        Args:
            source: whose call it is.
            method: of its request.
            url: of its request.
            named: the route that its options name.
        """
        ...

    def begin_function(self, source: Source, function: str, store: str) -> FunctionTrace | None:
        """A call of a function whose results are kept; None if it is not followed.

        Args:
            source: whose cache it is.
            function: the function's module and qualified name.
            store: the name of the store where they are kept.
        """
        ...

    def mark(self) -> bytes:
        """What one would point at from here; empty if there is nothing."""
        ...


Sink: TypeAlias = Telemetry | Callable[[Event], object]
"""What may be given as telemetry."""
