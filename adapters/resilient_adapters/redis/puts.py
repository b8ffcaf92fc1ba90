"""What entries are made into before they are written to Redis."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from resilient.entry import Entry
from resilient.locks import fork_safe_lock
from resilient.ports import Clock
from resilient.stores.counters import incremented
from resilient.stores.keys import stored_key
from resilient_adapters.records.codecs import Codec
from resilient_adapters.records.life import Lives
from resilient_adapters.redis import values
from resilient_adapters.redis.steps import Aside, Steps
from resilient_adapters.redis.times import Times


class Put(NamedTuple):
    """An entry as it will lie in Redis; without a value there will be none."""

    key: str
    value: bytes
    life: int | str
    fence: int
    tags: list[str]


class Puts:
    """Makes of entries what will lie in Redis.

    Args:
        clock: what tells the time.
        codec: compresses bodies; None for none.
        max_decoded: bytes; larger bodies are not written.
        version: of what will lie there.

    Attributes:
        refused: how many entries were too large to be kept.
    """

    def __init__(self, clock: Clock, codec: Codec | None, max_decoded: int, version: int = values.VERSION) -> None:
        self._wall = clock.wall
        self._times, self._lives = Times(clock), Lives(clock)
        self._codec = codec
        self._max_decoded = max_decoded
        self._version = version
        self._lock = fork_safe_lock()
        self.refused = 0

    def of(
        self, entries: Mapping[str, Entry], generations: Mapping[str, Mapping[str, bytes]] | None = None
    ) -> Steps[list[Put]]:
        """Several entries by their stored keys.

        Args:
            entries: the entries.
            generations: of the tags of each, where they have any.
        """
        weight = sum(len(entry.body) for entry in entries.values())
        puts: list[Put] = yield Aside(partial(self._encoded, entries, generations or {}), weight)
        return puts

    def life(self, entry: Entry) -> int | str:
        """Milliseconds that a server keeps it; empty for ever."""
        return self._times.life(entry.expires_at)

    def counter(self, key: str, expires_at: float) -> tuple[bytes, int | str]:
        """The value of a new counter, and its life."""
        key = stored_key(key)
        new = incremented(None, 0, self._wall(), expires_at)
        value = values.encode(key, new, self._lives.of(new), None, version=self._version)
        return value, self._times.life(expires_at)

    def _encoded(self, entries: Mapping[str, Entry], generations: Mapping[str, Mapping[str, bytes]]) -> list[Put]:
        return [self._put(key, entry, generations.get(key, {})) for key, entry in entries.items()]

    def _put(self, key: str, entry: Entry, generations: Mapping[str, bytes]) -> Put:
        tags = [stored_key(tag) for tag in entry.tags]
        value = b""
        if len(entry.body) <= self._max_decoded:
            # Where tags have generations, each stands after its tag.
            words = [word for tag in tags for word in (tag.encode(), generations.get(tag)) if word is not None]
            life = self._lives.of(entry)
            value = values.encode(key, entry, life, self._codec, groups=words, version=self._version)
        else:
            with self._lock:
                self.refused += 1
        return Put(key, value, self.life(entry), entry.fence, tags)
