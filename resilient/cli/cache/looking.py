"""A store that is opened to be looked at."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import NamedTuple, Self

from resilient.caching.http.inspecting import KeptAnswer, kept_answers
from resilient.entry import Entry
from resilient.errors import ConfigurationError
from resilient.ports import Usage
from resilient.runtime.clock import SystemClock
from resilient.stores.registry import open_store

BESIDE = ("http:", "http-mark:")
"""How the keys begin of what belongs to answers; all others are values of functions and commands."""


class Kept(NamedTuple):
    """Something that is kept.

    Attributes:
        key: its key.
        entry: it.
        answer: what it is an answer of, None for a value.
    """

    key: str
    entry: Entry
    answer: KeptAnswer | None


class Looking:
    """A store that is opened to be looked at, in a ``with`` block.

    Args:
        url: where it is.

    Attributes:
        now: the instant, in seconds since the epoch.

    Raises:
        ConfigurationError: it is the memory of this process, or cannot be opened.
    """

    def __init__(self, url: str) -> None:
        if url.partition(":")[0] == "mem":
            raise ConfigurationError("the memory of another process cannot be looked at; give disk:// or redis://")
        clock = SystemClock()
        self._store = open_store(url, clock=clock).blocking
        self.now = clock.wall()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def all(self, begins: str | None = None, place: str | None = None) -> Iterator[Kept]:
        """What is kept.

        Args:
            begins: how its key begins.
            place: a pattern of origin and path; then answers only.
        """
        answers = {answer.key: answer for answer in kept_answers(self._store)}
        for key in self._store.scan(begins or ""):
            answer = answers.get(key)
            if answer is None and (place is not None or key.startswith(BESIDE)):
                continue
            if answer is not None and place is not None and not fnmatch.fnmatchcase(answer.place, place):
                continue
            if (entry := self._store.get(key)) is not None:
                yield Kept(key, entry, answer)

    def remove(self, kept: Iterator[Kept]) -> int:
        """Remove these; how many there were."""
        return sum(self._store.delete(one.key) for one in list(kept))

    def clear(self) -> None:
        """Remove everything."""
        self._store.clear()

    def usage(self) -> Usage:
        """How much is kept."""
        return self._store.usage()
