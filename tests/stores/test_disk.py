"""What the disk store promises beyond the contract: what is in its files, and its bounds."""

from __future__ import annotations

import asyncio
import logging
import os
import threading

import pytest

from resilient.errors import CorruptEntryError, StoreUnavailableError
from resilient.events import StoreEvicted
from resilient_adapters.sqlite import schema, upkeep


def test_entries_and_the_secret_last(disk, make):
    """Closing and opening again finds them."""
    first = disk()
    first.blocking.set("k", make())
    secret = first.blocking.secret()
    first.blocking.close()
    again = disk()
    assert again.blocking.get("k") == make()
    assert again.blocking.secret() == secret


def test_a_closed_store_says_so(disk, make):
    """In both colours, and its other colour is closed with it."""
    pair = disk()
    asyncio.run(pair.tasks.close())
    for command in (lambda: pair.blocking.get("k"), lambda: pair.blocking.set("k", make())):
        with pytest.raises(StoreUnavailableError, match="closed"):
            command()
    with pytest.raises(StoreUnavailableError, match="closed"):
        asyncio.run(pair.tasks.get("k"))


def test_stores_on_one_folder_share_a_writer_until_the_last_is_closed(disk, make):
    """Closing one leaves the other open."""
    before = set(threading.enumerate())
    one, other = disk(), disk()
    one.blocking.set("k", make())
    one.blocking.close()
    assert other.blocking.get("k") == make()
    other.blocking.set("k2", make())
    assert len({thread for thread in threading.enumerate() if thread.name == "resilient-disk-writer"} - before) == 1


def test_the_layout_is_what_the_speed_was_measured_with(disk, raw, make):
    """Write-ahead log, an ordinary table with row ids, our mark in the header."""
    disk().blocking.set("k", make())
    assert raw().execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert raw().execute("PRAGMA application_id").fetchone() == (schema.APPLICATION,)
    assert raw().execute("SELECT rowid, key FROM entries").fetchall() == [(1, "k")]


def test_the_database_of_another_program_is_left_alone(disk, folder, raw):
    """It is neither used nor set aside."""
    folder.mkdir(0o700)
    other = raw()
    other.execute("CREATE TABLE precious (x)")
    pair = disk()
    with pytest.raises(StoreUnavailableError, match="another program or version"):
        pair.blocking.get("k")
    assert sorted(os.listdir(folder)) == ["resilient.db", "resilient.lock"]
    assert other.execute("SELECT count(*) FROM precious").fetchone() == (0,)


@pytest.mark.parametrize(
    "damage",
    [
        "record = CAST(substr(record, 1, 100) AS BLOB)",
        "record = CAST(substr(record, 1, 100) || x'00' || substr(record, 102) AS BLOB)",
        "record = 'some text'",
        "record = CAST(x'ff00ff' AS TEXT)",
        "record = 7",
        "record = x''",
        "record = (SELECT record FROM entries WHERE key = 'other')",
        "record = x'ff', used_at = 'long ago'",
    ],
)
def test_a_damaged_record_is_an_error_once(disk, raw, make, damage):
    """It is deleted, so that the next read is an ordinary miss; whatever the row holds, other rows are not hurt."""
    pair = disk()
    pair.blocking.set("k", make(b"x" * 500))
    pair.blocking.set("other", make())
    raw().execute(f"UPDATE entries SET {damage} WHERE key = 'k'")
    with pytest.raises(CorruptEntryError) as caught:
        pair.blocking.get("k")
    assert caught.value.kind == "corrupt"
    pair.blocking.set("after", make())
    assert pair.blocking.get("k") is None
    assert pair.blocking.get("other") is not None


def test_damaged_keys_and_times_hurt_nobody(disk, raw, make):
    """Other keys are listed, read and written beside them."""
    pair = disk(size=16)
    pair.blocking.set("k1", make())
    one = raw()
    one.execute("INSERT INTO entries VALUES (7, CAST(x'6bff' AS TEXT), 'soon', 'long ago', 'high', 'yes', 'what')")
    one.execute("INSERT INTO entries VALUES (8, x'6b', x'00', x'00', x'00', x'00', x'')")
    pair.blocking.set("k2", make())
    assert [key for key in pair.blocking.scan("k") if key in ("k1", "k2")] == ["k1", "k2"]
    for number in range(40):
        pair.blocking.set(f"{number}", make())
    assert pair.blocking.get("39") is not None


