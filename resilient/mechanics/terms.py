"""The terms in which one speaks with a circuit: its rule, verdicts on calls, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

from resilient.checks import is_count, is_number, need

State: TypeAlias = Literal["closed", "open", "half_open", "isolated"]
Cause: TypeAlias = Literal["run", "ratio", "slow", "probe", "manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a circuit opens and for how long; times in seconds.

    Attributes:
        failures: so many in a row open it.
        ratio: this part of the calls in the window opens it.
        min_calls: calls that the window must hold before ``ratio`` says anything.
        window: what ``ratio`` looks back on.
        open_for: the first open period; it doubles each time that the origin has not recovered.
        max_open: the longest one, whatever the origin asks for.
        probes: calls that may go at once while it is half-open, and so many must succeed to close it.
        slow: an answer that takes longer counts as a failure in ``ratio``; None: none does.
        jitter: an open period is shortened by up to this part, so that many processes do not probe in step.
        lease: after so long, a probe that was never heard of again gives up its place.
    """

    failures: int = 10
    ratio: float = 0.5
    min_calls: int = 20
    window: float = 10.0
    open_for: float = 1.0
    max_open: float = 30.0
    probes: int = 1
    slow: float | None = None
    jitter: float = 0.1
    lease: float = 30.0

    def __post_init__(self) -> None:
        for option in ("failures", "min_calls", "probes"):
            count = getattr(self, option)
            need(is_count(count), option, count, "a whole number of at least 1")
        for option in ("window", "open_for", "max_open", "lease"):
            span = getattr(self, option)
            need(is_number(span) and span > 0, option, span, "seconds above zero")
        slow, ratio, jitter = self.slow, self.ratio, self.jitter
        need(slow is None or (is_number(slow) and slow > 0), "slow", slow, "seconds above zero, or None")
        need(is_number(ratio) and 0 < ratio <= 1, "ratio", ratio, "a part above 0 and at most 1")
        need(is_number(jitter) and 0 <= jitter < 1, "jitter", jitter, "a part from 0 to below 1")
        least = f"open_for={self.open_for!r} at least"
        need(self.max_open >= self.open_for, "max_open", self.max_open, least)


class Verdict(Enum):
    """What an outcome says about the origin."""

    OK = "ok"
    """It answered; an answer that blames the request (4xx) is as good as any."""
    FAILED = "failed"
    """It did not do its work."""
    THROTTLED = "throttled"
    """It asks for fewer requests: counts in the ratio, and neither prolongs nor ends a run of failures."""
    SLOW = "slow"
    """It answered, but later than ``Rule.slow``: counts in the ratio, and ends a run of failures."""
    NEUTRAL = "neutral"
    """Nothing: nothing was sent, or the caller gave up."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to send one call.

    Attributes:
        generation: how often the circuit had opened; a later opening makes the outcome worthless.
        probe: whether its outcome decides on a half-open circuit.
        place: which place a probe took; 0 for an ordinary call.
    """

    generation: int
    probe: bool = False
    place: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """No leave.

    Attributes:
        retry_in: seconds until the next probe; infinite when isolated. While probes are under way nobody
            knows, and it is ``Rule.open_for`` at most.
    """

    retry_in: float


@dataclass(frozen=True, slots=True)
class Change:
    """The circuit went from one state to another.

    Attributes:
        to: the new state; an isolated circuit is an open one.
        cause: which rule opened it, ``probe`` for what a probe began or decided, or ``manual``.
        open_for: seconds until the next probe, 0 unless it opened.
    """

    to: Literal["open", "half_open", "closed"]
    cause: Cause
    open_for: float = 0.0
