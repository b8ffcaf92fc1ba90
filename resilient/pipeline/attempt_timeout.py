"""The time for one attempt."""

from __future__ import annotations

from dataclasses import field

from resilient.call import Call, Handler
from resilient.checks import need
from resilient.durations import Duration, shown
from resilient.messages import Response
from resilient.settings import put_seconds, settings


@settings
class AttemptTimeout:
    """End an attempt once ``timeout`` has passed; the breaker counts it, and it may be tried again.

    It is the innermost stage and cuts two things at the send: every phase of the connection, and, where the
    colour can cancel, the exchange as a whole.

    Args:
        timeout: from connecting until the body is read, or until the headers if the caller streams.
        named: whether somebody asked for it. One that nobody asked for gives way to a timeout that the caller
            or an SDK gave.

    Raises:
        AttemptTimeoutError: the time ran out.
    """

    timeout: Duration = field(kw_only=False)
    named: bool = True

    def __post_init__(self) -> None:
        put_seconds(self, timeout=self.timeout)
        need(isinstance(self.named, bool), "named", self.named, "True or False")

    @property
    def seconds(self) -> float:
        """The timeout in seconds."""
        return self.timeout  # type: ignore[return-value] # parsed when the object was made

    def __str__(self) -> str:
        return f"{shown(self.seconds)} for each attempt"

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Set the end of the attempt, unless the request's own options did or a given timeout stands."""
        if call.options.attempt_timeout is not None or (call.asked and not self.named):
            return await proceed(call)
        return await proceed(call.attempt_due(call.runtime.clock.now() + self.seconds))