def test_a_record_of_another_version_is_left_for_its_owner(disk, raw, make):
    """It is an error of its own kind, and stays."""
    pair = disk()
    pair.blocking.set("k", make())
    raw().execute("UPDATE entries SET record = CAST(x'72736c02' || substr(record, 5) AS BLOB)")
    for _ in range(2):
        with pytest.raises(CorruptEntryError, match="version 2"):
            pair.blocking.get("k")
        pair.blocking.set("after", make())
    pair.blocking.set("k", make(b"ours"))
    assert pair.blocking.get("k").body == b"ours"


def test_an_inspector_finds_no_body_in_clear_above_a_kibibyte(disk, raw, make):
    """Bodies are compressed by default, and left as they are with compress=None."""
    disk().blocking.set("k", make(b"a dull sentence " * 1000))
    assert len(raw().execute(schema.GET, ("k",)).fetchall()[0][0]) < 1000
    disk(compress=None).blocking.set("k", make(b"a dull sentence " * 1000))
    assert len(raw().execute(schema.GET, ("k",)).fetchall()[0][0]) > 16_000


def test_a_body_too_large_to_be_read_again_is_not_written(disk, make):
    """It is counted, and takes what it was to replace with it."""
    pair = disk(max_decoded="1MiB")
    pair.blocking.set("k", make(b"small"))
    pair.blocking.set("k", make(b"x" * (2**20 + 1)))
    assert pair.blocking.get("k") is None
    assert pair.blocking.usage().refused == 1


def test_the_database_stays_below_its_bound(disk, raw, make, events, folder):
    """Five times as much as fits is written; the newest are there, what was dropped is counted and told."""
    pair = disk(max_bytes="1MiB", compress=None)
    for number in range(500):
        pair.blocking.set(f"{number:03}", make(b"x" * 10_000))
    assert schema.used_and_whole_bytes(raw())[0] <= 1.05 * 2**20
    kept = sorted(pair.blocking.scan())
    assert kept == [f"{number:03}" for number in range(500 - len(kept), 500)]
    dropped = sum(event.entries for event in events if isinstance(event, StoreEvicted))
    assert dropped == 500 - len(kept) > 350
    pair.blocking.close()
    assert (folder / "resilient.db").stat().st_size <= 1.3 * 2**20


def test_the_number_of_entries_stays_near_its_bound(disk, make, events):
    """Give or take a sixteenth."""
    pair = disk(size=160)
    for number in range(400):
        pair.blocking.set(f"{number:03}", make())
    kept = sorted(pair.blocking.scan())
    assert 160 <= len(kept) <= 171
    assert kept[-1] == "399"
    assert sum(event.entries for event in events) == 400 - len(kept)


def test_what_was_read_lately_is_kept(disk, make, clock):
    """Hits are noted now and then, once the store is more than half full."""
    pair = disk(size=160)
    for number in range(150):
        pair.blocking.set(f"{number:03}", make(ttl=1e6))
    clock.advance(upkeep.TOUCH_AFTER + 1)
    assert pair.blocking.get("000") is not None
    clock.advance(1)
    for number in range(150, 300):
        pair.blocking.set(f"{number:03}", make(ttl=1e6))
    kept = sorted(pair.blocking.scan())
    assert kept[0] == "000"
    assert kept[1] > "100"


def test_a_hit_writes_nothing_while_there_is_room(disk, raw, make, clock):
    """However old the entry is."""
    pair = disk()
    pair.blocking.set("k", make(ttl=1e6))
    before = raw().execute("SELECT used_at FROM entries").fetchall()
    clock.advance(1000)
    for _ in range(300):
        assert pair.blocking.get("k") is not None
    pair.blocking.set("other", make())
    pair.blocking.close()
    assert raw().execute("SELECT used_at FROM entries WHERE key = 'k'").fetchall() == before


def test_expired_rows_are_swept_beside_other_writes(disk, raw, make, clock, events):
    """They are deleted from the file, without being counted as dropped for room."""
    pair = disk()
    for number in range(100):
        pair.blocking.set(f"{number}", make(ttl=5.0))
    clock.advance(upkeep.SWEEP_EVERY + 1)
    pair.blocking.set("new", make())
    assert raw().execute(schema.COUNT).fetchone() == (1,)
    assert events == []


def test_a_subscriber_that_fails_stops_nothing(disk, make, caplog):
    """Its failure is logged, the store goes on."""

    def fails(event):
        raise RuntimeError("not today")

    pair = disk(record=fails, size=16)
    with caplog.at_level(logging.ERROR, "resilient.store"):
        for number in range(40):
            pair.blocking.set(f"{number}", make())
    pair.blocking.close()
    assert "subscriber" in caplog.text
