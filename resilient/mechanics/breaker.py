"""The breaker of a circuit: its options, and one call on its way through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TypedDict

from resilient.checks import need
from resilient.durations import Duration, seconds_of, shown
from resilient.errors import CircuitOpenError
from resilient.events import CircuitClosed, CircuitHalfOpened, CircuitOpened, Event, Rejected
from resilient.mechanics.circuit import Change, Circuit, Refusal, Rule, Ticket, Verdict
from resilient.settings import settings


class BreakerOptions(TypedDict, total=False):
    """The options of :class:`Breaker`."""

    failures: int
    ratio: float
    min_calls: int
    window: Duration
    open_for: Duration
    max_open: Duration
    probes: int
    slow: Duration | None
    observe_only: bool


@settings
class Breaker:
    """When a circuit refuses calls, whatever it is that is called.

    Args:
        failures: so many in a row open the circuit.
        ratio: this share of the calls in the window opens it ...
        min_calls: ... if there were at least so many.
        window: how far back the ratio looks.
        open_for: the first open period; each one that did not help is followed by one twice as long.
        max_open: the longest open period.
        probes: how many calls are let through at once after it, and how many must succeed to close the circuit.
        slow: what takes longer than this counts as slow; nothing does if not given.
        observe_only: tell what would happen, and refuse nothing.

    Raises:
        ConfigurationError: an option has a wrong value.
    """

    failures: int = 10
    ratio: float = 0.5
    min_calls: int = 20
    window: Duration = 10.0
    open_for: Duration = 1.0
    max_open: Duration = 30.0
    probes: int = 1
    slow: Duration | None = None
    observe_only: bool = False
    rule: Rule = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rule = Rule(
            failures=self.failures,
            ratio=self.ratio,
            min_calls=self.min_calls,
            window=seconds_of(self.window, option="window"),
            open_for=seconds_of(self.open_for, option="open_for"),
            max_open=seconds_of(self.max_open, option="max_open"),
            probes=self.probes,
            slow=None if self.slow is None else seconds_of(self.slow, option="slow"),
        )
        need(isinstance(self.observe_only, bool), "observe_only", self.observe_only, "True or False")
        object.__setattr__(self, "rule", rule)

    def __str__(self) -> str:
        rule = self.rule
        ratio = f"{rule.ratio * 100:g} % of at least {rule.min_calls} calls in {shown(rule.window)}"
        slow = "" if rule.slow is None else f", slow above {shown(rule.slow)}"
        periods = f"opens for {shown(rule.open_for)}, doubling to {shown(rule.max_open)}"
        watches = "; only watches" if self.observe_only else ""
        return f"{rule.failures} failures in a row, or {ratio}{slow}; {periods}{watches}"

    def admit(
        self, circuit: Circuit, name: str, now: Callable[[], float], record: Callable[[Event], None]
    ) -> Passage | None:
        """Let a call pass; None if it passes only because the breaker just observes.

        Args:
            circuit: what is known of that which is called.
            name: what the circuit is called in events and errors.
            now: reads the clock.
            record: is told of each change, and of a refusal.

        Raises:
            CircuitOpenError: the circuit is open.
        """
        ticket, change = circuit.admit(self.rule, now())
        if change is not None:
            record(_event(change, name))
        if isinstance(ticket, Refusal):
            record(Rejected(by="circuit", origin=name, retry_in=ticket.retry_in))
            if not self.observe_only:
                raise CircuitOpenError(name, ticket.retry_in)
            return None
        return Passage(self.rule, circuit, ticket, name, now, record)


class Passage:
    """One call that the circuit let through. It should be settled, and may be once more if it breaks later."""

    __slots__ = ("_circuit", "_name", "_now", "_record", "_rule", "_ticket")

    def __init__(
        self,
        rule: Rule,
        circuit: Circuit,
        ticket: Ticket,
        name: str,
        now: Callable[[], float],
        record: Callable[[Event], None],
    ) -> None:
        self._rule = rule
        self._circuit = circuit
        self._ticket = ticket
        self._name = name
        self._now = now
        self._record = record

    def settle(self, verdict: Verdict, asked: float | None = None) -> None:
        """Tell the circuit how it ended; ``asked`` as in :meth:`resilient.mechanics.circuit.Circuit.settle`."""
        change = self._circuit.settle(self._ticket, self._rule, self._now(), verdict, asked=asked)
        if change is not None:
            self._record(_event(change, self._name))


def _event(change: Change, circuit: str) -> Event:
    if change.to == "open":
        return CircuitOpened(circuit=circuit, open_for=change.open_for, cause=change.cause)
    return CircuitHalfOpened(circuit=circuit) if change.to == "half_open" else CircuitClosed(circuit=circuit)
