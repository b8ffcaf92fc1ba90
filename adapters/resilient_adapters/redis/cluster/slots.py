"""Which node has which slot, as a node says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from resilient_adapters.redis.cluster.hosts import Node

COUNT = REDIS_CLUSTER_HASH_SLOTS


def slot_of(key: bytes) -> int:
    """The slot that a name belongs to."""
    return key_slot(key)


@dataclass(frozen=True, slots=True)
class Slots:
    """Who has what.

    Attributes:
        owners: the master of each slot; None where nobody serves it.
        masters: those that have slots, by the lowest that each had when a node said so.
        nodes: all that are known, replicas too.
    """

    owners: tuple[Node | None, ...]
    masters: tuple[Node, ...]
    nodes: frozenset[Node]

    def with_owner(self, slot: int, owner: Node) -> Slots:
        """The same, but for one slot."""
        owners = (*self.owners[:slot], owner, *self.owners[slot + 1 :])
        return Slots(owners, tuple(dict.fromkeys((*self.masters, owner))), self.nodes | {owner})


def slots_of(answer: Sequence[Any], asked: Node) -> Slots:
    """What ``CLUSTER SLOTS`` says.

    Args:
        answer: ranges, each its first and last slot, its master and its replicas; a node begins with host and port.
        asked: who answered; a host that it does not know is its own.
    """
    owners: list[Node | None] = [None] * COUNT
    masters: list[Node] = []
    nodes: set[Node] = set()
    for first, last, *named in sorted(answer, key=lambda each: int(each[0])):
        master, *replicas = [node_named(node[0], node[1], asked) for node in named]
        owners[first : last + 1] = [master] * (last + 1 - first)
        masters.append(master)
        nodes |= {master, *replicas}
    return Slots(tuple(owners), tuple(dict.fromkeys(masters)), frozenset(nodes))


def node_named(host: bytes | str | None, port: int, asked: Node) -> Node:
    """The node of that name."""
    text = host.decode() if isinstance(host, bytes) else host
    return Node(text if text and text != "?" else asked.host, port)
