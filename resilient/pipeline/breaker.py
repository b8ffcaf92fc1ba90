"""No calls to an origin that does not do its work."""

from __future__ import annotations

import random
from dataclasses import field

from resilient.call import Call, Handler, Host
from resilient.checks import need
from resilient.durations import Duration, seconds_of, shown
from resilient.errors import CircuitOpenError, DeadlineExceededError
from resilient.events import CircuitClosed, CircuitHalfOpened, CircuitOpened, Rejected
from resilient.mechanics.circuit import Change, Circuit, Refusal, Rule, Ticket, Verdict
from resilient.mechanics.retry_after import retry_after
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status, is_throttled_status
from resilient.settings import settings

_BLAMELESS = (Failure.REJECTED, Failure.CANCELLED, Failure.POOL, Failure.INVALID, Failure.OTHER)
"""Failures that say nothing about the origin."""


@settings
class CircuitBreaker:
    """Refuse calls to an origin after too many failures, and let a probe through now and then.

    Failures are answers of 500 and above, timeouts, and connections that fail or break. An answer of 429 and a
    slow one count for the ratio, but not for the run. Refusals by a policy, the caller's own cancellation and
    answers of 4xx are none.

    Args:
        failures: so many in a row open the circuit.
        ratio: this share of the calls in the window opens it ...
        min_calls: ... if there were at least so many.
        window: how far back the ratio looks.
        open_for: the first open period; each one that did not help is followed by one twice as long.
        max_open: the longest open period.
        probes: how many calls are let through at once after it, and how many must succeed to close the circuit.
        slow: an answer that takes longer than this counts as slow; none does if not given.
        observe_only: tell what would happen, and refuse nothing.

    Raises:
        CircuitOpenError: the circuit is open; nothing was sent.
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

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Let the call pass, or refuse it; learn from how it ended."""
        circuit = circuit_of(call.host)
        clock = call.runtime.clock
        began = clock.now()
        ticket, change = circuit.admit(self.rule, began)
        if change is not None:
            _tell(call, change)
        if isinstance(ticket, Refusal):
            call.record(Rejected(by="circuit", origin=call.host.origin, retry_in=ticket.retry_in))
            if not self.observe_only:
                raise CircuitOpenError(call.host.origin, ticket.retry_in)
            return await proceed(call)
        settled = _Settled(self.rule, call, circuit, ticket)
        try:
            response = await proceed(call)
        except BaseException as error:
            settled.by(Verdict.NEUTRAL if _is_blameless(call, error) else Verdict.FAILED)
            raise
        status = response.status_code
        if is_failed_status(status) or is_throttled_status(status):
            asked = retry_after(response.headers.get, status, clock.wall())
            settled.by(Verdict.THROTTLED if is_throttled_status(status) else Verdict.FAILED, asked)
        elif self.rule.slow is not None and clock.now() - began > self.rule.slow:
            settled.by(Verdict.SLOW)
        else:
            settled.by(Verdict.OK)
        if call.streamed:
            call.library.body(response).watch(settled)
        return response


class _Settled:
    """How one call ended, and how its streamed body ended after it."""

    __slots__ = ("_call", "_circuit", "_rule", "_ticket")

    def __init__(self, rule: Rule, call: Call, circuit: Circuit, ticket: Ticket) -> None:
        self._rule = rule
        self._call = call
        self._circuit = circuit
        self._ticket = ticket

    def by(self, verdict: Verdict, asked: float | None = None) -> None:
        """Tell the circuit."""
        now = self._call.runtime.clock.now()
        change = self._circuit.settle(self._ticket, self._rule, now, verdict, asked=asked)
        if change is not None:
            _tell(self._call, change)

    def chunk(self, data: bytes) -> None:
        """A piece of the body proves nothing yet."""

    async def ended(self, complete: bool, error: BaseException | None) -> None:
        """A body that breaks is a failure of its own, after headers that were none."""
        if not complete and error is not None and not _is_blameless(self._call, error):
            self.by(Verdict.FAILED)


def _is_blameless(call: Call, error: BaseException) -> bool:
    if isinstance(error, DeadlineExceededError):
        return not error.asked
    return call.failure_of(error) in _BLAMELESS


def circuit_of(host: Host) -> Circuit:
    """The circuit of an origin."""
    return host.learned(Circuit, _closed)


def _closed() -> Circuit:
    return Circuit(random.random)


def _tell(call: Call, change: Change) -> None:
    circuit = call.host.origin
    if change.to == "open":
        call.record(CircuitOpened(circuit=circuit, open_for=change.open_for, cause=change.cause))
    elif change.to == "half_open":
        call.record(CircuitHalfOpened(circuit=circuit))
    else:
        call.record(CircuitClosed(circuit=circuit))
