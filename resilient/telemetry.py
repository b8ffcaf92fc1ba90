"""Whose events there are, and who wants to hear of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from resilient.events import Event


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


Sink: TypeAlias = Telemetry | Callable[[Event], object]
"""What may be given as telemetry."""
