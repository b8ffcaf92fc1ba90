"""Leaving an origin alone whose quota is used up, as it says itself: one pause for all calls to it."""

from __future__ import annotations

from resilient.call import Call
from resilient.errors import RateLimitedError
from resilient.events import Paused, Rejected, Waited
from resilient.exchange import MINIMUM_LEFT
from resilient.mechanics.pause import Pause
from resilient.mechanics.retry_after import pause_asked
from resilient.messages import Response


def note_pause(call: Call, response: Response) -> None:
    """Begin a pause, if ``response`` says that nothing remains of our quota."""
    if "ratelimit" not in response.headers:
        return
    asked = pause_asked(response.headers.get, call.runtime.clock.wall())
    if asked is not None:
        call.host.learned(Pause, Pause).extend(asked, call.runtime.clock.now())


def pause_left(call: Call) -> float:
    """Seconds until the pause of the call's origin is over, 0 without one."""
    pause = call.host.known(Pause)
    return 0.0 if pause is None else pause.left(call.runtime.clock.now())


async def wait_out_pause(call: Call) -> None:
    """Wait until the pause of the call's origin is over.

    Raises:
        RateLimitedError: that is after the call's deadline.
    """
    left = pause_left(call)
    if not left:
        return
    if left + MINIMUM_LEFT > call.time_left:
        call.record(Rejected(by="rate", origin=call.host.origin, retry_in=left))
        raise RateLimitedError(call.host.origin, left)
    call.record(Paused(seconds=left))
    await call.runtime.sleep(left)
    call.tell(Waited(seconds=left))
