"""What a middleware of a cache sees of an entry, and how a changed value becomes one again."""

from __future__ import annotations

from typing import Protocol

from resilient.caching.codec import ENCODING, Codec
from resilient.entry import Entry


class Coding(Protocol):
    """What a middleware sees of an entry: a function's value, or a response's entry as it is."""

    def value_of(self, key: str, entry: Entry) -> object:
        """The value that ``entry`` keeps."""
        ...

    def entry_of(self, key: str, value: object, like: Entry) -> Entry:
        """An entry that keeps ``value`` with the times of ``like``."""
        ...


class Values:
    """The coding of functions."""

    __slots__ = ("codec",)

    def __init__(self, codec: Codec) -> None:
        self.codec = codec

    def value_of(self, key: str, entry: Entry) -> object:
        """The value, the caller's own."""
        return self.codec.decode(key, entry)

    def entry_of(self, key: str, value: object, like: Entry) -> Entry:
        """The value, encoded; what the metadata says beside the encoding stays."""
        body, meta, ready = self.codec.encode(key, value)
        beside = {name: said for name, said in like.meta.items() if name not in ENCODING}
        return like.with_body(body, {**beside, **meta} if beside else meta).ready(ready)


class AsTheyAre:
    """The coding of responses: middlewares see the entries themselves."""

    def value_of(self, key: str, entry: Entry) -> object:
        """The entry."""
        return entry

    def entry_of(self, key: str, value: object, like: Entry) -> Entry:
        """What a middleware made of the entry."""
        return value if isinstance(value, Entry) else like
