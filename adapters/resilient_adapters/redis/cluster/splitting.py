"""What a command for one server is in a cluster: one for one node, or several whose answers are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

from redis.exceptions import ResponseError

from resilient_adapters.redis.cluster.hosts import Node
from resilient_adapters.redis.cluster.slots import Slots, slot_of
from resilient_adapters.redis.script import Command, Word

Join: TypeAlias = Callable[[list[Any]], Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A command for one node.

    Attributes:
        command: the command.
        slot: what it is about; None if it is about all that a node has.
        node: whom to ask, None for whoever has the slot.
        asking: whether it has to be told that a slot is only on its way to it.
    """

    command: Command
    slot: int | None
    node: Node | None = None
    asking: bool = False

    def sent_to(self, node: Node) -> Request:
        """The same for a node to which the slot is on its way."""
        return replace(self, node=node, asking=True)

    def sent_home(self) -> Request:
        """The same for whoever has the slot."""
        return replace(self, node=None, asking=False)


class Split(NamedTuple):
    """A command in parts.

    Attributes:
        requests: the parts.
        join: makes one answer of theirs.
    """

    requests: list[Request]
    join: Join


def split(command: Command, slots: Slots) -> Split:
    """``command`` in parts, each of which one node can do."""
    name = command[0]
    if name in ("MGET", "UNLINK"):
        # One by one, also where keys lie together: of several a slot that is on its way has some here and some there.
        requests = [Request((name, key), slot_of(_named(key))) for key in command[1:]]
        return Split(requests, _listed if name == "MGET" else _sum)
    if name == "SCAN":
        return _scan(command, slots)
    # Of a script the keys follow its text and their number.
    key = command[3] if name in ("EVALSHA", "EVAL") else command[1]
    return Split([Request(command, slot_of(_named(key)))], _only)


def _scan(command: Command, slots: Slots) -> Split:
    """One page of the keys of one master after the other.

    The cursor says which master it is and goes on with that one's own cursor. If another one is in its place by now,
    its keys lie in another order, so that one begins anew.
    """
    masters = slots.masters
    which, cursor = divmod(_number(command[1]), 2**64)
    place, mark = divmod(which, 2**32)
    place = min(place, len(masters) - 1)
    if mark != _mark(masters[place]):
        cursor = 0
    request = Request(("SCAN", cursor, *command[2:]), None, masters[place])
    return Split([request], partial(_next_page, masters, place))


def _next_page(masters: Sequence[Node], place: int, answers: list[Any]) -> Any:
    (answer,) = answers
    if isinstance(answer, ResponseError):
        return answer
    cursor = int(answer[0])
    if not cursor:
        place += 1
        if place == len(masters):
            return [0, answer[1]]
    return [((place << 32) + _mark(masters[place]) << 64) + cursor, answer[1]]


def _mark(node: Node) -> int:
    return crc32(f"{node.host}:{node.port}".encode())


def _listed(answers: list[Any]) -> Any:
    return _refused(answers) or [value for (value,) in answers]


def _sum(answers: list[Any]) -> Any:
    return _refused(answers) or sum(answers)


def _refused(answers: list[Any]) -> ResponseError | None:
    return next((answer for answer in answers if isinstance(answer, ResponseError)), None)


def _only(answers: list[Any]) -> Any:
    return answers[0]


def _named(word: Word) -> bytes:
    """The name of a key, as all are given here."""
    assert isinstance(word, bytes)
    return word


def _number(word: Word) -> int:
    assert isinstance(word, int)
    return word
