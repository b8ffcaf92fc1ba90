"""Another attempt, where one can help and does no harm."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from resilient.call import Call, Handler
from resilient.checks import are_all, is_count, need
from resilient.durations import Duration, shown
from resilient.errors import ConfigurationError, DeadlineExceededError
from resilient.events import Retried, RetryExhausted, RetryStop
from resilient.exchange import MINIMUM_LEFT
from resilient.mechanics.backoff import decorrelated, full_jitter
from resilient.mechanics.budget import Budget, Tokens
from resilient.mechanics.retry_after import retry_after
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status, is_throttled_status
from resilient.pausing import note_pause, pause_left, wait_out_pause
from resilient.settings import put_seconds, settings

if TYPE_CHECKING:
    from tenacity import RetryCallState

Asked: TypeAlias = "Callable[[RetryCallState], Any]"
"""An object of tenacity's vocabulary, such as ``stop_after_delay(5)`` or ``wait_fixed(1) + wait_random(0, 1)``."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be repeated (RFC 9110 section 9.2.2), less TRACE, which no client needs."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
"""Answers after which another attempt may do better."""
TOO_EARLY = 425
"""The origin did not process the request (RFC 8470 section 5.2)."""
THROTTLED_BASE = 1.0
"""Seconds; the base of the back-off after an answer that asked for fewer requests."""
DRAINED = 64 * 1024
"""Bytes that are read of an answer that is given up."""

_MEANINGS = (Failure.UNSENT, Failure.POOL, Failure.TIMEOUT, Failure.BROKEN)
_UNSENT = (Failure.UNSENT, Failure.POOL)


