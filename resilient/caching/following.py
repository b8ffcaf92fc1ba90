"""What follows the work of a cache: who made what is served, and when what is done is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from resilient.caching.raised import Raised
from resilient.caching.surrounding import StoppedError
from resilient.call import Call
from resilient.entry import COUNTER, Entry
from resilient.events import CacheLookup, CacheResult
from resilient.messages import Response
from resilient.outcome import Outcome, failure_of, is_failed_status, outcome_of
from resilient.ports import Job
from resilient.telemetry import FunctionTrace, Trace

T = TypeVar("T")
_MAKER = "maker"
"""In the metadata: the mark of the trace in which the value was made."""


def marked(entry: Entry, trace: Trace | None) -> Entry:
    """The entry with the mark of the trace in which it is made."""
    if trace is None or not (mark := trace.mark):
        return entry
    return replace(entry, meta={**entry.meta, _MAKER: mark}).ready(entry.decoded)


def marked_to_keep(entry: Entry, trace: Trace | None) -> Entry:
    """The same for a store; a number stays as it is, for else it were no counter any more."""
    return entry if entry.meta == COUNTER else marked(entry, trace)


def points_at_maker(trace: Trace | None, entry: Entry, result: CacheResult) -> None:
    """Point at the trace in which what is served was made."""
    if trace is not None and isinstance(mark := entry.meta.get(_MAKER), bytes):
        trace.points("collapsed_into" if result == "collapsed" else "filled_by", mark)


async def followed(trace: Trace | None, job: Job[T], ended: Callable[[T | None, BaseException | None], None]) -> T:
    """What ``job`` comes to; all of it belongs to ``trace``, and ``ended`` is told what that was, or the error."""
    if trace is None:
        return await job()
    try:
        with trace:
            value = await job()
    except BaseException as error:
        ended(None, error)
        raise
    ended(value, None)
    return value


async def asked_behind(call: Call, asking: Job[tuple[Response, T]]) -> tuple[Response, T]:
    """What ``asking`` comes to for a ``call`` in the background, which ends with it."""

    def over(made: tuple[Response, T] | None, error: BaseException | None) -> None:
        journey, status = call.journey, None if made is None else made[0].status_code
        journey.ended = call.runtime.clock.now()
        if error is not None:
            outcome = outcome_of(call.failure_of(error))
        else:
            outcome = Outcome.ERROR if status is not None and is_failed_status(status) else Outcome.OK
        if call.trace is not None:
            call.trace.ended(journey, outcome, status, error)

    return await followed(call.trace, asking, over)


def tell_the_end(trace: FunctionTrace, lookup: CacheLookup | None, value: object, error: BaseException | None) -> None:
    """A call of a function came to ``value``, which may be a kept exception, or to ``error``."""
    if isinstance(value, Raised):
        error = value.error
    if isinstance(error, StoppedError):
        error = error.error
    if error is not None:
        outcome = outcome_of(failure_of(error, {}))
    else:
        outcome = Outcome.STALE if lookup is not None and lookup.result == "stale" else Outcome.OK
    trace.ended(lookup, outcome, error)
