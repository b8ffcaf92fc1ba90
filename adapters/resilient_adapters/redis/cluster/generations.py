"""Groups whose generations their entries note, since they are elsewhere than these."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from resilient.stores.keys import stored_key
from resilient_adapters.redis import values
from resilient_adapters.redis.asking import Scripts, Work, ask
from resilient_adapters.redis.groups import Tagged
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.script import Script
from resilient_adapters.redis.steps import Steps

VERSION = 2
"""Of entries that note generations."""

IN_A_SLOT = Script(Path(__file__).with_name("cluster.lua"), VERSION)
"""The text for one slot of a cluster."""


class Generations:
    """Groups of which an entry is in one as long as that has the generation that the entry has noted.

    Args:
        keys: where everything lies.
        scripts: runs scripts.
    """

    version = VERSION

    def __init__(self, keys: Keys, scripts: Scripts) -> None:
        self._keys = keys
        self._scripts = scripts

    def contain(self, found: Sequence[Tagged]) -> Steps[list[bool]]:
        packed = [values.packed_groups(each.value) for each in found]
        are_alive = yield from self.are_alive(packed)
        # The record is checked, what stands before it is not.
        return [
            is_alive and values.words(words)[::2] == [stored_key(tag).encode() for tag in each.tags]
            for is_alive, words, each in zip(are_alive, packed, found, strict=True)
        ]

    def weigh(self, names: Sequence[bytes]) -> Steps[list[int]]:
        weighed = yield from self._scripts.run_all([Work("weigh", [name], ()) for name in names])
        are_alive = yield from self.are_alive([each[1] for each in weighed if each])
        alive = iter(are_alive)
        return [each[0] if each and next(alive) else 0 for each in weighed]

    def are_alive(self, packed: Sequence[bytes], known: Mapping[bytes, bytes] | None = None) -> Steps[list[bool]]:
        """Whether what noted these generations is in all of its groups.

        Args:
            packed: the words of the groups of each: tags, and their generations.
            known: the generations of tags that need not be asked for.
        """
        noted = [_pairs(words) for words in packed]
        known = known or {}
        asked = list({tag for pairs in noted for tag, _ in pairs if tag not in known})
        scores: list[bytes | None] = []
        if asked:
            scores = yield from ask(*(("ZSCORE", self._group(tag), b"") for tag in asked))
        now = {tag: b"%.0f" % float(score) for tag, score in zip(asked, scores, strict=True) if score is not None}
        now |= known
        return [all(now.get(tag) == generation for tag, generation in pairs) for pairs in noted]

    def joined(self, lives: Iterable[tuple[str, int | str, Collection[str]]]) -> Steps[dict[str, dict[str, bytes]]]:
        """Notes that entries are going to be in their groups; the generations of these, which they have to note.

        Args:
            lives: of each entry its stored key, how many milliseconds it lives, and its tags as stores keep them.
        """
        joins = [(key, tag, life) for key, life, tags in lives for tag in dict.fromkeys(tags)]
        generations = yield from self._scripts.run_all(
            [
                Work("join", [self._keys.tag(tag)], (self._keys.entry(key), life, new_generation()))
                for key, tag, life in joins
            ]
        )
        found: dict[str, dict[str, bytes]] = {}
        for (key, tag, _), generation in zip(joins, generations, strict=True):
            found.setdefault(key, {})[tag] = generation
        return found

    def left(self, removed: Iterable[tuple[bytes, bytes]]) -> Steps[None]:
        """Notes that entries are in their groups no longer: of each its name, and the words of its groups."""
        leaving = [("ZREM", self._group(tag), entry) for entry, words in removed for tag, _ in _pairs(words)]
        if leaving:
            yield from ask(*leaving)

    def _group(self, tag: bytes) -> bytes:
        return self._keys.tag(tag.decode(errors="replace"))


def new_generation() -> bytes:
    """One that no group ever had: higher than any instant, and no number that floating point has not."""
    return b"%d" % (2**51 + int.from_bytes(os.urandom(8), "big") % 2**51)


def _pairs(packed: bytes) -> list[tuple[bytes, bytes]]:
    words = values.words(packed)
    return list(zip(words[::2], words[1::2], strict=False))