@settings
class Retry:
    """Make a failed attempt again, a few times, later each time, and as long as the host's budget lasts.

    Retried are answers that may be better next time and failures of the connection, for methods that may be
    repeated; whatever the method, requests that provably were not sent. A body that cannot be sent twice is never
    retried. The last answer is returned, or the last error raised, as it is, with a note.

    Args:
        max_attempts: how many attempts in all; 3, or no limit if ``stop`` is given alone.
        methods: which may be repeated. A request with an Idempotency-Key may be too, whatever its method.
        statuses: which answers count as failed. 500 is retried for safe methods in any case.
        base: of the exponential back-off, seconds; 1 s after an answer of 429.
        cap: the longest wait, seconds. An origin that asks for a longer one is not asked again.
        jitter: how waits are spread: ``full``, or ``decorrelated``.
        stop: a tenacity ``stop``: no further attempt once it says so.
        wait: a tenacity ``wait``, in place of the back-off.
        retry: a tenacity ``retry``: which answers and errors count as failed, in place of ``statuses`` and the
            failures of the connection. What may be repeated is still decided as above.

    Raises:
        ConfigurationError: an option has a wrong value.
    """

    max_attempts: int | None = None
    methods: Collection[str] = field(default=IDEMPOTENT)
    statuses: Collection[int] = field(default=TRANSIENT)
    base: Duration = 0.05
    cap: Duration = 20.0
    jitter: Literal["full", "decorrelated"] = "full"
    stop: Asked | None = None
    wait: Asked | None = None
    retry: Asked | None = None

    def __post_init__(self) -> None:
        if self.max_attempts is None and self.stop is None:
            object.__setattr__(self, "max_attempts", 3)
        if self.max_attempts is not None:
            need(is_count(self.max_attempts), "max_attempts", self.max_attempts, "a whole number of at least 1")
        put_seconds(self, base=self.base, cap=self.cap)
        if self.jitter not in ("full", "decorrelated"):
            raise ConfigurationError(f"jitter={self.jitter!r} is not right; give 'full' or 'decorrelated'")
        methods, statuses = self.methods, self.statuses
        need(not isinstance(methods, str) and are_all(str, methods), "methods", methods, "a set such as {'POST'}")
        need(are_all(int, statuses), "statuses", statuses, "a set such as {429, 503}")
        object.__setattr__(self, "methods", frozenset(method.upper() for method in self.methods))
        object.__setattr__(self, "statuses", frozenset(self.statuses))
        for name in ("stop", "wait", "retry"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ConfigurationError(f"{name}={value!r} is not right; give tenacity's {name}_... objects")

    def __str__(self) -> str:
        most = "attempts" if self.max_attempts is None else f"at most {self.max_attempts} attempts"
        said = [f"{most} of {' '.join(sorted(self.methods))}"]
        if self.statuses != TRANSIENT:
            said.append(f"after {' '.join(map(str, sorted(self.statuses)))}")
        if self.wait is None:
            said.append(f"{shown(self.base)} to {shown(self.cap)} apart")  # type: ignore[arg-type] # parsed
        said += [f"{name} {getattr(self, name)!r}" for name in ("stop", "wait", "retry") if getattr(self, name)]
        return ", ".join(said)

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """The first attempt in plain code; everything else only after it failed."""
        outcome: Response | Exception
        if pause_left(call):
            await wait_out_pause(call)
        try:
            response = await proceed(call)
        except Exception as error:  # noqa: BLE001 - raised again unless another attempt may help
            outcome = error
        else:
            note_pause(call, response)
            if self.retry is None and response.status_code < 400 and response.status_code not in self.statuses:
                _succeed(call, 0.0)
                return response
            outcome = response
        return await _Retrying(self, call, proceed).finish(outcome)


class _Retrying:
    """The further attempts of one call."""

    def __init__(self, rule: Retry, call: Call, proceed: Handler) -> None:
        self._rule = rule
        self._call = call
        self._proceed = proceed
        self._number = 1
        self._waited = 0.0
        self._delay = 0.0
        self._spent = 0.0

    async def finish(self, outcome: Response | Exception) -> Response:
        """Attempt again until it goes well or must not go on."""
        call = self._call
        while True:
            reason = self._failed(outcome)
            if reason is None:
                return self._ended(outcome, good=True)
            asked = self._asked(outcome)
            delay = self._next_delay(outcome, asked)
            stop = self._forbidden(outcome, asked, delay)
            if stop is not None:
                call.record(RetryExhausted(attempts=self._number, reason=reason, stop=stop, retry_after=asked))
                return self._ended(outcome, good=False)
            call.record(Retried(attempt=self._number, reason=reason, delay=delay, asked=asked))
            outcome = await self._again(outcome, delay)

    async def _again(self, last: Response | Exception, delay: float) -> Response | Exception:
        """Back off and attempt once more; what was paid for an attempt that is never sent is given back."""
        call = self._call
        self._number += 1
        sent = False
        try:
            await self._back_off(last, delay)
            await wait_out_pause(call)
            sent = True
            response = await self._proceed(call.attempted(self._number))
        except Exception as error:
            if call.failure_of(error) is not Failure.REJECTED:
                return error
            sent = False
            error.add_note(f"it refused attempt {self._number}; {_told(last)}")
            raise
        finally:
            if not sent:
                self._take_back()
        note_pause(call, response)
        return response

    def _failed(self, outcome: Response | Exception) -> str | None:
        """Why ``outcome`` counts as failed, None if it does not."""
        call, rule = self._call, self._rule
        if isinstance(outcome, Exception):
            meaning = call.failure_of(outcome)
            if isinstance(outcome, DeadlineExceededError):
                return "deadline"
            if meaning is Failure.REJECTED:
                return None
            failed = meaning in _MEANINGS if rule.retry is None else self._says(rule.retry, outcome)
            return meaning.value if failed else None
        status = outcome.status_code
        if rule.retry is not None:
            return _word(status) if self._says(rule.retry, outcome) else None
        safe_500 = status == 500 and call.request.method in SAFE
        return _word(status) if status in rule.statuses or safe_500 else None

    def _forbidden(self, outcome: Response | Exception, asked: float | None, delay: float) -> RetryStop | None:
        """What forbids another attempt, None if nothing does; pays for it if nothing does."""
        call, rule = self._call, self._rule
        if isinstance(outcome, DeadlineExceededError):
            return "deadline"
        if rule.max_attempts is not None and self._number >= rule.max_attempts:
            return "limit"
        if rule.stop is not None and self._says(rule.stop, outcome, delay):
            return "limit"
        if not self._may_repeat(outcome):
            return "not_idempotent"
        if asked is not None and asked > rule.cap:  # type: ignore[operator] # seconds since the object was made
            return "retry_after"
        if delay + MINIMUM_LEFT > call.time_left:
            return "deadline" if asked is None else "retry_after"
        if not call.library.rewind(call.request):
            return "body_not_replayable"
        return None if self._pay(outcome) else "budget"

    def _may_repeat(self, outcome: Response | Exception) -> bool:
        call = self._call
        if isinstance(outcome, Exception):
            unsent = call.failure_of(outcome) in _UNSENT
        else:
            unsent = outcome.status_code == TOO_EARLY
        if unsent or call.options.idempotent is not None:
            return unsent or bool(call.options.idempotent)
        return call.request.method in self._rule.methods or "idempotency-key" in call.request.headers

    def _pay(self, outcome: Response | Exception) -> bool:
        budget = self._call.budget
        if budget is None:
            return True
        cost = budget.throttled_cost if _is_throttled(outcome) else budget.retry_cost
        now = self._call.runtime.clock.now()
        if not _tokens(self._call, budget).withdraw(budget, cost, now):
            return False
        self._spent = cost
        return True

    def _asked(self, outcome: Response | Exception) -> float | None:
        """Seconds that the origin asked for (RFC 9110 section 10.2.3), a pause for a spent quota included."""
        pause = pause_left(self._call)
        asked = None
        if not isinstance(outcome, Exception):
            asked = retry_after(outcome.headers.get, outcome.status_code, self._call.runtime.clock.wall())
        return max(pause, asked or 0.0) if pause else asked

    def _next_delay(self, outcome: Response | Exception, asked: float | None) -> float:
        rule, call = self._rule, self._call
        base = float(rule.base)  # type: ignore[arg-type] # seconds since the object was made
        cap = float(rule.cap)  # type: ignore[arg-type]
        if _is_throttled(outcome):
            base = max(base, THROTTLED_BASE)
        if asked is not None:
            # A little later than asked, so that those who were told the same do not come at once.
            return asked * (1 + 0.1 * random.random()) if asked * 1.1 + MINIMUM_LEFT <= call.time_left else asked
        if rule.wait is not None:
            return max(0.0, float(rule.wait(self._state(outcome))))
        if rule.jitter == "decorrelated":
            return decorrelated(self._delay, base=base, cap=cap, random=random.random)
        return full_jitter(self._number, base=base, cap=cap, random=random.random)

    def _says(self, asked: Asked, outcome: Response | Exception, delay: float = 0.0) -> bool:
        return bool(asked(self._state(outcome, delay)))

    def _state(self, outcome: Response | Exception, delay: float = 0.0) -> RetryCallState:
        """The attempt as tenacity's objects want to see it, by our clock."""
        from tenacity import Future, RetryCallState

        state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type] # unused
        state.start_time = self._call.journey.started
        state.attempt_number = self._number
        state.idle_for = self._waited
        state.upcoming_sleep = delay
        state.outcome_timestamp = self._call.runtime.clock.now()
        state.outcome = Future.construct(self._number, outcome, isinstance(outcome, Exception))
        return state

    async def _back_off(self, last: Response | Exception, delay: float) -> None:
        """Wait ``delay`` seconds; meanwhile read the rest of a failed answer, so that its connection is kept."""
        runtime = self._call.runtime
        ends = runtime.clock.now() + delay
        if not isinstance(last, Exception):
            body = self._call.library.body(last)
            if body.content is None and delay > 0:
                # How it fails is of no interest; it is closed in any case.
                with suppress(Exception):
                    await runtime.drain(body, DRAINED, ends)
            await runtime.close(body)
        await runtime.sleep(max(0.0, ends - runtime.clock.now()))
        self._delay, self._waited = delay, self._waited + delay

    def _take_back(self) -> None:
        call = self._call
        if call.budget is not None:
            _tokens(call, call.budget).refund(call.budget, self._spent, call.runtime.clock.now())

    def _ended(self, outcome: Response | Exception, *, good: bool) -> Response:
        call = self._call
        if isinstance(outcome, Exception):
            if self._number > 1:
                seconds = call.runtime.clock.now() - call.journey.started
                outcome.add_note(f"{self._number} attempts in {seconds:.3g} s")
            raise outcome
        if good and not (is_failed_status(outcome.status_code) or _is_throttled(outcome)):
            _succeed(call, self._spent)
        return outcome


def _succeed(call: Call, refund: float) -> None:
    if call.budget is not None:
        _tokens(call, call.budget).succeed(call.budget, call.runtime.clock.now(), refund)


def _tokens(call: Call, budget: Budget) -> Tokens:
    return call.host.learned(Tokens, partial(_full, budget, call.runtime.clock.now()))


def _full(budget: Budget, now: float) -> Tokens:
    return Tokens(budget, now)


def _told(last: Response | Exception) -> str:
    if isinstance(last, Exception):
        return f"the last attempt failed with {type(last).__name__}"
    return f"the last answer was {last.status_code}"


def _is_throttled(outcome: Response | Exception) -> bool:
    return not isinstance(outcome, Exception) and is_throttled_status(outcome.status_code)


def _word(status: int) -> str:
    return "5xx" if status >= 500 else str(status)
