"""What the events of the last minute say, route by route."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from resilient.events import (
    AttemptEnded,
    CacheLookup,
    CallEnded,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    Event,
    Retried,
    StoreFailed,
)
from resilient.live.record import Record
from resilient.logs.lines import LINES
from resilient.outcome import Outcome

SPAN = 60.0
"""Seconds that are looked back."""


class Row(NamedTuple):
    """One route.

    Attributes:
        client: whose it is.
        route: its name.
        rate: calls a second.
        effective: the share of calls that their callers were content with; None without calls.
        actual: the share of requests on the wire that were answered well; None without requests.
        p50: seconds that half of the calls took at most.
        p99: seconds that nearly all of them took at most.
        hits: the share of questions to the cache that it answered fresh; None without questions.
        stale: the share that it answered stale.
        retries: requests that were sent again.
        circuit: the worst state of its circuits.
    """

    client: str
    route: str
    rate: float
    effective: float | None
    actual: float | None
    p50: float | None
    p99: float | None
    hits: float | None
    stale: float | None
    retries: int
    circuit: str


class Figures:
    """Adds up what happened within the last minute.

    Attributes:
        news: the latest events that are no everyday ones, the oldest first.
        stores: how often stores failed within the minute, by name.
    """

    def __init__(self) -> None:
        self._records: deque[Record] = deque()
        self._first: float | None = None
        self._circuits: dict[str, str] = {}
        self.news: deque[Record] = deque(maxlen=8)

    def add(self, record: Record) -> None:
        """One event more."""
        self._first = record.wall if self._first is None else self._first
        self._records.append(record)
        match record.event:
            case CircuitOpened(circuit=circuit):
                self._circuits[circuit] = "open"
            case CircuitHalfOpened(circuit=circuit):
                self._circuits[circuit] = "half open"
            case CircuitClosed(circuit=circuit):
                self._circuits[circuit] = "closed"
            case _:
                pass
        line = LINES.get(type(record.event))
        if line is None or line.level >= logging.INFO:
            self.news.append(record)

    def rows(self, now: float) -> list[Row]:
        """The routes that anything happened of, the busiest first."""
        while self._records and self._records[0].wall < now - SPAN:
            self._records.popleft()
        seconds = max(1.0, min(SPAN, now - (now if self._first is None else self._first)))
        by_route: dict[tuple[str, str], list[Event]] = {}
        for record in self._records:
            if record.source.kind == "client" and record.source.route:
                by_route.setdefault((record.source.name, record.source.route), []).append(record.event)
        rows = [self._row(*whose, events, seconds) for whose, events in by_route.items()]
        return sorted(rows, key=lambda row: (-row.rate, row.client, row.route))

    def stores(self) -> dict[str, int]:
        """How often each store failed."""
        failed: dict[str, int] = {}
        for record in self._records:
            if isinstance(record.event, StoreFailed):
                failed[record.event.store] = failed.get(record.event.store, 0) + 1
        return failed

    def _row(self, client: str, route: str, events: list[Event], seconds: float) -> Row:
        calls = [event for event in events if isinstance(event, CallEnded)]
        attempts = [event for event in events if isinstance(event, AttemptEnded)]
        asked = [event.result for event in events if isinstance(event, CacheLookup)]
        times = sorted(event.seconds for event in calls)
        origins = {event.origin for event in calls}
        states = {self._circuits.get(origin, "closed") for origin in origins}
        return Row(
            client,
            route,
            len(calls) / seconds,
            _share(event.outcome in (Outcome.OK, Outcome.STALE) for event in calls),
            _share(event.failure is None and (event.status or 500) < 500 for event in attempts),
            _within(times, 0.5),
            _within(times, 0.99),
            _share(result == "hit" for result in asked),
            _share(result == "stale" for result in asked),
            sum(isinstance(event, Retried) for event in events),
            next((state for state in ("open", "half open") if state in states), "closed"),
        )


def _share(good: Iterable[bool]) -> float | None:
    found = list(good)
    return sum(found) / len(found) if found else None


def _within(times: list[float], share: float) -> float | None:
    return times[min(len(times) - 1, int(len(times) * share))] if times else None
