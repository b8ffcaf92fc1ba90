"""Connections for tasks to the nodes of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.cluster.books import Books
from resilient_adapters.redis.cluster.hosts import address_of
from resilient_adapters.redis.cluster.routing import Ask, Outcome, Pause, Router
from resilient_adapters.redis.cluster.slots import Slots
from resilient_adapters.redis.cluster.topology import Topology
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.tasks import Tasks


class ClusterTasks:
    """The connections of all event loops. Nothing is bounded in time here: whoever asks is cancelled in time.

    Args:
        address: how nodes are spoken to.
        topology: who has what.
        sizes: how many connections each loop keeps to each node, and how many it has at most.
    """

    def __init__(self, address: Address, topology: Topology, sizes: tuple[int, int]) -> None:
        self._topology = topology
        self._router = Router(topology)
        self._books: Books[Tasks] = Books(lambda node: Tasks(address_of(node, address), sizes))
        self._known: Slots | None = None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """What the cluster answers to each of ``commands``; what it refuses is an error in its place.

        Raises:
            StoreUnavailableError: a node did not answer; the commands may be done all the same.
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
                await asyncio.sleep(step.seconds)
            elif len(step) == 1:
                outcomes = [await self._outcome(step[0])]
            else:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._outcome(each), name="resilient-redis-asker") for each in step]
                outcomes = [task.result() for task in tasks]

    async def close(self) -> None:
        """Close all connections: those of this loop now, those of others as soon as they have a moment."""
        for book in self._books.close():
            await book.close()

    def close_from_elsewhere(self) -> None:
        """Close all connections as soon as their loops have a moment."""
        for book in self._books.close():
            book.close_from_elsewhere()

    async def _outcome(self, ask: Ask) -> Outcome:
        try:
            async with asyncio.timeout(ask.seconds):
                return await self._books.of(ask.node).ask(ask.commands)
        except StoreError as error:
            return error
        except TimeoutError:
            return StoreUnavailableError(f"the Redis node at {ask.node.host} took too long", kind="timeout")
        except asyncio.CancelledError:
            # Whoever waits gives up, perhaps because the node does not answer.
            self._topology.suspect(ask.node)
            raise

    def _forget_those_that_left(self) -> None:
        slots = self._topology.slots
        if slots is not self._known:
            self._known = slots
            for book in self._books.without(self._topology.nodes()):
                book.close_from_elsewhere()
