"""What the disk store promises of tags, commits and counters beyond the contract."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from dataclasses import replace

import pytest

from resilient.errors import StoreError, StoreUnavailableError, TransactionError
from resilient.events import StoreFailed
from resilient_adapters.sqlite import schema, store, upkeep


def tags_of(connection):
    """What is in the table of tags, by key; a row whose entry is gone has the key None."""
    rows = "SELECT key, tag FROM tags LEFT JOIN entries ON entries.id = tags.entry"
    return sorted(connection.execute(rows).fetchall(), key=str)


def test_a_tag_leaves_with_its_entry(disk, raw, make, clock):
    """However it goes: deleted, replaced, damaged, expired, cleared, or by another program's hand."""
    pair = disk()
    names = ("kept", "deleted", "replaced", "retagged", "damaged", "expired", "refused", "by hand")
    pair.blocking.commit({key: make(tags=(key, "t"), ttl=1.0 if key == "expired" else 1e6) for key in names})
    one = raw()
    assert len(tags_of(one)) == 2 * len(names)
    pair.blocking.delete("deleted")
    pair.blocking.set("replaced", make(ttl=1e6))
    pair.blocking.set("retagged", make(tags=("other",), ttl=1e6))
    one.execute("UPDATE entries SET record = x'00' WHERE key = 'damaged'")
    with pytest.raises(StoreError):
        pair.blocking.get("damaged")
    pair.blocking.set("refused", make(b"x" * (64 * 2**20 + 1), tags=("t",)))
    one.execute("DELETE FROM entries WHERE key = 'by hand'")
    clock.advance(upkeep.SWEEP_EVERY + 1)
    pair.blocking.set("after", make())
    assert tags_of(one) == [("kept", "kept"), ("kept", "t"), ("retagged", "other")]
    pair.blocking.clear()
    assert tags_of(one) == []


def test_a_tag_leaves_with_an_entry_that_is_dropped_for_room(disk, raw, make):
    """By bytes and by number."""
    pair = disk(max_bytes="1MiB", size=100, compress=None)
    for number in range(300):
        pair.blocking.set(f"{number:03}", make(b"x" * (20_000 if number < 150 else 10), tags=("t", f"{number:03}")))
    kept = sorted(pair.blocking.scan())
    assert 0 < len(kept) < 150
    assert tags_of(raw()) == sorted([(key, "t") for key in kept] + [(key, key) for key in kept])
    assert pair.blocking.usage().evicted == 300 - len(kept)
    assert pair.blocking.commit({}, tags=["t"]) > 0
    assert list(pair.blocking.scan()) == tags_of(raw()) == []


def test_an_entry_without_tags_pays_nothing_for_those_of_others(disk, make, monkeypatch):
    """Its writing is one statement and its deleting asks nothing of the table of tags, whatever is in there."""
    connect, said = schema.connect, []

    def traced(path, timeout):
        connection = connect(path, timeout)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(schema, "connect", traced)
    pair = disk()

    def asked(work):
        said.clear()
        work()
        return [statement.split(" (")[0] for statement in dict.fromkeys(said)]

    assert "INSERT OR IGNORE INTO tags" in asked(lambda: pair.blocking.set("tagged", make(tags=("t",))))
    for _ in range(2):
        written = asked(lambda: pair.blocking.set("k", make()))
        assert written == ["BEGIN IMMEDIATE", "INSERT INTO entries", "COMMIT"]
    assert not any("tags" in statement for statement in asked(lambda: pair.blocking.delete("k")))


def test_a_commit_that_cannot_be_written_to_its_end_is_undone(disk, make, raw):
    """What it had deleted and written already comes back; what was written in the same transaction stays."""
    pair = disk()
    pair.blocking.set("old", make(b"old", tags=("t",)))
    holder = raw()
    impossible = replace(make(), expires_at=math.nan)

    async def main():
        holder.execute("BEGIN IMMEDIATE")
        work = [
            pair.tasks.set("before", make()),
            pair.tasks.commit({"new": make(), "old": None, "odd": impossible}, tags=["t"]),
            pair.tasks.set("after", make()),
        ]
        tasks = [asyncio.create_task(one) for one in work]
        await asyncio.sleep(0)
        holder.execute("COMMIT")
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, failed, last = asyncio.run(main())
    assert (first, last) == (True, True)
    assert isinstance(failed, StoreError)
    assert sorted(pair.blocking.scan()) == ["after", "before", "old"]
    assert tags_of(holder) == [("old", "t")]


