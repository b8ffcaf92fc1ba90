"""What happened to one call, told from its events."""

from __future__ import annotations

from typing import TypeVar

from resilient.events import AttemptEnded, CacheLookup, CircuitOpened, Event, FellBack, Rejected, Retried, TimedOut

E = TypeVar("E", bound=Event)


class Journey:
    """What happened to one call; found in ``response.extensions["resilient"]`` and on errors.

    Attributes:
        route: the pattern of the policy that applied last, or the route named in the request's options.
        started: when the call began, on the monotonic clock.
        ended: when the caller got its answer, None until then.
        timeline: every event with the instant at which it happened.
    """

    __slots__ = ("ended", "route", "started", "timeline")

    def __init__(self, started: float) -> None:
        self.route = ""
        self.started = started
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
    def seconds(self) -> float | None:
        """How long the call took, None until it has ended."""
        return None if self.ended is None else self.ended - self.started

    def __repr__(self) -> str:
        return f"<Journey {self.route!r}: {len(self.attempts)} attempts>"

    def __str__(self) -> str:
        """The journey line by line: seconds since the start, and what happened."""
        lines = [f"{at - self.started:8.3f} s  {describe(event)}" for at, event in self.timeline]
        total = "" if self.seconds is None else f", {self.seconds:.3f} s"
        return "\n".join([f"route {self.route!r}: {len(self.attempts)} attempts{total}", *lines])


def describe(event: Event) -> str:
    """One event as a short line for people."""
    match event:
        case AttemptEnded(number=number, status=int(status), seconds=seconds):
            return f"attempt {number} answered {status} in {seconds:.3f} s"
        case AttemptEnded(number=number, failure=failure, seconds=seconds) if failure is not None:
            return f"attempt {number} failed ({failure.value}) after {seconds:.3f} s"
        case Retried(attempt=attempt, reason=reason, delay=delay, asked=asked):
            wish = "" if asked is None else f"; the origin asked for {asked:g} s"
            return f"attempt {attempt} counts as failed ({reason}); again in {delay:.3f} s{wish}"
        case TimedOut(what=what, timeout=timeout):
            return f"{what} over after {timeout:g} s"
        case FellBack(to=to, reason=reason):
            return f"fallback to a {to} in place of {reason}"
        case _:
            pass
    fields = ", ".join(f"{field}={_shown(getattr(event, field))}" for field in event.__dataclass_fields__)
    return f"{event.name.removeprefix('resilient.')}: {fields}"


def _shown(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.3f}"
    return getattr(value, "value", value)
