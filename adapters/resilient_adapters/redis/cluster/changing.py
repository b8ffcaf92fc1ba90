"""What changes what a cluster keeps, as steps for both colours: at once in one slot, one by one in several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from resilient.entry import Entry
from resilient.errors import ScatteredError, TransactionError
from resilient.stores.keys import stored_key
from resilient_adapters.redis.asking import Scripts, Work, ask
from resilient_adapters.redis.changing import Changing
from resilient_adapters.redis.cluster.generations import Generations, new_generation
from resilient_adapters.redis.cluster.slots import slot_of
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.near import NearChanging
from resilient_adapters.redis.puts import Put, Puts
from resilient_adapters.redis.reading import PAGE, Reading, digest
from resilient_adapters.redis.script import Word
from resilient_adapters.redis.steps import Steps


class _Gone(NamedTuple):
    """A group that was removed: its tag, the generation that it had, and the names of those that had joined it."""

    tag: str
    generation: bytes
    entries: list[bytes]


class ClusterChanging(Changing):
    """The commands that change entries.

    Args:
        keys: where everything lies.
        scripts: runs scripts.
        groups: knows which entries are in the groups of their tags.
        reading: reads what a commit expects.
        puts: makes of entries what will lie in Redis.
    """

    def __init__(self, keys: Keys, scripts: Scripts, groups: Generations, reading: Reading, puts: Puts) -> None:
        super().__init__(keys, scripts, reading, puts)
        self._groups = groups

    def set(self, key: str, entry: Entry) -> Steps[bool]:
        (put,) = yield from self._joined({stored_key(key): entry})
        if put.value and not put.fence:
            ends = ("PX", put.life) if put.life else ()
            yield from ask(("SET", self._keys.entry(put.key), put.value, *ends))
            return True
        what, *_ = yield from self._change_together({}, [put], {}, [])
        return what == b"done" and bool(put.value)

    def delete(self, keys: Collection[str]) -> Steps[int]:
        names = [self._keys.entry(key) for key in {stored_key(key) for key in keys}]
        removed = yield from self._scripts.run_all([Work("remove", [name], ()) for name in names])
        return (yield from self._counted(zip(names, removed, strict=True)))

    def commit(
        self, changes: Mapping[str, Entry | None], expected: Mapping[str, Entry | None], tags: Collection[str]
    ) -> Steps[int]:
        gone = list(dict.fromkeys(map(stored_key, tags)))
        if not changes and not expected:
            # A group is removed in one step, and nothing hangs on the others.
            turned = yield from self._scripts.run_all([Work("turn", [self._keys.tag(tag)], ()) for tag in gone])
            return (yield from self._swept(_gone(gone, turned)))
        self._see_that_they_lie_together({**expected, **changes}, gone)
        new = {stored_key(key): entry for key, entry in changes.items()}
        fresh = {tag: new_generation() for tag in gone}
        puts = yield from self._joined({key: entry for key, entry in new.items() if entry is not None}, fresh)
        deleted = [key for key, entry in new.items() if entry is None]
        while True:
            there = yield from self._reading.expected(expected)
            what, *done = yield from self._change_together(there, puts, fresh, deleted)
            if what == b"done":
                removed, turned = done
                groups = _gone(gone, turned)
                alive = yield from self._groups.are_alive(removed, _generations(groups))
                return sum(alive) + (yield from self._swept(groups))
            if what == b"overtaken":
                number: int = done[0]
                raise TransactionError(f"somebody else has taken over {puts[number - 1].key!r}; nothing was changed")
            # It was written since it was read just now, be it with what is expected.

    def incr(self, key: str, by: int, expires_at: float) -> Steps[int]:
        fresh, life = self._puts.counter(key, expires_at)
        where = [self._keys.entry(stored_key(key))]
        known: tuple[bytes, str] = b"", ""
        while True:
            what, *said = yield from self._scripts.run("add", where, by, fresh, life, *known)
            if what != b"has groups":
                return self._added(what, said, by)
            (is_alive,) = yield from self._groups.are_alive(said)
            known = said[0], "alive" if is_alive else ""

    def _change_together(
        self,
        expected: Mapping[str, bytes | None],
        puts: Sequence[Put],
        fresh: Mapping[str, bytes],
        deleted: Sequence[str],
    ) -> Steps[list[Any]]:
        """Changes all at once in one slot; what has come of it."""
        keys: list[bytes] = []
        arguments: list[Word] = [len(expected)]
        for key, value in expected.items():
            keys.append(self._keys.entry(key))
            arguments.append(digest(value))
        arguments.append(len(puts))
        for put in puts:
            # A lease that nobody asks for is not named: while a slot moves, names of what is not there are in the way.
            keys += [self._keys.entry(put.key), *([self._keys.lease(put.key)] if put.fence else ())]
            arguments += [put.value, put.life, put.fence]
        joins = [(put, tag) for put in puts for tag in fresh if tag in put.tags and put.value]
        joined = {tag for _, tag in joins}
        arguments.append(len(fresh))
        for tag, generation in fresh.items():
            keys.append(self._keys.tag(tag))
            arguments += [tag, generation if tag in joined else b""]
        arguments.append(len(deleted))
        keys += map(self._keys.entry, deleted)
        arguments.append(len(joins))
        for put, tag in joins:
            keys.append(self._keys.tag(tag))
            arguments += [self._keys.entry(put.key), put.life, fresh[tag]]
        answer: list[Any] = yield from self._scripts.run("change", keys, *arguments)
        return answer

    def _joined(self, entries: Mapping[str, Entry], fresh: Mapping[str, bytes] | None = None) -> Steps[list[Put]]:
        """What is to be written, which has noted the generations of its groups; those in ``fresh`` are to come."""
        fresh = fresh or {}
        tags = {key: [stored_key(tag) for tag in entry.tags] for key, entry in entries.items()}
        generations = yield from self._groups.joined(
            (key, self._puts.life(entry), [tag for tag in tags[key] if tag not in fresh])
            for key, entry in entries.items()
        )
        noted = {key: {**fresh, **generations.get(key, {})} for key in entries if tags[key]}
        return (yield from self._puts.of(entries, noted))

    def _counted(self, removed: Iterable[tuple[bytes, bytes | None]]) -> Steps[int]:
        """How many of the entries that were removed were alive; none of them is in a group any longer."""
        there = [(name, words) for name, words in removed if words is not None]
        alive = yield from self._groups.are_alive([words for _, words in there])
        yield from self._groups.left((name, words) for name, words in there if name)
        return sum(alive)

    def _swept(self, gone: Sequence[_Gone]) -> Steps[int]:
        """Removes what was in groups that are gone; how many entries were alive till then.

        They count as gone already. This makes room, and counts them.
        """
        known = _generations(gone)
        count = 0
        for group in gone:
            for start in range(0, len(group.entries), PAGE):
                page = group.entries[start : start + PAGE]
                told = (group.tag, group.generation)
                dropped = yield from self._scripts.run_all([Work("drop", [name], told) for name in page])
                alive = yield from self._groups.are_alive([words for words in dropped if words], known)
                count += sum(alive)
        return count

    def _see_that_they_lie_together(self, keys: Collection[str], tags: Collection[str]) -> None:
        """Refuse what no server of a cluster can do at once.

        Raises:
            ScatteredError: it lies in several slots.
        """
        places: dict[int, list[str]] = {}
        for key in keys:
            places.setdefault(slot_of(self._keys.entry(stored_key(key))), []).append(key)
        if len({*places, *(slot_of(self._keys.tag(tag)) for tag in tags)}) > 1:
            raise ScatteredError(tuple(map(tuple, places.values())))


class NearClusterChanging(NearChanging, ClusterChanging):
    """The same, where copies are kept in this process's memory."""


def _gone(tags: Sequence[str], turned: Sequence[tuple[bytes, list[bytes]]]) -> list[_Gone]:
    return [_Gone(tag, *each) for tag, each in zip(tags, turned, strict=True)]


def _generations(gone: Sequence[_Gone]) -> dict[bytes, bytes]:
    """What the generations of these groups were."""
    return {group.tag.encode(): group.generation for group in gone}
