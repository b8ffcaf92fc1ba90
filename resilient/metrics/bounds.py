"""Bounds on the values of labels: what has too many of them is worth nothing, and costs much."""

from __future__ import annotations

from collections.abc import Callable

from resilient.locks import fork_safe_lock
from resilient.metrics.ratios import Ratios
from resilient.telemetry import Source

OTHER = "_other"
"""Stands for the values beyond the bound."""
MAX_NAMES = 20
"""How many clients, how many caches, and how many stores have a name in labels."""
MAX_ROUTES = 50
"""How many routes of a client have."""
MAX_CIRCUITS = 100
"""How many circuits have, of all clients and caches."""
BOUNDED = ("client", "route", "cache", "circuit", "store")
"""The labels whose values are bounded."""


class Bounded:
    """The values of one label: the first ``most`` are themselves, all others are ``_other``, and counted.

    Args:
        most: how many values it may have.
        overflow: told of each of the others.
    """

    __slots__ = ("_known", "_most", "_overflow")

    def __init__(self, most: int, overflow: Callable[[], object]) -> None:
        self._known: set[str] = set()
        self._most = most
        self._overflow = overflow

    def __call__(self, value: str) -> str:
        """``value``, or what stands for it."""
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            self._overflow()
            return OTHER
        self._known.add(value)
        return value


class Bounds:
    """The bounds on all labels whose values are names that users gave.

    Args:
        overflow: told the label of each value that was replaced.

    Attributes:
        circuit: the names of circuits.
        store: the names of stores.
        ratios: which share of requests failed, by circuit.
    """

    def __init__(self, overflow: Callable[[str], object]) -> None:
        self._overflow = overflow
        self._lock = fork_safe_lock()
        self._names = {kind: self._bounded(kind, MAX_NAMES) for kind in ("client", "cache")}
        self._routes: dict[str, Bounded] = {}
        self.circuit = self._bounded("circuit", MAX_CIRCUITS)
        self.store = self._bounded("store", MAX_NAMES)
        self.ratios = Ratios()

    def of(self, source: Source) -> Source:
        """``source`` as labels have it."""
        with self._lock:
            name = self._names[source.kind](source.name)
            if not source.route:
                return Source(source.kind, name)
            if name not in self._routes:
                self._routes[name] = self._bounded("route", MAX_ROUTES)
            return Source(source.kind, name, self._routes[name](source.route))

    def _bounded(self, label: str, most: int) -> Bounded:
        return Bounded(most, lambda: self._overflow(label))
