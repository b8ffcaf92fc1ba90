"""Which entries are in the groups of their tags: how a server is asked for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from resilient.stores.keys import stored_key
from resilient_adapters.redis import values
from resilient_adapters.redis.asking import Scripts, ask
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.steps import Steps


class Tagged(NamedTuple):
    """An entry that was read: its stored key, its value, and the tags that its record has."""

    key: str
    value: bytes
    tags: Sequence[str]


class Groups(Protocol):
    """What knows the groups of entries.

    Attributes:
        version: of the entries whose groups it knows.
    """

    version: int

    def contain(self, found: Sequence[Tagged]) -> Steps[list[bool]]:
        """Whether all groups of each entry know it; one that is not known is gone."""
        ...

    def weigh(self, names: Sequence[bytes]) -> Steps[list[int]]:
        """How many bytes the entries of these names have; 0 for one that may not be given back."""
        ...


class OneServer:
    """Groups on a server that has all of them: a group lists its entries.

    One that a group does not know any more is gone: the group was removed, by us, or by a server that needed the room.

    Args:
        keys: where everything lies.
        scripts: runs scripts.
    """

    version = values.VERSION

    def __init__(self, keys: Keys, scripts: Scripts) -> None:
        self._keys = keys
        self._scripts = scripts

    def contain(self, found: Sequence[Tagged]) -> Steps[list[bool]]:
        questions = [
            ("ZSCORE", self._keys.tag(stored_key(tag)), self._keys.entry(each.key))
            for each in found
            for tag in each.tags
        ]
        scores = iter((yield from ask(*questions)))
        return [None not in [next(scores) for _ in each.tags] for each in found]

    def weigh(self, names: Sequence[bytes]) -> Steps[list[int]]:
        sizes: list[int] = yield from self._scripts.run("weigh", names)
        return sizes
