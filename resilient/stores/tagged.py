"""Which keys have a tag, in this process's memory."""

from __future__ import annotations

from collections.abc import Collection

TAG_OVERHEAD = 512
"""Bytes of bookkeeping that a tag of an entry costs at most beside its text."""


class Tagged:
    """Keys by tag: exactly those of the entries that are kept. For one thread at a time."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[str, set[str]] = {}

    def add(self, key: str, tags: Collection[str]) -> None:
        """Note that ``key`` has these tags."""
        for tag in tags:
            self._keys.setdefault(tag, set()).add(key)

    def discard(self, key: str, tags: Collection[str]) -> None:
        """Forget that ``key`` has these tags."""
        for tag in tags:
            keys = self._keys.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys[tag]

    def keys(self, tags: Collection[str]) -> set[str]:
        """The keys that have one of these tags or several."""
        return {key for tag in tags for key in self._keys.get(tag, ())}

    def clear(self) -> None:
        """Forget all."""
        self._keys.clear()


def tagging_bytes(tags: Collection[str]) -> int:
    """Bytes that the tags of one entry take."""
    return sum(len(tag) + TAG_OVERHEAD for tag in tags)
