"""The circuit of one origin: it lets calls pass until too many fail, and then only a probe now and then.

========= ============================================ =========
from      on                                           to
========= ============================================ =========
closed    a run of failures, or too many in the window open
open      the first call after the open period         half-open
half-open ``probes`` successes                         closed
half-open one failure; the open period doubles         open
any       :meth:`Circuit.isolate`                      isolated
any       :meth:`Circuit.close`                        closed
========= ============================================ =========
"""

from __future__ import annotations

import math
from collections.abc import Callable

from resilient.locks import fork_safe_lock
from resilient.mechanics.backoff import doubled
from resilient.mechanics.places import Places
from resilient.mechanics.terms import Cause, Change, Refusal, Rule, State, Ticket, Verdict
from resilient.mechanics.window import Window

__all__ = ["Cause", "Change", "Circuit", "Refusal", "Rule", "State", "Ticket", "Verdict"]

_ISOLATED = Refusal(math.inf)


class Circuit:
    """What is known of one origin. Every ticket should be settled once, with whatever verdict.

    The doubling of the open period starts again once the circuit has been closed for a whole ``Rule.window``,
    the span by which it judges: an origin that fails again before that had not recovered.

    Args:
        random: draws from [0, 1), for the jitter.
    """

    __slots__ = (
        "_closed_at",
        "_generation",
        "_half_open",
        "_lock",
        "_pass",
        "_probes",
        "_random",
        "_relapses",
        "_run",
        "_succeeded",
        "_until",
        "_window",
    )

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._lock = fork_safe_lock()
        self._generation = 0
        self._window = Window()
        self._run = 0
        self._closed_at = -math.inf
        self._until = -math.inf
        self._half_open = False
        self._relapses = 0  # openings in a row without a recovery between them
        self._succeeded = 0
        self._probes = Places()
        # What every call gets while the circuit is closed, and None while it is not.
        self._pass: tuple[Ticket, None] | None = (Ticket(0), None)

    def admit(self, rule: Rule, now: float) -> tuple[Ticket | Refusal, Change | None]:
        """Ask to send one call at the instant ``now``; a change, if that made the circuit half-open."""
        if (everyone := self._pass) is not None:
            return everyone
        if now < (until := self._until):
            return (_ISOLATED if until == math.inf else Refusal(until - now)), None
        with self._lock:
            if self._pass is not None:
                return self._pass
            if now < self._until:
                return Refusal(self._until - now), None
            change = None if self._half_open else Change("half_open", "probe")
            self._half_open = True
            return self._probe(rule, now), change

    def settle(
        self, ticket: Ticket, rule: Rule, now: float, verdict: Verdict, *, asked: float | None = None
    ) -> Change | None:
        """Say how the call with this ``ticket`` ended; a change, if that opened or closed the circuit.

        What belongs to the same call but goes wrong later, as a body may, is settled once more. Outcomes of
        calls that began before the circuit last opened change nothing.

        Args:
            ticket: as given by :meth:`admit`.
            rule: as it is now.
            now: the instant of the outcome.
            verdict: what it says about the origin.
            asked: seconds for which the origin wants to be left alone; an open period that begins now is no
                shorter, unless that is more than ``max_open``.
        """
        if verdict is Verdict.NEUTRAL:
            # No lock: the garbage collector may settle an abandoned call in the midst of this very class.
            self._probes.leave(ticket.place)
            return None
        with self._lock:
            if ticket.generation != self._generation:
                return None
            if self._half_open:
                return self._judge(ticket, rule, now, verdict, asked)
            if verdict is Verdict.OK:
                self._run = 0
                self._window.ok(rule.window, now)
                return None
            cause = self._broken(rule, now, verdict)
            return None if cause is None else self._trip(rule, now, cause, asked)

    def isolate(self) -> Change:
        """Refuse every call until :meth:`close`."""
        with self._lock:
            self._shut(math.inf)
            return Change("open", "manual", math.inf)

    def close(self) -> Change | None:
        """Let calls pass, and forget what was held against the origin; None if it is closed already."""
        with self._lock:
            if self._pass is not None:
                return None
            self._admit_all(-math.inf)  # for ever, so to speak: the next open period is the first one again
            return Change("closed", "manual")

    def state(self, now: float) -> State:
        """Half-open as soon as the next call would be a probe, even if none came yet."""
        if self._pass is not None:
            return "closed"
        if (until := self._until) == math.inf:
            return "isolated"
        return "open" if now < until else "half_open"

    @property
    def is_closed(self) -> bool:
        """Whether every call passes."""
        return self._pass is not None

    def is_open(self, now: float) -> bool:
        """Whether every call is refused, by the rule or by hand."""
        return self._pass is None and now < self._until

    def snapshot(self, now: float) -> dict[str, object]:
        """For pages and tests: the state, what is held against the origin, and seconds until a probe."""
        with self._lock:
            calls, failed, slow = self._window.figures(now)
            return {
                "state": self.state(now),
                "run": self._run,
                "calls": calls,
                "failures": failed,
                "slow": slow,
                "retry_in": max(0.0, self._until - now),
                "probes": len(self._probes),
                "openings": self._generation,
            }

    def _probe(self, rule: Rule, now: float) -> Ticket | Refusal:
        place = self._probes.take(max(1, rule.probes - self._succeeded), rule.lease, now)
        if place:
            return Ticket(self._generation, True, place)
        return Refusal(min(rule.open_for, self._probes.next_free(rule.lease, now)))

    def _judge(self, ticket: Ticket, rule: Rule, now: float, verdict: Verdict, asked: float | None) -> Change | None:
        """Weigh the outcome of a probe, also of one that lost its place: an origin may take that long."""
        self._probes.leave(ticket.place)
        if verdict is not Verdict.OK:
            return self._trip(rule, now, "probe", asked)
        self._succeeded += 1
        if self._succeeded < rule.probes:
            return None
        self._admit_all(now)
        return Change("closed", "probe")

    def _broken(self, rule: Rule, now: float, verdict: Verdict) -> Cause | None:
        """Count a failure; which rule it breaks. A success never does, even if it fills up ``min_calls``."""
        slow = verdict is Verdict.SLOW
        calls, failed, slow_calls = self._window.failed(rule.window, now, slow=slow)
        if verdict is Verdict.FAILED:
            self._run += 1
            if self._run >= rule.failures:
                return "run"
        elif slow:
            self._run = 0
        if calls < rule.min_calls or failed < rule.ratio * calls:
            return None
        return "ratio" if failed - slow_calls >= rule.ratio * calls else "slow"

    def _trip(self, rule: Rule, now: float, cause: Cause, asked: float | None) -> Change:
        if not self._half_open and now - self._closed_at >= rule.window:
            self._relapses = 0
        self._relapses += 1
        jitter = rule.jitter * self._random()
        period = doubled(self._relapses, base=rule.open_for, cap=rule.max_open) * (1 - jitter)
        if asked is not None:
            # Whoever was told the same instant comes a little later than it, and not all at once.
            period = max(period, min(rule.max_open, asked * (1 + jitter)))
        # Whole nanoseconds: whoever waits for exactly as long as a refusal says must not come a rounding error early.
        self._shut(round(now + period, 9))
        return Change("open", cause, period)

    def _shut(self, until: float) -> None:
        self._generation += 1
        self._half_open = False
        self._probes.clear()
        self._succeeded = 0
        self._until = until
        self._pass = None

    def _admit_all(self, now: float) -> None:
        self._closed_at = now
        self._half_open = False
        self._probes.clear()
        self._run = 0
        self._window.forget()
        self._until = -math.inf
        self._pass = (Ticket(self._generation), None)
