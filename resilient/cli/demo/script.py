"""What happens to the origin, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A span of the demo in which the origin behaves in one way.

    Attributes:
        name: in one word.
        seconds: how long it lasts.
        text: what the origin does.
    """

    name: str
    seconds: float
    text: str


WORKS, SLOW, FAILS, AWAY, BACK = "works", "slow", "fails", "away", "back"

PHASES = (
    Phase(WORKS, 5.0, "answers everything at once"),
    Phase(SLOW, 3.0, "takes 3 s for one answer in five"),
    Phase(FAILS, 4.0, "answers one request in five by a 503"),
    Phase(AWAY, 10.0, "cuts every connection without an answer"),
    Phase(BACK, 4.0, "answers everything at once again"),
)


class Script:
    """The phases one after another.

    Args:
        speed: how many times faster than planned they pass.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.phases: Sequence[Phase] = [Phase(one.name, one.seconds / speed, one.text) for one in PHASES]

    @property
    def seconds(self) -> float:
        """How long all of it takes."""
        return sum(phase.seconds for phase in self.phases)

    def at(self, second: float) -> tuple[Phase, float] | None:
        """The phase at a second from the start, and how many of it are left; None when all is over."""
        for phase in self.phases:
            if second < phase.seconds:
                return phase, phase.seconds - second
            second -= phase.seconds
        return None
