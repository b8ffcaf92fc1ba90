"""What a Redis store reads, as steps for both colours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial

from resilient.entry import Entry
from resilient.errors import CorruptEntryError, TransactionError
from resilient.events import StoreFailed
from resilient.ports import Usage
from resilient.stores.keys import stored_key
from resilient.stores.parameters import Record
from resilient_adapters.records.life import Lives
from resilient_adapters.records.records import ForeignRecordError
from resilient_adapters.redis import values
from resilient_adapters.redis.asking import Scripts, ask
from resilient_adapters.redis.groups import Groups, Tagged
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.steps import Aside, Steps

NAME = "redis"
PAGE = 512
"""Keys that a server is asked to look at in one go, so that it does not keep others waiting."""


class Reading:
    """The commands that change nothing.

    Args:
        keys: where everything lies.
        scripts: runs scripts.
        groups: knows which entries are in the groups of their tags.
        lives: measures lives.
        max_decoded: bytes; larger bodies are not read.
        record: hears of damaged entries of which no caller does.
    """

    def __init__(
        self, keys: Keys, scripts: Scripts, groups: Groups, lives: Lives, max_decoded: int, record: Record | None
    ) -> None:
        self._keys = keys
        self._scripts = scripts
        self._groups = groups
        self._lives = lives
        self._max_decoded = max_decoded
        self._record = record

    def secret(self) -> Steps[bytes]:
        """The secret beside the entries; makes one unless another process was faster."""
        (secret,) = yield from ask(("GET", self._keys.secret))
        if secret is None:
            made = ("SET", self._keys.secret, os.urandom(32), "NX")
            _, secret = yield from ask(made, ("GET", self._keys.secret))
        return bytes(secret)

    def get(self, key: str) -> Steps[Entry | None]:
        """The entry, unless there is none or it has expired.

        Raises:
            CorruptEntryError: the value is damaged, and deleted; or it is another version's, and left alone.
        """
        key = stored_key(key)
        (value,) = yield from ask(("GET", self._keys.entry(key)))
        if value is None:
            return None
        (found,) = yield from self.entries([(key, value)])
        if isinstance(found, CorruptEntryError):
            if not isinstance(found, ForeignRecordError):
                yield from self._scripts.run("mend", [self._keys.entry(key)], digest(value))
            raise found
        return found

    def get_many(self, asked: Sequence[str]) -> Steps[list[Entry | None]]:
        """The entries of several keys, in their order; one that is damaged counts as none."""
        if not asked:
            return []
        keys = [stored_key(key) for key in asked]
        (answer,) = yield from ask(("MGET", *map(self._keys.entry, keys)))
        there = [(key, value) for key, value in zip(keys, answer, strict=True) if value is not None]
        found = yield from self.entries(there)
        for entry in found:
            if isinstance(entry, CorruptEntryError) and self._record is not None:
                self._record(StoreFailed(store=NAME, operation="get", kind="corrupt", rejected=entry.rejected))
        entries = {key: _or_none(entry) for (key, _), entry in zip(there, found, strict=True)}
        return [entries.get(key) for key in keys]

    def entries(self, found: Sequence[tuple[str, bytes]]) -> Steps[list[Entry | CorruptEntryError | None]]:
        """What may be given back of the values of stored keys; of a damaged one, what is the matter."""
        weight = sum(values.weight(value) for _, value in found)
        entries: list[Entry | CorruptEntryError | None] = yield Aside(partial(self._decoded, found), weight)
        tagged = {
            place: Tagged(*pair, entry.tags)
            for place, (pair, entry) in enumerate(zip(found, entries, strict=True))
            if isinstance(entry, Entry) and entry.tags
        }
        if tagged:
            are_in = yield from self._groups.contain(list(tagged.values()))
            for place, is_in in zip(tagged, are_in, strict=True):
                if not is_in:
                    entries[place] = None
        return entries

    def expected(self, expected: Mapping[str, Entry | None]) -> Steps[dict[str, bytes | None]]:
        """The values of entries that are what they are expected to be, by stored keys.

        Raises:
            TransactionError: one of them is not.
        """
        if not expected:
            return {}
        keys = [stored_key(key) for key in expected]
        (there,) = yield from ask(("MGET", *map(self._keys.entry, keys)))
        pairs = [(key, value) for key, value in zip(keys, there, strict=True) if value is not None]
        read = yield from self.entries(pairs)
        found = {key: entry for (key, _), entry in zip(pairs, read, strict=True) if isinstance(entry, Entry)}
        for key, entry in expected.items():
            if found.get(stored_key(key)) != entry:
                raise TransactionError(f"{key!r} has changed since it was read; nothing was changed")
        return dict(zip(keys, there, strict=True))

    def page(self, cursor: int, prefix: str) -> Steps[tuple[int, list[tuple[str, int]]]]:
        """Some of the keys that start with ``prefix`` and have not expired, each with its bytes, perhaps twice.

        Args:
            cursor: 0 to begin, then what the page before says.
            prefix: how the keys start.

        Returns:
            The cursor of the next page, 0 if there is none; and the keys.
        """
        (answer,) = yield from ask(("SCAN", cursor, "MATCH", self._keys.entries(prefix), "COUNT", PAGE))
        following, names = int(answer[0]), answer[1]
        sizes: list[int] = []
        if names:
            sizes = yield from self._groups.weigh(names)
        pairs = zip(names, sizes, strict=True)
        return following, [(self._keys.key_of(name), size) for name, size in pairs if size]

    def usage(self, refused: int) -> Steps[Usage]:
        """How much is kept, and how many entries were not, being too large."""
        sizes: dict[str, int] = {}
        cursor, page = yield from self.page(0, "")
        sizes.update(page)
        while cursor:
            cursor, page = yield from self.page(cursor, "")
            sizes.update(page)
        return Usage(entries=len(sizes), size=sum(sizes.values()), refused=refused)

    def _decoded(self, found: Sequence[tuple[str, bytes]]) -> list[Entry | CorruptEntryError | None]:
        return [self._entry(key, value) for key, value in found]

    def _entry(self, key: str, value: bytes) -> Entry | CorruptEntryError | None:
        try:
            entry, life = values.decode(key, value, max_decoded=self._max_decoded, version=self._groups.version)
        except CorruptEntryError as error:
            return error
        return entry if self._lives.goes_on(entry, life) else None


def digest(value: bytes | None) -> str:
    """What stands for a value in a script, nothing for none."""
    return "" if value is None else hashlib.sha1(value, usedforsecurity=False).hexdigest()


def _or_none(found: Entry | CorruptEntryError | None) -> Entry | None:
    return found if isinstance(found, Entry) else None
