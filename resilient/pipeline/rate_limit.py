"""No more attempts than so many in a time."""

from __future__ import annotations

from dataclasses import field

from resilient.call import Call, Handler
from resilient.errors import RateLimitedError
from resilient.events import Paused, Rejected, Waited
from resilient.exchange import MINIMUM_LEFT
from resilient.mechanics.gcra import Quota, quota_of
from resilient.messages import Response
from resilient.runtime.line import Line
from resilient.settings import settings


@settings
class RateLimit:
    """Send an origin no more attempts than so many in a time; those that are too many wait for their turn.

    Over any ``w`` seconds at most ``burst`` and ``rate`` times ``w`` attempts are sent. Retries count, answers
    from the cache do not. Who waits goes first come, first served, as soon as the rate allows; a call whose
    deadline comes before its turn is refused at once.

    Args:
        rate: so many in a time: ``"60/1m"``, ``"5/s"``, ``"100/1h"``.
        burst: so many may go at once, after a time in which none did; if not given, as many as ``rate`` names.

    Raises:
        RateLimitedError: the deadline comes before the call's turn; nothing was sent.
        ConfigurationError: an option has a wrong value.
    """

    rate: str = field(kw_only=False)
    burst: int | None = None
    quota: Quota = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quota", quota_of(self.rate, self.burst))

    def __str__(self) -> str:
        return f"{self.rate}, {self.quota.burst} at once"

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Go on when it is the call's turn."""
        line = call.host.learned(Line, Line)
        wait = line.take(self.quota, call.runtime.clock.now())
        if wait:
            most = call.time_left - MINIMUM_LEFT
            if wait <= most:
                call.record(Paused(seconds=wait, by="rate"))
                began = call.runtime.clock.now()
                wait = await line.wait(self.quota, call.runtime, most)
                call.tell(Waited(seconds=call.runtime.clock.now() - began, by="rate"))
            if wait:
                call.record(Rejected(by="rate", origin=call.host.origin, retry_in=wait))
                raise RateLimitedError(call.host.origin, wait)
        return await proceed(call)
