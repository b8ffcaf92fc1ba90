"""What a path found: our figure, a peer's, and the goal."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """What we want: a ratio of our figure to the peer's, or our figure alone, of at most or at least ``bound``."""

    of: Literal["ratio", "figure"]
    most: bool
    bound: float

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.bound:g}{'×' if self.of == 'ratio' else ''}"


def ratio_at_most(bound: float) -> Goal:
    """Our figure is at most so many times the peer's."""
    return Goal("ratio", True, bound)


def ratio_at_least(bound: float) -> Goal:
    """Our figure is at least so many times the peer's."""
    return Goal("ratio", False, bound)


def at_most(bound: float) -> Goal:
    """Our figure is at most so much, in the row's unit."""
    return Goal("figure", True, bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the results.

    Attributes:
        what: what was measured.
        client: whose client: the colour and the HTTP library, or what else there is to say about it.
        ours: our figure.
        peer: who we are compared with.
        theirs: the peer's figure.
        unit: of both figures.
        goal: what we want, None for a comparison without one.
    """

    what: str
    client: str = ""
    ours: float
    peer: str
    theirs: float
    unit: str
    goal: Goal | None = None

    @property
    def ratio(self) -> float:
        """Our figure as a multiple of the peer's."""
        return self.ours / self.theirs

    @property
    def share(self) -> float | None:
        """How much of what the goal allows is used up; above 1 it is missed. None without a goal."""
        if self.goal is None:
            return None
        value = self.ratio if self.goal.of == "ratio" else self.ours
        return value / self.goal.bound if self.goal.most else self.goal.bound / value

    @property
    def met(self) -> str:
        """In a word, empty without a goal."""
        if self.share is None:
            return ""
        return "yes" if self.share <= 1 else "no"

    @property
    def figure(self) -> str:
        """What the goal is about, as text."""
        _, _, ours, _, _, ratio, *_ = self.cells()
        return ratio if self.goal is not None and self.goal.of == "ratio" else ours

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of ``COLUMNS``."""
        goal = "" if self.goal is None else str(self.goal) if self.goal.of == "ratio" else f"{self.goal} {self.unit}"
        ours, theirs = (f"{_rounded(figure)} {self.unit}" for figure in (self.ours, self.theirs))
        return self.what, self.client, ours, self.peer, theirs, f"{self.ratio:.3f}×", goal, self.met


COLUMNS = ("what", "client", "ours", "peer", "peer's", "ratio", "goal", "met")


def _rounded(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def missed(rows: Iterable[Row]) -> list[Row]:
    """Those whose goal is not met."""
    return [row for row in rows if row.met == "no"]
