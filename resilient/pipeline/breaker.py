"""No calls to an origin that does not do its work."""

from __future__ import annotations

import random

from resilient.call import Call, Handler, Host
from resilient.errors import DeadlineExceededError
from resilient.events import AttemptEnded
from resilient.mechanics.breaker import Breaker, Passage
from resilient.mechanics.circuit import Circuit, Verdict
from resilient.mechanics.retry_after import retry_after
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status, is_throttled_status
from resilient.settings import settings

_BLAMELESS = frozenset(Failure) - {Failure.UNSENT, Failure.TIMEOUT, Failure.BROKEN}
"""Failures that say nothing about the origin; a certificate that is refused here and a proxy's refusal are our own
configuration's."""


@settings
class CircuitBreaker(Breaker):
    """Refuse calls to an origin after too many failures, and let a probe through now and then.

    Failures are answers of 500 and above, timeouts, and connections that fail or break. An answer of 429 and a
    slow one count for the ratio, but not for the run. Refusals by a policy or a proxy, a certificate that is not
    trusted, the caller's own cancellation and answers of 4xx are none.

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

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Let the call pass, or refuse it; learn from how it ended."""
        clock, slow = call.runtime.clock, self.rule.slow
        since = len(call.journey.timeline)
        passage = self.admit(circuit_of(call.host), call.host.origin, clock.now, call.record)
        if passage is None:
            return await proceed(call)
        try:
            response = await proceed(call)
        except BaseException as error:
            passage.settle(Verdict.NEUTRAL if _is_blameless(call, error) else Verdict.FAILED)
            raise
        status = response.status_code
        if is_failed_status(status) or is_throttled_status(status):
            asked = retry_after(response.headers.get, status, clock.wall())
            passage.settle(Verdict.THROTTLED if is_throttled_status(status) else Verdict.FAILED, asked)
        elif slow is not None and _seconds_sent(call, since) > slow:
            passage.settle(Verdict.SLOW)
        else:
            passage.settle(Verdict.OK)
        if call.streamed:
            call.library.body(response).watch(_Streamed(call, passage))
        return response


class _Streamed:
    """The body of a streamed answer, which may break after good headers."""

    __slots__ = ("_call", "_passage")

    def __init__(self, call: Call, passage: Passage) -> None:
        self._call = call
        self._passage = passage

    def chunk(self, data: bytes) -> None:
        """A piece of the body proves nothing yet."""

    async def ended(self, complete: bool, error: BaseException | None) -> None:
        """A body that breaks is a failure of its own, after headers that were none."""
        if not complete and error is not None and not _is_blameless(self._call, error):
            self._passage.settle(Verdict.FAILED)


def _is_blameless(call: Call, error: BaseException) -> bool:
    if isinstance(error, DeadlineExceededError):
        return not error.asked
    return call.failure_of(error) in _BLAMELESS


def _seconds_sent(call: Call, since: int) -> float:
    """How long the origin took: the call's own waits, for a rate limit for one, are not its fault."""
    events = [event for _, event in call.journey.timeline[since:] if isinstance(event, AttemptEnded)]
    return max((event.seconds for event in events if event.number == call.attempt), default=0.0)


def circuit_of(host: Host) -> Circuit:
    """The circuit of an origin."""
    return host.learned(Circuit, _closed)


def _closed() -> Circuit:
    return Circuit(random.random)
