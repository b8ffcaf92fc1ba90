"""One question for many who ask the same at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from resilient.caching.turns import Shared, made_in_turn
from resilient.call import INFINITE, Call
from resilient.entry import Entry
from resilient.errors import DeadlineExceededError
from resilient.messages import Response

Made: TypeAlias = Callable[[], Coroutine[Any, Any, tuple[Response, Entry | None]]]
"""Asks the origin and keeps its answer; the answer, and what was kept."""


async def shared(
    call: Call, flight: str, made: Made, *, slot: Shared[Response] | None
) -> tuple[Response | None, Entry | None]:
    """Ask once for all who are in the same ``flight``; each keeps its own deadline.

    Args:
        call: the caller's call.
        flight: what tells those who may share from others.
        made: asks.
        slot: where the answer belongs if those in other processes count too, else None.

    Returns:
        The answer, for the one whose question it was, and None for the others; and what was kept of it.

    Raises:
        DeadlineExceededError: the caller's time was over first.
    """
    leads = False
    timeout = None

    async def lead() -> tuple[Response, Entry | None]:
        nonlocal leads
        leads = True
        return await (made() if slot is None else made_in_turn(slot, made, timeout))

    while True:
        timeout = None if call.time_left == INFINITE else call.time_left
        try:
            (response, entry), _ = await call.runtime.share(flight, lead, timeout)
        except TimeoutError as error:
            if call.time_left > 0:
                raise  # somebody else's
            raise DeadlineExceededError(call.deadline - call.journey.started) from error
        except DeadlineExceededError:
            if leads:
                raise
            # The leader's time was over, not ours: of those who wait the first to come here leads now.
        else:
            return (response if leads else None), entry
