"""The attempt as the wire sees it."""

from __future__ import annotations

from resilient.call import Call, Handler
from resilient.errors import DeadlineExceededError
from resilient.events import AttemptEnded
from resilient.messages import Response


async def observe_attempt(call: Call, proceed: Handler) -> Response:
    """Record how the attempt ended, whether with an answer or without; one that never began is none."""
    clock = call.runtime.clock
    began = clock.now()
    try:
        response = await proceed(call)
    except BaseException as error:
        if isinstance(error, DeadlineExceededError) and not error.asked:
            raise
        call.record(
            AttemptEnded(
                number=call.attempt,
                origin=call.host.origin,
                status=None,
                failure=call.failure_of(error),
                seconds=clock.now() - began,
            )
        )
        raise
    call.record(
        AttemptEnded(
            number=call.attempt,
            origin=call.host.origin,
            status=response.status_code,
            failure=None,
            seconds=clock.now() - began,
        )
    )
    return response
