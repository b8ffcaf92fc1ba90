"""Labels: each with a bound on its values, and each set of them bound to its metric once."""

from __future__ import annotations

from typing import Generic, Protocol, Self, TypeVar

from prometheus_client import Counter

OTHER = "_other"
"""Stands for the values beyond the bound."""


class Labelled(Protocol):
    """A metric with labels."""

    def labels(self, *labelvalues: object) -> Self:
        """The one of these values."""
        ...


M = TypeVar("M", bound=Labelled)


class Bounded:
    """The values of one label: the first ``most`` are themselves, all others are ``_other``, and counted.

    Args:
        label: its name.
        most: how many values it may have.
        overflow: counts the others.
    """

    __slots__ = ("_known", "_most", "_overflow")

    def __init__(self, label: str, most: int, overflow: Counter) -> None:
        self._known: set[str] = set()
        self._most = most
        self._overflow = overflow.labels(label)

    def __call__(self, value: str) -> str:
        """``value``, or what stands for it."""
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            self._overflow.inc()
            return OTHER
        self._known.add(value)
        return value


class Children(Generic[M]):
    """What of a metric belongs to one client or cache; found without the metric's own lock.

    Args:
        metric: the metric.
        first: the values of its first labels, which are the same for all.
    """

    __slots__ = ("_first", "_found", "_metric")

    def __init__(self, metric: M, *first: str) -> None:
        self._metric = metric
        self._first = first
        self._found: dict[tuple[str, ...], M] = {}

    def __call__(self, *others: str) -> M:
        """The one whose other labels have these values; it is exported from now on."""
        if (child := self._found.get(others)) is None:
            child = self._found[others] = self._metric.labels(*self._first, *others)
        return child
