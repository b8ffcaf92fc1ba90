"""Which event is which line, and how much it matters."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from resilient.events import (
    AttemptEnded,
    BackgroundDropped,
    BackgroundFailed,
    CacheLookup,
    CacheRefreshed,
    CacheStored,
    CallEnded,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    ConfigChanged,
    Event,
    FellBack,
    LockLost,
    Paused,
    Rejected,
    Retried,
    RetryExhausted,
    StoreDegraded,
    StoreEvicted,
    StoreFailed,
    StoreRecovered,
    TimedOut,
)
from resilient.logs.limit import PAUSE
from resilient.telemetry import Source


class Line(NamedTuple):
    """What is written of an event.

    Attributes:
        logger: by which logger, after ``resilient.``.
        level: how much it matters, as ``logging`` counts.
        text: what happened, always the same words.
        of: what it happened to: a name that a user gave, or an origin; None if this one is not written.
        pause: seconds in which it is written once for each of these.
        grave: the line in its place for those of which that one is written.
    """

    logger: str
    level: int
    text: str
    of: Callable[[Any, Source], str | None]
    pause: float = PAUSE
    grave: Line | None = None


def _route(_: Event, source: Source) -> str:
    return f"{source.name} {source.route}".strip()


def _cached(event: Any, source: Source) -> str:
    return event.function or _route(event, source)


def _not_made(event: BackgroundFailed, source: Source) -> str:
    return f"{_cached(event, source)} ({event.error})"


def _named(field: str) -> Callable[[Any, Source], str]:
    def name(event: Any, _: Source) -> str:
        found: str = getattr(event, field)
        return found

    return name


def _trouble(event: StoreFailed, _: Source) -> str | None:
    if event.kind == "degraded":
        return None  # that was said when it began
    return f"{event.store} to {event.operation} ({event.error or event.kind})"


def _refusal(event: StoreFailed, _: Source) -> str | None:
    return event.store if event.kind == "auth" else None


_REFUSED = Line(
    "store",
    logging.ERROR,
    "a store does not let us in, and nothing is kept; see to its user, password, permissions and certificates",
    _refusal,
    pause=3600.0,  # only people can mend it
)

LINES: dict[type[Event], Line] = {
    CallEnded: Line("call", logging.DEBUG, "a call ended", _route),
    AttemptEnded: Line("call", logging.DEBUG, "a request ended", _named("origin")),
    TimedOut: Line("call", logging.DEBUG, "time ran out", _route),
    FellBack: Line("call", logging.DEBUG, "a fallback answered", _route),
    Retried: Line("retry", logging.DEBUG, "a failed request is sent again", _route),
    RetryExhausted: Line("retry", logging.WARNING, "a failed request is not sent again", _route),
    Paused: Line("call", logging.DEBUG, "a call waits for its turn", _route),
    Rejected: Line("call", logging.DEBUG, "a call was refused", _named("origin")),
    CircuitOpened: Line("circuit", logging.WARNING, "a circuit opened", _named("circuit")),
    CircuitHalfOpened: Line("circuit", logging.INFO, "a circuit lets a probe through", _named("circuit")),
    CircuitClosed: Line("circuit", logging.INFO, "a circuit closed", _named("circuit")),
    CacheLookup: Line("cache", logging.DEBUG, "a cache was asked", _cached),
    CacheStored: Line("cache", logging.DEBUG, "a value was made", _cached),
    CacheRefreshed: Line("cache", logging.DEBUG, "a value was made anew", _cached),
    BackgroundFailed: Line("cache", logging.WARNING, "a value could not be made anew; the old one is kept", _not_made),
    BackgroundDropped: Line("cache", logging.WARNING, "work in the background was left out: there is too much", _route),
    LockLost: Line("cache", logging.WARNING, "a lock was lost while it was held", _route),
    StoreFailed: Line("store", logging.WARNING, "a store failed, and calls go on without it", _trouble, grave=_REFUSED),
    StoreDegraded: Line("store", logging.WARNING, "a store is left alone for a while", _named("store")),
    StoreRecovered: Line("store", logging.INFO, "a store is back", _named("store")),
    StoreEvicted: Line("store", logging.INFO, "a store dropped entries to make room", _named("store")),
    ConfigChanged: Line("config", logging.INFO, "the policies have changed", _named("file")),
}
