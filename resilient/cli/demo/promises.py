"""What the demo promises, held against what was counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resilient.cli.demo.lines import ORDERS, PLAIN, READS, CallRecord, Figures, Line
from resilient.cli.demo.process import OriginProcess
from resilient.cli.demo.script import AWAY, BACK
from resilient.durations import shown

LEAST_SHARE = 0.99
MOST_ATTEMPTS = 1.1
MOST_CALLS = 10


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that should hold.

    Attributes:
        holds: whether it did.
        text: what was measured, as a sentence.
    """

    holds: bool
    text: str


class Outage:
    """The time in which the origin was away.

    Args:
        lines: who called.
        entered: when each phase began.
        origin: what it counted.
    """

    def __init__(self, lines: Sequence[Line], entered: Mapping[str, float], origin: OriginProcess) -> None:
        self.began = entered[AWAY]
        self.ended = entered[BACK]
        self._lines = {line.name: line for line in lines}
        self._origin = origin

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ended - self.began

    def of(self, name: str) -> Figures:
        """The calls of a line that had the origin away from their beginning to their end."""
        return Figures([call for call in self._lines[name].of(AWAY).records if call.ended <= self.ended])

    def attempts(self, name: str) -> int:
        """How many requests of a line the origin saw, by its own count."""
        return self._origin.attempts(name, AWAY)

    def calls_until_open(self, name: str) -> int | None:
        """How many calls began before the circuit opened, None if it did not."""
        line = self._lines[name]
        opened = [at for at, _ in line.openings if self.began <= at <= self.ended]
        return sum(call.began <= opened[0] for call in line.of(AWAY).records) if opened else None

    def openings(self, name: str) -> int:
        """How often a circuit opened, failed probes included."""
        return sum(self.began <= at <= self.ended for at, _ in self._lines[name].openings)

    def promises(self) -> list[Promise]:
        """All of them."""
        return [self._plain(), self._reads(), self._orders(), *map(self._opening, (READS, ORDERS)), *self._returns()]

    def _plain(self) -> Promise:
        found = self.of(PLAIN)
        return Promise(found.good == 0, f"{PLAIN} failed {found.count('failed')} of {found.calls} calls")

    def _reads(self) -> Promise:
        found = self.of(READS)
        kept = found.count("hit", "stale")
        return Promise(
            bool(found.calls) and found.share >= LEAST_SHARE,
            f"{READS} answered {found.good} of {found.calls} reads, {kept} of them from its store",
        )

    def _orders(self) -> Promise:
        calls, attempts = self.of(ORDERS).calls, self.attempts(ORDERS)
        ratio = attempts / calls if calls else 0.0
        return Promise(
            bool(calls) and ratio <= MOST_ATTEMPTS,
            f"{ORDERS} sent {attempts} attempts for {calls} calls: {ratio:.2f} a call",
        )

    def _opening(self, name: str) -> Promise:
        calls = self.calls_until_open(name)
        if calls is None:
            return Promise(False, f"the circuit of {name} did not open")
        return Promise(calls <= MOST_CALLS, f"the circuit of {name} opened within {calls} calls")

    def _returns(self) -> list[Promise]:
        return [self._return(self._lines[name]) for name in (READS, ORDERS)]

    def _return(self, line: Line) -> Promise:
        """Back with the first call that may go after the open period in which the origin returned."""
        before = [period for at, period in line.openings if at <= self.ended]
        period = before[-1] if before else 0.0
        after: list[CallRecord] = sorted(line.of(BACK).records, key=lambda call: call.began)
        back = next((call for call in after if call.end == "answered"), None)
        if back is None:
            return Promise(False, f"{line.name} was not back")
        late = sum(self.ended + period < call.began < back.began for call in after)
        took = back.ended - self.ended
        return Promise(
            late <= 1,
            f"{line.name} was back {shown(took)} after the server (open period: {shown(period)})",
        )
