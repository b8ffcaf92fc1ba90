"""What changes what a Redis store keeps, as steps for both colours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from resilient.entry import Entry
from resilient.errors import StoreError, TransactionError
from resilient.stores.keys import stored_key
from resilient_adapters.redis.asking import Scripts, ask
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.puts import Put, Puts
from resilient_adapters.redis.reading import PAGE, Reading, digest
from resilient_adapters.redis.script import Word
from resilient_adapters.redis.steps import Steps


class Changing:
    """The commands that change entries.

    Args:
        keys: where everything lies.
        scripts: runs scripts.
        reading: reads what a commit expects.
        puts: makes of entries what will lie in Redis.
    """

    def __init__(self, keys: Keys, scripts: Scripts, reading: Reading, puts: Puts) -> None:
        self._keys = keys
        self._scripts = scripts
        self._reading = reading
        self._puts = puts

    @property
    def refused(self) -> int:
        """How many entries were too large to be kept."""
        return self._puts.refused

    def set(self, key: str, entry: Entry) -> Steps[bool]:
        """Writes ``entry``, unless somebody else has taken over the key; whether it was written.

        One that is too large leaves nothing, not even what was there before.
        """
        (put,) = yield from self._puts.of({stored_key(key): entry})
        if put.value and not put.fence and not put.tags:
            ends = ("PX", put.life) if put.life else ()
            yield from ask(("SET", self._keys.entry(put.key), put.value, *ends))
            return True
        what, _ = yield from self._change(puts=[put])
        return what == b"done" and bool(put.value)

    def delete(self, keys: Collection[str]) -> Steps[int]:
        """Removes entries; how many there were."""
        if not keys:
            return 0
        _, count = yield from self._change(deleted=list({stored_key(key) for key in keys}))
        return count

    def commit(
        self, changes: Mapping[str, Entry | None], expected: Mapping[str, Entry | None], tags: Collection[str]
    ) -> Steps[int]:
        """Makes several changes, all or none of them; how many entries it removed."""
        new = {stored_key(key): entry for key, entry in changes.items()}
        puts = yield from self._puts.of({key: entry for key, entry in new.items() if entry is not None})
        deleted = [key for key, entry in new.items() if entry is None]
        while True:
            there = yield from self._reading.expected(expected)
            what, number = yield from self._change(there, puts, [stored_key(tag) for tag in tags], deleted)
            if what == b"done":
                return number
            if what == b"overtaken":
                raise TransactionError(f"somebody else has taken over {puts[number - 1].key!r}; nothing was changed")
            # It was written since it was read just now, be it with what is expected.

    def incr(self, key: str, by: int, expires_at: float) -> Steps[int]:
        """Adds ``by`` to a counter and gives its new value."""
        fresh, life = self._puts.counter(key, expires_at)
        where = [self._keys.entry(stored_key(key))]
        what, *digits = yield from self._scripts.run("add", where, by, fresh, life)
        return self._added(what, digits, by)

    def clear(self) -> Steps[None]:
        """Removes all entries."""
        cursor, begun = 0, False
        while cursor or not begun:
            (answer,) = yield from ask(("SCAN", cursor, "MATCH", self._keys.everything(), "COUNT", PAGE))
            cursor, begun = int(answer[0]), True
            if answer[1]:
                yield from ask(("UNLINK", *answer[1]))

    @staticmethod
    def _added(what: bytes, digits: Sequence[bytes], by: int) -> int:
        """What a counter is now.

        Raises:
            StoreError: nothing was added to it.
        """
        if what == b"no counter":
            raise StoreError("what is kept under this key is no counter, so nothing can be added to it")
        if what != b"done":
            raise StoreError(f"{by} cannot be added to the counter: it would become more than 64 bits can say")
        return int(digits[0])

    def _change(
        self,
        expected: Mapping[str, bytes | None] | None = None,
        puts: Sequence[Put] = (),
        tags: Sequence[str] = (),
        deleted: Sequence[str] = (),
    ) -> Steps[tuple[bytes, int]]:
        """Changes all at once; what has come of it, and how many entries were removed or which one was in the way."""
        keys: list[bytes] = []
        arguments: list[Word] = [len(expected or {})]
        for key, value in (expected or {}).items():
            keys.append(self._keys.entry(key))
            arguments.append(digest(value))
        arguments.append(len(puts))
        for put in puts:
            groups = [self._keys.tag(tag) for tag in put.tags]
            keys += [self._keys.entry(put.key), self._keys.lease(put.key), *groups]
            arguments += [put.value, put.life, put.fence, len(groups)]
        arguments.append(len(tags))
        for tag in tags:
            keys.append(self._keys.tag(tag))
            arguments.append(tag)
        arguments.append(len(deleted))
        keys += map(self._keys.entry, deleted)
        what, number = yield from self._scripts.run("change", keys, *arguments)
        return what, number
