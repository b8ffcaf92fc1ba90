"""Who calls the origin: one line of the table each, with what became of every call."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from resilient.events import CircuitClosed, CircuitOpened, Event
from resilient.journey import Journey, describe
from resilient.pipeline.breaker import CircuitBreaker
from resilient.pipeline.response_cache import ResponseCache
from resilient.policy import Policy

RATE = 20.0
"""Calls a second of each line."""
PATIENCE = 2.0
"""Seconds that every client waits for an answer."""
CODES = tuple(
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN NOK NZD PLN RON SEK SGD TRY".split()  # noqa: SIM905
)

End = Literal["answered", "hit", "stale", "failed"]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call.

    Attributes:
        phase: the origin's phase when it began.
        began: when, on the monotonic clock.
        ended: when its caller had an answer or an error.
        end: answered by the origin; by a kept answer that was fresh, or stale; or failed.
    """

    phase: str
    began: float
    ended: float
    end: End

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


@dataclass(slots=True)
class Line:
    """One line of the table.

    Attributes:
        name: as the table has it.
        path: what it asks for; ``{}`` is a currency.
        resilient: whether it has policies.
        calls: those that have ended.
        circuit: the state of its circuit, as its journeys told last.
        openings: when its circuit opened, and for how many seconds.
        news: what its circuit did last, and when.
    """

    name: str
    path: str
    resilient: bool
    calls: list[CallRecord] = field(default_factory=list[CallRecord])
    circuit: Literal["closed", "open"] = "closed"
    openings: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    news: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    def target(self, number: int) -> str:
        """The path of call ``number``."""
        return self.path.format(CODES[number % len(CODES)])

    def over(self, phase: str, began: float, ended: float, status: int | None, journey: Journey | None) -> None:
        """Take down how a call ended; ``status`` is None without an answer."""
        result = None if journey is None or journey.cache is None else journey.cache.result
        end: End = "failed" if status is None or status >= 500 else "answered"
        if result == "hit" or result == "stale":
            end = result
        self.calls.append(CallRecord(phase, began, ended, end))
        for at, event in () if journey is None else journey.timeline:
            self._learn(at, event)

    def _learn(self, at: float, event: Event) -> None:
        if isinstance(event, CircuitOpened):
            self.openings.append((at, event.open_for))
            self.circuit = "open"
        elif isinstance(event, CircuitClosed):
            self.circuit = "closed"
        else:
            return
        # Every circuit here is that of the one server, so its name says nothing.
        self.news.append((at, describe(event).replace(f" of {event.circuit}", "")))

    def of(self, phase: str | None) -> Figures:
        """Figures of the calls that began in a phase, or of all."""
        return Figures([call for call in self.calls if phase in (None, call.phase)])


@dataclass(frozen=True, slots=True)
class Figures:
    """What can be said of some calls."""

    records: Sequence[CallRecord]

    @property
    def calls(self) -> int:
        """How many there were."""
        return len(self.records)

    def count(self, *ends: End) -> int:
        """How many ended in one of these ways."""
        return sum(call.end in ends for call in self.records)

    @property
    def good(self) -> int:
        """How many were answered, by the origin or by what was kept."""
        return self.count("answered", "hit", "stale")

    @property
    def share(self) -> float:
        """Which share was answered; 0 without calls."""
        return self.good / self.calls if self.calls else 0.0

    def percentile(self, percent: int) -> float | None:
        """Seconds that so many in a hundred calls took at most, None without calls."""
        return percentile([call.seconds for call in self.records], percent)


def percentile(seconds: Iterable[float], percent: int) -> float | None:
    """The value below which ``percent`` of a hundred lie, None of nothing."""
    values = sorted(seconds)
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


PLAIN, READS, ORDERS = "httpx", "resilient /rates", "resilient /orders"


def lines() -> list[Line]:
    """The three lines: plain reads, reads with a failover, and reads without one."""
    return [
        Line(PLAIN, "/rates/{}", resilient=False),
        Line(READS, "/rates/{}", resilient=True),
        Line(ORDERS, "/orders/{}", resilient=True),
    ]


def policies(host: str, speed: float = 1.0) -> dict[str, Policy]:
    """The policies of the resilient client."""
    base = Policy(
        deadline=PATIENCE,
        attempt_timeout=0.5,
        breaker=CircuitBreaker(open_for=1.0 / speed, max_open=2.0 / speed),
    )
    return {f"{host}/rates/*": base.replace(cache=ResponseCache.failover(ttl="1h")), f"{host}/orders/*": base}
