"""The memory store against a model of it that is too simple to be wrong, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from resilient.entry import COUNTER, ENTRY_OVERHEAD, Entry
from resilient.errors import StoreError, TransactionError
from resilient.events import StoreEvicted
from resilient.stores.memory import MemoryStore
from resilient.stores.tagged import tagging_bytes
from resilient.testing import FakeClock

MOST_ENTRIES, MOST_BYTES = 5, 6 * (ENTRY_OVERHEAD + 600)
OWNERS = st.sampled_from(["ann", "bob"])
KEYS = st.sampled_from("abcdefgh")
TAGS = st.lists(st.sampled_from("xyz"), max_size=3).map(tuple)
BODIES = st.sampled_from([b"", b"x" * 700, b"x" * 1500, b"x" * 9000])
TTLS = st.sampled_from([0.0, 1.0, 3.0, 10.0, math.inf])


@dataclass
class Kept:
    entry: Entry
    ends: float
    size: int


class AgainstAModel(RuleBasedStateMachine):
    """The model is a list of pairs, the least recently used first, that is searched from end to end."""

    def __init__(self):
        super().__init__()
        self.clock = FakeClock()
        self.told = 0
        self.store = MemoryStore(MOST_ENTRIES, MOST_BYTES, clock=self.clock, record=self.hear)
        self.kept: list[tuple[str, Kept]] = []
        self.leases: dict[str, tuple[str, int, float]] = {}
        self.fence = self.evicted = self.refused = 0
        self.seen: dict[str, Entry | None] = {}

    def hear(self, event):
        if isinstance(event, StoreEvicted):
            self.told += event.entries

    # --- the model ---

    def living(self, key):
        for name, one in self.kept:
            if name == key and self.clock.now() < one.ends:
                return one.entry
        return None

    def lease(self, name):
        owner, fence, ends = self.leases.get(name, ("", 0, 0.0))
        return (owner, fence) if self.clock.now() < ends else ("", 0)

    def drop(self, keys):
        lived = [key for key in set(keys) if self.living(key) is not None]
        self.kept = [(name, one) for name, one in self.kept if name not in keys]
        return len(lived)

    def put(self, key, entry):
        self.drop([key])
        size = entry.size() + tagging_bytes(entry.tags)
        if size > MOST_BYTES:
            self.refused += 1
            return
        # What has expired does not count here; when it goes is the store's own affair.
        now = self.clock.now()
        living = [(name, one) for name, one in self.kept if now < one.ends]
        while len(living) >= MOST_ENTRIES or sum(one.size for _, one in living) + size > MOST_BYTES:
            living.pop(0)
            self.evicted += 1
        self.kept = [*living, (key, Kept(entry, now + max(0.0, entry.expires_at - self.clock.wall()), size))]

    def overtaken(self, key, entry):
        there = self.living(key)
        return 0 < entry.fence < max(self.lease(key)[1], there.fence if there else 0)

    def entry(self, body, ttl, tags, fence):
        now = self.clock.wall()
        return Entry(body=body, stored_at=now, fresh_until=now, expires_at=now + ttl, tags=tags, fence=fence)

    # --- the steps ---

    @rule(key=KEYS)
    def get(self, key):
        found = self.store.get(key)
        assert found == self.living(key)
        self.seen[key] = found
        for pair in [pair for pair in self.kept if pair[0] == key and found is not None]:
            self.kept.remove(pair)
            self.kept.append(pair)

    @rule(key=KEYS, body=BODIES, ttl=TTLS, tags=TAGS, back=st.integers(0, 3))
    def set(self, key, body, ttl, tags, back):
        fence = 0 if back == 3 else max(0, self.fence - back)
        entry = self.entry(body, ttl, tags, fence)
        overtaken = self.overtaken(key, entry)
        fits = entry.size() + tagging_bytes(entry.tags) <= MOST_BYTES
        assert self.store.set(key, entry) is (fits and not overtaken)
        if not overtaken:
            self.put(key, entry)

    @rule(keys=st.lists(KEYS, max_size=4))
    def delete(self, keys):
        assert self.store.delete(*keys) == self.drop(keys)

    @rule(
        changes=st.dictionaries(KEYS, st.none() | st.tuples(BODIES, TTLS, TAGS), max_size=4),
        tags=TAGS,
        fenced=st.booleans(),
    )
    def commit(self, changes, tags, fenced):
        fence = max(0, self.fence - 1) if fenced else 0
        new = {key: change and self.entry(*change, fence) for key, change in changes.items()}
        expected = self.seen
        stale = [key for key, entry in expected.items() if self.living(key) != entry]
        if stale or any(entry and self.overtaken(key, entry) for key, entry in new.items()):
            with pytest.raises(TransactionError):
                self.store.commit(new, expected=expected, tags=tags)
            self.seen = {}
            return
        removed = self.drop([key for key, one in self.kept if set(tags) & set(one.entry.tags)])
        removed += self.drop([key for key, entry in new.items() if entry is None])
        for key, entry in new.items():
            if entry is not None:
                self.put(key, entry)
        assert self.store.commit(new, expected=expected, tags=tags) == removed

    @rule(key=KEYS, by=st.integers(-5, 5), ttl=TTLS)
    def incr(self, key, by, ttl):
        there = self.living(key)
        ends = self.clock.wall() + ttl
        if there is not None and there.meta != COUNTER:
            with pytest.raises(StoreError):
                self.store.incr(key, by, ends)
            return
        number = by if there is None else int(there.body) + by
        assert self.store.incr(key, by, ends) == number
        born = there or Entry(body=b"", stored_at=self.clock.wall(), fresh_until=ends, expires_at=ends)
        self.put(
            key,
            Entry(
                body=b"%d" % number,
                meta=COUNTER,
                stored_at=born.stored_at,
                fresh_until=born.fresh_until,
                expires_at=born.expires_at,
            ),
        )

    @rule(name=KEYS, owner=OWNERS, ttl=TTLS)
    def acquire(self, name, owner, ttl):
        fence = self.store.acquire(name, owner, ttl)
        if self.lease(name)[0] not in ("", owner):
            assert fence is None
            return
        self.fence += 1
        assert fence == self.fence
        self.leases[name] = (owner, fence, self.clock.now() + ttl)

    @rule(name=KEYS, owner=OWNERS, ttl=TTLS)
    def renew(self, name, owner, ttl):
        held, fence = self.lease(name)
        assert self.store.renew(name, owner, ttl) is (held == owner)
        if held == owner:
            self.leases[name] = (owner, fence, self.clock.now() + ttl)

    @rule(name=KEYS, owner=OWNERS)
    def release(self, name, owner):
        holds = self.lease(name)[0] == owner
        assert self.store.release(name, owner) is holds
        if holds:
            del self.leases[name]

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @precondition(lambda self: len(self.kept) > 3)
    @rule()
    def clear(self):
        self.store.clear()
        self.kept = []

    # --- what holds after every step ---

    @invariant()
    def the_same_entries_in_the_same_order_of_use(self):
        now = self.clock.now()
        assert list(self.store.scan()) == [key for key, one in self.kept if now < one.ends]

    @invariant()
    def the_counts_are_exact(self):
        usage = self.store.usage()
        held = self.store._entries
        assert usage.entries == len(held) <= MOST_ENTRIES
        assert usage.size == sum(one.size() + tagging_bytes(one.tags) for one, _, _ in held.values()) <= MOST_BYTES
        assert (usage.evicted, usage.refused, self.told) == (self.evicted, self.refused, self.evicted)

    @invariant()
    def the_index_holds_the_tags_of_what_is_kept_and_no_others(self):
        pairs = {(tag, key) for tag, keys in self.store._tagged._keys.items() for key in keys}
        assert pairs == {(tag, key) for key, (one, _, _) in self.store._entries.items() for tag in one.tags}
        assert all(self.store._tagged._keys.values())

    @invariant()
    def nothing_grows_without_bound(self):
        assert len(self.store._ends) <= 2 * MOST_ENTRIES + 1_001


def test_it_does_what_its_model_does():
    """Any forty commands in any order, a hundred and fifty times: the same answers, order of use, counts and index."""
    steps = settings(max_examples=150, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(AgainstAModel, settings=steps)
