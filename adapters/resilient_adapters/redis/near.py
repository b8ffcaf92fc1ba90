"""The commands of a store with copies in this process's memory: read from there, written through, as steps."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from resilient.entry import Entry
from resilient.ports import Usage
from resilient.stores.keys import stored_key
from resilient_adapters.redis.changing import Changing
from resilient_adapters.redis.copies import Copies, Mark
from resilient_adapters.redis.leases import Leases
from resilient_adapters.redis.reading import Reading
from resilient_adapters.redis.steps import Aside, Steps
from resilient_adapters.redis.tracking import Tracking

T = TypeVar("T")


class NearReading(Reading):
    """Reads copies where there are any, and keeps a copy of what it has to ask for.

    Args:
        copies: the copies.
        link: tells of changes from the first reading on; None if nobody tells.
        rest: as of :class:`Reading`.
    """

    def __init__(self, copies: Copies, link: Tracking | None, *rest: Any) -> None:
        super().__init__(*rest)
        self._copies = copies
        self._link = link

    def secret(self) -> Steps[bytes]:
        known = self._copies.known_secret
        if known is not None:
            return known
        mark = self._mark()
        secret = yield from super().secret()
        self._copies.keep_secret(secret, mark)
        return secret

    def get(self, key: str) -> Steps[Entry | None]:
        key = stored_key(key)
        entry = self._copies.get(key)
        if entry is not None:
            return entry
        mark = self._mark()
        lives: dict[bytes, int] = {}
        entry = yield from _with_lives(super().get(key), lives)
        self._keep(key, entry, lives, mark)
        return entry

    def get_many(self, asked: Sequence[str]) -> Steps[list[Entry | None]]:
        keys = [stored_key(key) for key in asked]
        found = {key: self._copies.get(key) for key in keys}
        missing = [key for key, entry in found.items() if entry is None]
        mark = self._mark()
        lives: dict[bytes, int] = {}
        read = yield from _with_lives(super().get_many(missing), lives)
        for key, entry in zip(missing, read, strict=True):
            self._keep(key, entry, lives, mark)
            found[key] = entry
        return [found[key] for key in keys]

    def usage(self, refused: int) -> Steps[Usage]:
        usage = yield from super().usage(refused)
        return replace(usage, copies=self._copies.usage().entries)

    def _mark(self) -> Mark:
        if self._link is not None:
            self._link.start()
        return self._copies.mark()

    def _keep(self, key: str, entry: Entry | None, lives: Mapping[bytes, int], mark: Mark) -> None:
        life = lives.get(self._keys.entry(key), _GONE)
        if entry is not None and life != _GONE:
            self._copies.keep(key, entry, math.inf if life == _FOR_EVER else life / 1000, mark)


class NearChanging(Changing):
    """Writes through, and drops the copies of what it changes before and after.

    Args:
        copies: the copies.
        rest: as of :class:`Changing`.
    """

    def __init__(self, copies: Copies, *rest: Any) -> None:
        super().__init__(*rest)
        self._copies = copies

    def set(self, key: str, entry: Entry) -> Steps[bool]:
        with self._copies.losing([stored_key(key)]):
            return (yield from super().set(key, entry))

    def delete(self, keys: Collection[str]) -> Steps[int]:
        with self._copies.losing([stored_key(key) for key in keys]):
            return (yield from super().delete(keys))

    def commit(
        self, changes: Mapping[str, Entry | None], expected: Mapping[str, Entry | None], tags: Collection[str]
    ) -> Steps[int]:
        with self._copies.losing([stored_key(key) for key in changes], tags):
            return (yield from super().commit(changes, expected, tags))

    def incr(self, key: str, by: int, expires_at: float) -> Steps[int]:
        with self._copies.losing([stored_key(key)]):
            return (yield from super().incr(key, by, expires_at))

    def clear(self) -> Steps[None]:
        yield from super().clear()
        self._copies.empty()


class NearLeases(Leases):
    """Leases, whose new holder reads what the last one wrote.

    Args:
        copies: the copies.
        rest: as of :class:`Leases`.
    """

    def __init__(self, copies: Copies, *rest: Any) -> None:
        super().__init__(*rest)
        self._copies = copies

    def acquire(self, name: str, owner: str, ttl: float) -> Steps[int | None]:
        fence = yield from super().acquire(name, owner, ttl)
        if fence is not None:
            # The word that the last holder wrote may still be on its way.
            self._copies.lose([stored_key(name)])
        return fence


_GONE, _FOR_EVER = -2, -1
"""What a server says of a life in place of its length."""


def _with_lives(steps: Steps[T], lives: dict[bytes, int]) -> Steps[T]:
    """Takes ``steps``; of all that they read it asks beside how many milliseconds the server will keep it."""
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(step, Aside):
            answer = yield step
            continue
        names: list[Any] = [name for command in step if command[0] in ("GET", "MGET") for name in command[1:]]
        answers = yield [*step, *(("PTTL", name) for name in names)]
        said = zip(names, answers[len(step) :], strict=True)
        lives.update((name, life) for name, life in said if isinstance(life, int))
        answer = answers[: len(step)]
