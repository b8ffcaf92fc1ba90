"""Connections for threads to the nodes of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.cluster.books import Books
from resilient_adapters.redis.cluster.hosts import Node, address_of
from resilient_adapters.redis.cluster.routing import Ask, Outcome, Pause, Router
from resilient_adapters.redis.cluster.slots import Slots
from resilient_adapters.redis.cluster.topology import Topology
from resilient_adapters.redis.line import Line
from resilient_adapters.redis.pool import Pool
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.threads import Sent, Threads


class ClusterThreads:
    """The connections of all threads.

    Args:
        address: how nodes are spoken to.
        topology: who has what.
        pool: makes a pool for one node.
    """

    def __init__(self, address: Address, topology: Topology, pool: Callable[[], Pool[Line]]) -> None:
        self._address = address
        self._make_pool = pool
        self._topology = topology
        self._router = Router(topology)
        self.renew()

    def renew(self) -> None:
        """Start with nothing open; also in a child process, where nothing that was open may be used."""
        self._books: Books[Threads] = Books(self._of)
        self._known: Slots | None = None

    def ask(self, commands: Sequence[Command], ends: float) -> list[Any]:
        """What the cluster answers to each of ``commands``; what it refuses is an error in its place.

        Args:
            commands: sent at once, where no answer says that they belong elsewhere.
            ends: the instant of the monotonic clock until which this thread waits at most.

        Raises:
            StoreUnavailableError: a node did not answer, or not in time; the commands may be done all the same.
        """
        way = self._router.route(commands)
        outcomes: Any = None
        while True:
            try:
                step = way.send(outcomes)
            except StopIteration as end:
                answers: list[Any] = end.value
                self._forget_those_that_left()
                return answers
            if isinstance(step, Pause):
                _pause(step.seconds, ends)
            else:
                outcomes = self._outcomes(step, ends)

    def close(self) -> None:
        """Close all connections; those in use once they are given back."""
        for book in self._books.close():
            book.close()

    def _of(self, node: Node) -> Threads:
        return Threads(address_of(node, self._address), self._make_pool)

    def _outcomes(self, asks: Sequence[Ask], ends: float) -> list[Outcome]:
        found: dict[Node, Outcome] = {}
        under_way: dict[Node, tuple[Threads, Sent, float]] = {}
        try:
            # Who waits for a connection may hold others. All do so in one order, so nobody waits in a circle.
            for node, commands, seconds in sorted(asks, key=lambda ask: ask.node):
                its_end = ends if seconds is None else min(ends, time.monotonic() + seconds)
                try:
                    book = self._books.of(node)
                    under_way[node] = book, book.send(commands, its_end), its_end
                except StoreError as error:
                    found[node] = error
            while under_way:
                node, (book, sent, its_end) = under_way.popitem()
                try:
                    found[node] = book.read(sent, its_end)
                except StoreError as error:
                    found[node] = error
        finally:
            for book, sent, _ in under_way.values():
                book.drop(sent)
        return [found[ask.node] for ask in asks]

    def _forget_those_that_left(self) -> None:
        slots = self._topology.slots
        if slots is not self._known:
            self._known = slots
            for book in self._books.without(self._topology.nodes()):
                book.close()


def _pause(seconds: float, ends: float) -> None:
    left = ends - time.monotonic()
    if left < seconds:
        raise StoreUnavailableError("a slot of the Redis Cluster is between two nodes", kind="busy")
    time.sleep(seconds)