def test_a_large_commit_is_encoded_off_the_loop_and_whole(disk, make):
    """As a large entry is; one that cannot be written leaves none of the others."""
    pair = disk()
    large = {f"{number}": make(b"%d" % number * 100_000) for number in range(5)}
    assert asyncio.run(pair.tasks.commit(large)) == 0
    assert pair.blocking.get_many(list(large)) == list(large.values())
    with pytest.raises(StoreError, match="cannot be written"):
        asyncio.run(pair.tasks.commit({"0": None, "1": make(b"x" * 100_000, meta={"odd": object()})}))
    assert pair.blocking.get_many(list(large)) == list(large.values())


def test_what_is_damaged_is_expected_to_be_nothing(disk, raw, make):
    """As ``get_many`` reads it, which tells of the damage; a counter begins anew, and other entries are read."""
    events = []
    pair = disk(record=events.append)
    for key in ("k", "kk", "counter"):
        pair.blocking.set(key, make())
    raw().execute("UPDATE entries SET record = x'00' WHERE key != 'kk'")
    assert pair.blocking.get_many(["k", "kk"]) == [None, make()]
    assert events == [StoreFailed(store="disk", operation="get", kind="corrupt", rejected="damaged")]
    assert pair.blocking.incr("counter", 1, math.inf) == 1
    raw().execute("UPDATE entries SET record = x'00' WHERE key = 'kk'")
    assert pair.blocking.commit({"kk": make(b"new")}, expected={"kk": None}) == 0
    assert pair.blocking.get("kk").body == b"new"


def test_a_counter_keeps_its_life_on_the_monotonic_clock(disk, clock):
    """Adding to it while the wall clock was set back lengthens nothing."""
    pair = disk()
    pair.blocking.incr("k", 1, clock.wall() + 100.0)
    clock.advance(60.0)
    clock.jump_wall(-50.0)
    assert pair.blocking.incr("k", 1, math.inf) == 2
    clock.advance(39.0)
    assert pair.blocking.get("k") is not None
    clock.advance(1.0)
    assert pair.blocking.get("k") is None


CHANGES = {
    "delete": lambda one, make: one.delete("k"),
    "commit": lambda one, make: one.commit({"k": make(b"second")}),
    "incr": lambda one, make: one.incr("counter", 1, math.inf),
    "clear": lambda one, make: one.clear(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_nobody_waits_for_any_longer_goes_on_behind(disk, raw, make, monkeypatch, change):
    """A blocking one is waited for longer than a write; then it says that it may still happen, and it does."""
    monkeypatch.setattr(store, "COMMAND_WAIT", 0.02)
    pair = disk(write_wait="1ms")
    asyncio.run(pair.tasks.set("k", make(b"first")))
    holder = raw()
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match=r"within 0\.02 s; it goes on behind") as caught:
        change(pair.blocking, make)
    assert caught.value.kind == "timeout"
    holder.execute("COMMIT")
    pair.blocking.close()
    again = disk().blocking
    found = again.get("k")
    assert found is None or found.body == b"second" or again.get("counter").body == b"1"


def test_a_generous_wait_holds_for_every_change(disk, make, monkeypatch):
    """Whoever lets writes wait for a minute is not hurried elsewhere."""
    monkeypatch.setattr(store, "COMMAND_WAIT", 0.0)
    pair = disk(write_wait="60s")
    pair.blocking.set("k", make())
    assert pair.blocking.delete("k") == 1


def test_a_database_of_an_earlier_version_is_set_aside(disk, raw, make, folder, events):
    """An upgrade must not switch the cache off: a new one is made, and nothing in the old one is touched."""
    first = disk()
    first.blocking.set("k", make(b"old"))
    first.blocking.close()
    old = raw()
    old.execute("PRAGMA user_version = 1")
    old.close()
    second = disk()
    assert second.blocking.get("k") is None
    assert second.blocking.set("k", make(b"new"))
    assert second.blocking.get("k").body == b"new"
    (aside,) = (path for path in folder.iterdir() if path.name.startswith("resilient.db.corrupt"))
    kept = sqlite3.connect(aside)
    assert kept.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    kept.close()
    assert [event.operation for event in events if isinstance(event, StoreFailed)] == ["open"]


def test_a_database_of_a_later_version_is_left_alone(disk, raw):
    """A program that is newer may be using it."""
    first = disk()
    first.blocking.clear()
    first.blocking.close()
    raw().execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnavailableError, match="version 99, not"):
        disk().blocking.get("k")


def test_conflicts_are_an_error_of_their_own(disk, make):
    """Which says what has changed, and is no failure of the store."""
    pair = disk()
    with pytest.raises(TransactionError, match="'k' has changed"):
        pair.blocking.commit({}, expected={"k": make()})
    pair.blocking.set("k", make(fence=2))
    with pytest.raises(TransactionError, match="taken over 'k'"):
        pair.blocking.commit({"k": make(fence=1)})
