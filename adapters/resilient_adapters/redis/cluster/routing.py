"""The way of commands to the nodes that can do them, and on to others where those say so; as steps for both colours."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.redis.cluster.hosts import Node
from resilient_adapters.redis.cluster.slots import Slots, node_named, slots_of
from resilient_adapters.redis.cluster.splitting import Request, split
from resilient_adapters.redis.cluster.topology import Topology
from resilient_adapters.redis.pool import UnreachedError
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.trouble import failure

T = TypeVar("T")

_HOPS = 16
"""How often a command is sent at most, from node to node or while its slot is between two."""

_LONGEST_PAUSE = 0.1
"""Seconds before a command is sent again whose slot is between two nodes; the first pause is a tenth of that."""

_LONGEST_ASK = 0.5
"""Seconds that a node has to say who has what, where there is something else to go by."""


class Ask(NamedTuple):
    """What one node is to be asked.

    Attributes:
        node: the node.
        commands: what it is to do.
        seconds: how long it has for that, where whoever waits does not say so.
    """

    node: Node
    commands: list[Command]
    seconds: float | None = None


class Pause(NamedTuple):
    """A while in which nothing is asked."""

    seconds: float


Outcome: TypeAlias = "list[Any] | StoreError"
"""What a node answers to each of its commands, or why it does not."""

Way: TypeAlias = Generator["list[Ask] | Pause", "list[Outcome]", T]
"""Yields what to ask at once, and is sent the outcomes in the same order; or a pause."""


class Router:
    """Finds the way.

    Args:
        topology: who has what.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def route(self, commands: Sequence[Command]) -> Way[list[Any]]:
        """What the cluster answers to each of ``commands``, as one server would that has everything.

        Raises:
            StoreUnavailableError: a node that is needed did not answer; the commands may be done all the same.
        """
        slots = self._topology.slots
        if slots is None or self._topology.is_to_be_asked():
            slots = yield from self._learned()
        parts = [split(command, slots) for command in commands]
        answers = iter((yield from self._answers([request for part in parts for request in part.requests])))
        return [part.join([next(answers) for _ in part.requests]) for part in parts]

    def _answers(self, requests: Sequence[Request]) -> Way[list[Any]]:
        answers: list[Any] = [None] * len(requests)
        waiting: dict[int, Request] = dict(enumerate(requests))
        for hop in range(_HOPS):
            asked = self._by_node(waiting)
            outcomes = yield [Ask(node, _commands(mine.values())) for node, mine in asked.items()]
            waiting = {}
            unreached: dict[Node, StoreError] = {}
            for (node, mine), outcome in zip(asked.items(), outcomes, strict=True):
                if isinstance(outcome, StoreError):
                    self._topology.suspect(node)
                    if not isinstance(outcome, UnreachedError):
                        raise outcome
                    unreached[node] = outcome
                    waiting |= mine
                else:
                    self._topology.trust(node)
                    waiting |= self._sorted(node, mine, outcome, answers)
            if unreached:
                yield from self._others_for(unreached, asked)
            if not waiting:
                return answers
            if any(_is_between_nodes(answers[place]) for place in waiting):
                yield Pause(min(_LONGEST_PAUSE, _LONGEST_PAUSE / 10 * 2**hop))
        raise StoreUnavailableError("a slot of the Redis Cluster is on its way from node to node", kind="busy")

    def _by_node(self, waiting: Mapping[int, Request]) -> dict[Node, dict[int, Request]]:
        found: dict[Node, dict[int, Request]] = {}
        for place, request in waiting.items():
            found.setdefault(request.node or self._owner(request), {})[place] = request
        return found

    def _owner(self, request: Request) -> Node:
        slots = self._topology.slots
        assert slots is not None
        assert request.slot is not None
        # Of a slot that nobody serves any node says so.
        return slots.owners[request.slot] or slots.masters[0]

    def _sorted(
        self, node: Node, mine: Mapping[int, Request], outcome: Sequence[Any], answers: list[Any]
    ) -> dict[int, Request]:
        """Puts what a node has answered in its place; what has to be sent again, and where."""
        again: dict[int, Request] = {}
        given = iter(outcome)
        for place, request in mine.items():
            if request.asking:
                next(given)
            answer = answers[place] = next(given)
            if isinstance(answer, MovedError):
                self._topology.moved(answer.slot_id, _named_in(answer, node))
                again[place] = request.sent_home()
            elif isinstance(answer, AskError):
                again[place] = request.sent_to(_named_in(answer, node))
            elif _is_between_nodes(answer):
                again[place] = request.sent_home()
            elif isinstance(answer, ClusterDownError):
                self._topology.doubt()
        return again

    def _others_for(
        self, unreached: Mapping[Node, StoreError], asked: Mapping[Node, Mapping[int, Request]]
    ) -> Way[None]:
        """Go on if others have by now what nodes have that are not reached.

        Raises:
            StoreUnavailableError: there is one for which nobody stands in.
        """
        if self._still_own(unreached, asked) and self._topology.is_to_be_asked():
            yield from self._learned()
        for node in self._still_own(unreached, asked):
            raise unreached[node]

    def _still_own(self, nodes: Mapping[Node, StoreError], asked: Mapping[Node, Mapping[int, Request]]) -> list[Node]:
        return [
            node
            for node in nodes
            if any((request.node or self._owner(request)) == node for request in asked[node].values())
        ]

    def _learned(self) -> Way[Slots]:
        """Who has what, as another node says now; as it was known before, if that one does not answer."""
        error: StoreError | None = None
        sources = self._topology.sources()
        for node in sources:
            is_last = self._topology.slots is None and node == sources[-1]
            (outcome,) = yield [Ask(node, [("CLUSTER", "SLOTS")], None if is_last else _LONGEST_ASK)]
            if isinstance(outcome, StoreError):
                self._topology.suspect(node)
                error = outcome
            elif isinstance(outcome[0], ResponseError):
                error = failure(outcome[0])
            else:
                self._topology.trust(node)
                slots = slots_of(outcome[0], node)
                if slots.masters:
                    self._topology.learn(slots)
                    return slots
                error = StoreUnavailableError(f"the Redis node at {node.host}:{node.port} belongs to no cluster")
            if self._topology.slots is not None:
                # It stays in doubt, so a later call asks another node.
                return self._topology.slots
        assert error is not None
        raise error


def _commands(requests: Iterable[Request]) -> list[Command]:
    found: list[Command] = []
    for request in requests:
        if request.asking:
            found.append(("ASKING",))
        found.append(request.command)
    return found


def _named_in(answer: Any, asked: Node) -> Node:
    """The node that an answer names."""
    return node_named(answer.host, answer.port, asked)


def _is_between_nodes(answer: Any) -> bool:
    """Whether it says that what was asked for is on its way; a script says so that was begun at the wrong moment."""
    return isinstance(answer, TryAgainError) or (isinstance(answer, ResponseError) and "non local key" in str(answer))
