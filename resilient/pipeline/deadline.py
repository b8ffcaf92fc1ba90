"""The time for a whole call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from resilient.call import INFINITE, Call, Handler
from resilient.checks import need
from resilient.durations import Duration, shown
from resilient.messages import Response
from resilient.settings import put_seconds, settings

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.1."""


@settings
class Deadline:
    """End the call once ``timeout`` has passed, waits between attempts included.

    The deadline is an instant that travels with the call: nothing is cancelled from outside. Whatever waits
    (a phase of the connection, a back-off, a store) waits no longer than the time left and then raises, so a
    fallback or a stale answer further out still answers.

    Args:
        timeout: for the whole call, redirects included.
        header: sent with each attempt, if given: the name of a header field that tells the origin how many
            whole milliseconds are left.
        named: whether somebody asked for it. One that nobody asked for never cuts a timeout that the caller gave.

    Raises:
        DeadlineExceededError: the time ran out; nothing more was sent.
    """

    timeout: Duration = field(kw_only=False)
    header: str | None = None
    named: bool = True

    def __post_init__(self) -> None:
        put_seconds(self, timeout=self.timeout)
        header = self.header
        need(header is None or _is_name(header), "header", header, "a header field's name, such as 'x-deadline-ms'")
        need(isinstance(self.named, bool), "named", self.named, "True or False")

    @property
    def seconds(self) -> float:
        """The timeout in seconds."""
        return self.timeout  # type: ignore[return-value] # parsed when the object was made

    def __str__(self) -> str:
        told = "" if self.header is None else f"; the origin reads what is left in {self.header}"
        return f"{shown(self.seconds)} for the whole call{told}"

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Set the deadline, unless the request's own options did."""
        if call.options.deadline is None:
            ends = self.ends(call.journey.started, call.asked)
            if ends < call.deadline:
                call = call.due(ends)
                call.journey.deadline = ends
        if self.header is not None:
            call = call.sending(_with_time_left(call, self.header))
        return await proceed(call)

    def ends(self, started: float, asked: Mapping[str, float | None]) -> float:
        """The instant at which a call must be over that began at ``started``, and whose caller ``asked`` for times."""
        return started + (self.seconds if self.named else _at_least_what_was_given(self.seconds, asked))


def _is_name(header: object) -> bool:
    return isinstance(header, str) and _FIELD_NAME.fullmatch(header) is not None


def _at_least_what_was_given(seconds: float, asked: Mapping[str, float | None]) -> float:
    """A default never undercuts a timeout that the caller or an SDK gave."""
    if not asked:
        return seconds
    return max([seconds, *(INFINITE if phase is None else phase for phase in asked.values())])


def _with_time_left(call: Call, header: str) -> Any:
    async def send(request: Any) -> Response:
        left = call.time_left
        fields = {} if left == INFINITE else {header: str(max(0, int(left * 1000)))}
        return await call.send(call.library.again(request, request.extensions, fields))

    return send
