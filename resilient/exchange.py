"""One request and its answer on the real transport: the innermost end of every pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

from resilient.call import INFINITE, Call
from resilient.errors import AttemptTimeoutError, CallError, DeadlineExceededError
from resilient.events import TimedOut
from resilient.messages import Request, Response, Unasked
from resilient.outcome import Failure

SWITCHING_PROTOCOLS = 101
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
    ends = min(call.attempt_ends, call.deadline)
    if ends == INFINITE:
        return await _exchange(call, call.request, ends)
    clock = call.runtime.clock
    left = ends - clock.now()
    if call.deadline - clock.now() < shortest(call):
        raise _over(call, DeadlineExceededError(call.deadline - call.journey.started), "deadline")
    extensions = call.request.extensions
    cut = {**extensions, "timeout": phases(extensions.get("timeout"), left)}
    request = call.library.again(call.request, cut, {})
    try:
        return await call.runtime.within(left, partial(_exchange, call, request, ends))
    except Exception as error:
        ended = _cut(call, error, ends, left)
        if ended is error:
            raise
        raise ended from error


def shortest(call: Call) -> float:
    """Seconds that an attempt needs at least; a deadline of less than twice as much is halved."""
    return min(MINIMUM_LEFT, (call.deadline - call.journey.started) / 2)


def phases(given: Mapping[str, float | None] | None, left: float) -> dict[str, float]:
    """Timeouts of the connection's phases: none longer than ``left``, nor than what somebody asked for.

    Getting a connection is given a little less, so that a connection that cannot be had shows as just that: it
    proves that nothing was sent.
    """
    connect = left - min(0.02, left / 10)
    cut = {"connect": connect, "read": left, "write": left, "pool": connect}
    if given and not isinstance(given, Unasked):
        for phase, asked in given.items():
            if asked is not None and asked < cut.get(phase, INFINITE):
                cut[phase] = asked
    return cut


async def _exchange(call: Call, request: Request, ends: float) -> Response:
    response = await call.send(request)
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
    if call.runtime.clock.now() < ends - _EARLIER:
        return error
    meaning = call.failure_of(error)
    if meaning not in (Failure.TIMEOUT, Failure.UNSENT, Failure.POOL) and not isinstance(error, TimeoutError):
        return error
    if ends == call.deadline:
        return _over(call, DeadlineExceededError(call.deadline - call.journey.started), "deadline")
    if meaning is Failure.TIMEOUT or isinstance(error, TimeoutError):
        return _over(call, AttemptTimeoutError(left), "attempt")
    return error


def _over(
    call: Call, error: AttemptTimeoutError | DeadlineExceededError, what: Literal["attempt", "deadline"]
) -> CallError:
    call.record(TimedOut(what=what, timeout=error.timeout))
    return error
