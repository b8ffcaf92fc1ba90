"""What is known of a cluster, for both colours, and whether that is still believed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from resilient.locks import fork_safe_lock
from resilient_adapters.redis.cluster.hosts import Node
from resilient_adapters.redis.cluster.slots import Slots

_REST = 0.1
"""Seconds between two times that the nodes are asked who has what, while that is doubted."""


class Topology:
    """Who has what, as far as it is known.

    It is doubted once a node says that a slot has moved, or does not answer. Then one call in a while asks anew.

    Args:
        seeds: nodes that are known beforehand.

    Attributes:
        slots: who has what; None before any node was asked.
    """

    def __init__(self, seeds: Sequence[Node]) -> None:
        self._seeds = tuple(seeds)
        self._lock = fork_safe_lock()
        self._suspects: frozenset[Node] = frozenset()
        self._is_doubted = False
        self._asked_at = float("-inf")
        self._turn = 0
        self.slots: Slots | None = None

    def learn(self, slots: Slots) -> None:
        """Believe what a node says."""
        with self._lock:
            self.slots, self._is_doubted = slots, False

    def moved(self, slot: int, owner: Node) -> None:
        """A node says that a slot is not its own, but another one's: more may have moved."""
        with self._lock:
            if self.slots is not None and self.slots.owners[slot] != owner:
                self.slots = self.slots.with_owner(slot, owner)
            self._is_doubted = True

    def doubt(self) -> None:
        """A node says that something is wrong."""
        with self._lock:
            self._is_doubted = True

    def suspect(self, node: Node) -> None:
        """It does not answer: others may have taken over what it has, and it is not the one to ask."""
        with self._lock:
            self._suspects |= {node}
            self._is_doubted = True

    def trust(self, node: Node) -> None:
        """It has answered."""
        if node in self._suspects:
            with self._lock:
                self._suspects -= {node}

    def is_to_be_asked(self) -> bool:
        """Whether it is this caller's turn to ask who has what."""
        if not self._is_doubted:
            return False
        with self._lock:
            now = time.monotonic()
            if now - self._asked_at < _REST:
                return False
            self._asked_at = now
        return True

    def nodes(self) -> set[Node]:
        """All that are known."""
        return {*self._seeds, *(self.slots.nodes if self.slots is not None else ())}

    def sources(self) -> list[Node]:
        """Whom to ask who has what: each time another one first, and those that do not answer last."""
        with self._lock:
            self._turn += 1
            turn = self._turn
        nodes = list(self._seeds) if self.slots is None else sorted(self.nodes())
        start = turn % len(nodes)
        return sorted(nodes[start:] + nodes[:start], key=self._suspects.__contains__)
