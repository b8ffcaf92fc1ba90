"""One request and its answer on the real transport: the innermost end of every pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from resilient.call import INFINITE, Call
from resilient.errors import AttemptTimeoutError, DeadlineExceededError
from resilient.events import TimedOut
from resilient.messages import Request, Response
from resilient.outcome import Failure
from resilient.telemetry import AttemptTrace

SWITCHING_PROTOCOLS = 101
_NO_FIELDS: Mapping[str, str] = {}
MINIMUM_LEFT = 0.05
"""Seconds; an attempt that has less is not worth starting."""
_EARLIER = 0.001
"""Seconds by which a phase may end before the instant that it was cut to."""


async def exchange(call: Call) -> Response:
    """Send ``call.request`` and read the answer, unless the caller streams it.

    Raises:
        DeadlineExceededError: the call's deadline came first, or leaves too little time to start.
        AttemptTimeoutError: the attempt's end came first.
    """
    asked = call.options.attempt_timeout
    ends = min(call.attempt_ends if asked is None else call.runtime.clock.now() + asked, call.deadline)
    if ends != INFINITE and not may_start(call):
        raise _late(call, asked=False)
    if call.trace is None:
        return await _in_time(call, ends, None)
    with call.trace.attempt(call.request, call.attempt) as trace:
        try:
            return await _in_time(call, ends, trace)
        except BaseException as error:
            trace.failed(error, call.failure_of(error))
            raise


async def _in_time(call: Call, ends: float, trace: AttemptTrace | None) -> Response:
    request, fields = call.request, _NO_FIELDS if trace is None else trace.headers
    if ends == INFINITE:
        if fields:
            request = call.library.again(request, request.extensions, fields)
        return await _exchange(call, request, ends, trace)
    left = ends - call.runtime.clock.now()
    cut = {**request.extensions, "timeout": phases(call.asked, left)}
    request = call.library.again(request, cut, fields)
    try:
        return await call.runtime.within(left, partial(_exchange, call, request, ends, trace))
    except Exception as error:
        ended = _cut(call, error, ends, left)
        if ended is error:
            raise
        raise ended from error


def may_start(call: Call) -> bool:
    """Whether enough time is left for an attempt; half of the deadline is always enough."""
    left = call.time_left
    return left >= MINIMUM_LEFT or 0 < (call.deadline - call.journey.started) / 2 <= left


def phases(given: Mapping[str, float | None], left: float) -> dict[str, float]:
    """Timeouts of the connection's phases: none longer than ``left``, nor than what was ``given``.

    Getting a connection is given a little less, so that a connection that cannot be had shows as just that: it
    proves that nothing was sent.
    """
    connect = left - _margin(left)
    cut = {"connect": connect, "read": left, "write": left, "pool": connect}
    for phase, asked in given.items():
        if asked is not None and asked < cut.get(phase, INFINITE):
            cut[phase] = asked
    return cut


def _margin(left: float) -> float:
    return min(0.02, left / 10)


async def _exchange(call: Call, request: Request, ends: float, trace: AttemptTrace | None) -> Response:
    response = await call.send(request)
    if trace is not None:
        trace.answered(response)
    if call.streamed or response.status_code == SWITCHING_PROTOCOLS:
        return response
    body = call.library.body(response)
    if body.content is None:
        try:
            body.keep(await call.runtime.read(body, ends))
        except BaseException:
            await call.runtime.close(body)
            raise
    return response


def _cut(call: Call, error: Exception, ends: float, left: float) -> Exception:
    """What ``error`` is, knowing that the exchange was cut at ``ends``."""
    meaning = call.failure_of(error)
    connected = meaning is Failure.TIMEOUT or isinstance(error, TimeoutError)
    if not connected and meaning not in (Failure.UNSENT, Failure.POOL):
        return error
    earlier = _EARLIER if connected else _EARLIER + _margin(left)
    if call.runtime.clock.now() < ends - earlier:
        return error
    if ends == call.deadline:
        return _late(call, asked=meaning is not Failure.POOL)
    if connected:
        call.record(TimedOut(what="attempt", timeout=left))
        return AttemptTimeoutError(left)
    return error


def _late(call: Call, *, asked: bool) -> DeadlineExceededError:
    error = DeadlineExceededError(call.deadline - call.journey.started, asked=asked)
    call.record(TimedOut(what="deadline", timeout=error.timeout))
    return error
