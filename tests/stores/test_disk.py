"""What the disk store promises beyond the contract: its folder, its bounds, its waits."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
import stat
import sys
import threading
from pathlib import Path

import pytest

from resilient.errors import ConfigurationError, CorruptEntryError, StoreUnavailableError
from resilient.events import StoreEvicted
from resilient.stores.registry import open_store
from resilient_adapters.sqlite import folder as folders
from resilient_adapters.sqlite import life, readers, schema, shared, upkeep, writer

NO_HURRY = {"write_wait": "60s", "busy_timeout": "60s"}


@pytest.fixture
def disk(folder, clock, events):
    """Opens the store in the test's folder, and closes it in the end."""
    opened = []

    def disk(**options):
        options = {**NO_HURRY, **options}
        opened.append(open_store(f"disk://{folder}", clock=clock, record=events.append, **options))
        return opened[-1]

    yield disk
    for pair in opened:
        pair.blocking.close()


@pytest.fixture
def raw(folder):
    """A connection of the test's own to the database."""
    connections = []

    def raw():
        connections.append(sqlite3.connect(folder / "resilient.db", isolation_level=None))
        return connections[-1]

    yield raw
    for connection in connections:
        connection.close()


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


# --- the folder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_can_read_the_files_whatever_the_umask(script, folder, umask):
    """The folder and those above it that had to be made are 0700, every file is 0600."""
    process = script(
        """
os.stat_umask = os.umask(0); os.umask(os.stat_umask)
print(os.stat_umask)
store = opened(sys.argv[1] + "/deep").blocking
store.set("k", entry(b"x" * 100_000))
names = sorted(os.listdir(sys.argv[1] + "/deep"))
print(*names)
print(*{oct(os.stat(f"{sys.argv[1]}/deep/{name}").st_mode & 0o7777) for name in names})
store.close()
""",
        folder,
        umask=umask,
    )
    out, err = process.communicate(timeout=60)
    assert err == ""
    assert out.splitlines() == [
        str(umask),
        "resilient.db resilient.db-shm resilient.db-wal resilient.lock",
        "0o600",
    ]
    assert mode(folder) == mode(folder / "deep") == 0o700


def test_files_that_others_could_read_are_made_private(disk, folder, make):
    """As an earlier program or a copy may have left them."""
    pair = disk()
    pair.blocking.set("k", make())
    pair.blocking.close()
    (folder / "resilient.db").chmod(0o644)
    assert disk().blocking.get("k") == make()
    assert mode(folder / "resilient.db") == 0o600


def refusals(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("a file")
    real = tmp_path / "real"
    real.mkdir(0o700)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    world = tmp_path / "world"
    world.mkdir()
    world.chmod(0o1777)
    return {
        plain: "is not a folder",
        plain / "below": "cannot be made: Not a directory",
        tmp_path / "link": "is a symbolic link",
        tmp_path / "dangling": "is a symbolic link",
        shared: r"can be written by others \(mode 0770\)",
        world: r"can be written by others \(mode 1777\)",
        Path("/proc/nowhere"): "cannot be made: No such file",
    }


@pytest.mark.parametrize("case", range(7))
def test_a_folder_that_cannot_be_trusted_is_refused_at_once(tmp_path, case):
    """With the path, the reason and a way out; nothing is written there."""
    path, reason = list(refusals(tmp_path).items())[case]
    before = sorted(path.iterdir()) if path.is_dir() else None
    with pytest.raises(ConfigurationError, match=reason) as caught:
        open_store(f"disk://{path}")
    assert str(path) in str(caught.value)
    assert "; give" in str(caught.value)
    assert before == (sorted(path.iterdir()) if path.is_dir() else None)


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    """Who owns it could read, replace or plant what is in it."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to user"):
        open_store(f"disk://{theirs}")


@pytest.mark.parametrize("name", ["resilient.db", "resilient.db-wal", "resilient.lock"])
def test_a_planted_link_is_not_followed(disk, folder, tmp_path, make, name):
    """What it leads to is neither read nor written."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious" * 1000)
    folder.mkdir(0o700)
    (folder / name).symlink_to(victim)
    pair = disk(write_wait="5s")
    try:
        pair.blocking.set("k", make())
    except StoreUnavailableError:
        pass
    else:
        assert not (folder / name).is_symlink()
    assert victim.read_bytes() == b"precious" * 1000
    assert mode(victim) == 0o644


def test_a_folder_that_becomes_untrusted_is_used_no_more(disk, folder, make):
    """It is looked at again whenever a connection is opened."""
    pair = disk()
    folder.chmod(0o777)
    for command in (lambda: pair.blocking.get("k"), lambda: pair.blocking.set("k", make())):
        with pytest.raises(StoreUnavailableError, match="can be written by others"):
            command()


@pytest.mark.parametrize("url", ["disk:///", "disk:////", "disk://host/tmp/x", "disk:///tmp/a%00b", "disk://tmp"])
def test_a_url_that_names_no_folder_is_refused(url):
    """A host, the root, an impossible name."""
    with pytest.raises(ConfigurationError, match=r"folder|three slashes"):
        open_store(url)


def test_a_path_is_read_as_a_url_has_it(clock, tmp_path, make):
    """Spaces, question marks and letters of any script, once escaped."""
    pair = open_store(f"disk://{tmp_path}/a%20b%3Fc/ä", clock=clock, **NO_HURRY)
    pair.blocking.set("k", make())
    pair.blocking.close()
    assert (tmp_path / "a b?c" / "ä" / "resilient.db").exists()


def test_without_a_path_there_is_a_folder_for_each_application(monkeypatch, tmp_path):
    """In the user's cache directory: the main script's name and a digest of its whole path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/opt/one/app.py", raising=False)
    one = folders.default_folder()
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/opt/two/app.py", raising=False)
    two = folders.default_folder()
    assert one.parent == two.parent == tmp_path / "resilient"
    assert one.name.startswith("app-")
    assert len(one.name) == len("app-") + 8
    assert one != two
    open_store("disk://").blocking.close()
    assert mode(two) == mode(two.parent) == 0o700


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compress": "gzzip"}, "compress='gzzip' is not right; did you mean 'gzip'"),
        ({"max_bytes": "1kB"}, "at least 1MiB"),
        ({"max_byte": "1GB"}, "did you mean 'max_bytes'"),
        ({"busy_timeout": "soon"}, "busy_timeout='soon'"),
        ({"inline_reads": "maybe"}, "inline_reads='maybe'"),
    ],
)
def test_wrong_options_are_refused(folder, options, message):
    """Before the folder is made."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(f"disk://{folder}", **options)
    assert not folder.exists()


# --- what is in it ------------------------------------------------------------------------------------------------


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
    one.execute("INSERT INTO entries VALUES (CAST(x'6bff' AS TEXT), 'soon', 'long ago', 'what')")
    one.execute("INSERT INTO entries VALUES (x'6b', x'00', x'00', x'')")
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
    assert pair.blocking.refused == 1


# --- bounds -------------------------------------------------------------------------------------------------------


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


def test_a_subscriber_that_fails_stops_nothing(folder, clock, make, caplog):
    """Its failure is logged, the store goes on."""

    def fails(event):
        raise RuntimeError("not today")

    pair = open_store(f"disk://{folder}", clock=clock, record=fails, size=16, **NO_HURRY)
    with caplog.at_level(logging.ERROR, "resilient.store"):
        for number in range(40):
            pair.blocking.set(f"{number}", make())
    pair.blocking.close()
    assert "subscriber" in caplog.text


# --- waits --------------------------------------------------------------------------------------------------------


def test_a_late_write_goes_on_behind(disk, raw, make):
    """While another process holds the file the caller is let go in time; then the write is done, in its order."""
    pair = disk(write_wait="10ms")
    raw_one = raw_when_made(pair, raw, make)
    raw_one.execute("BEGIN IMMEDIATE")
    for number in range(3):
        with pytest.raises(StoreUnavailableError, match="goes on behind") as caught:
            pair.blocking.set("k", make(b"%d" % number))
        assert caught.value.kind == "timeout"
    assert pair.blocking.get("k").body == b"first"
    raw_one.execute("COMMIT")
    pair.blocking.close()
    assert disk().blocking.get("k").body == b"2"


def raw_when_made(pair, raw, make):
    asyncio.run(pair.tasks.set("k", make(b"first")))
    return raw()


def test_writes_that_wait_are_bounded(disk, raw, make, monkeypatch):
    """Past the bound they are refused at once, as busy; those that wait are done in the end."""
    monkeypatch.setattr(writer, "MOST_WAITING", 5)
    pair = disk(write_wait="1ms")
    holder = raw_when_made(pair, raw, make)
    holder.execute("BEGIN IMMEDIATE")
    kinds = []
    for number in range(10):
        with pytest.raises(StoreUnavailableError) as caught:
            pair.blocking.set(f"{number}", make())
        kinds.append(caught.value.kind)
    assert kinds == ["timeout"] * 5 + ["busy"] * 5
    holder.execute("COMMIT")
    pair.blocking.close()
    assert sorted(disk().blocking.scan()) == ["0", "1", "2", "3", "4", "k"]


def test_what_others_never_let_be_written_is_given_up(disk, raw, make, monkeypatch):
    """After some patience, as busy, in both colours."""
    monkeypatch.setattr(writer, "PATIENCE", 0.01)
    monkeypatch.setattr(writer, "BUSY_TIMEOUT", 0.01)
    pair = disk()
    holder = raw_when_made(pair, raw, make)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError) as caught:
        pair.blocking.set("k", make())
    assert caught.value.kind == "busy"
    with pytest.raises(StoreUnavailableError) as caught:
        asyncio.run(pair.tasks.set("k", make()))
    assert caught.value.kind == "busy"
    holder.execute("ROLLBACK")
    pair.blocking.set("k", make(b"second"))
    assert pair.blocking.get("k").body == b"second"


def test_reads_go_on_while_another_writes(disk, raw, make):
    """A reader never waits for a writer."""
    pair = disk(busy_timeout="1ms")
    holder = raw_when_made(pair, raw, make)
    holder.execute("BEGIN IMMEDIATE")
    holder.execute("DELETE FROM entries")
    assert pair.blocking.get("k").body == b"first"
    assert asyncio.run(pair.tasks.get("k")).body == b"first"
    holder.execute("ROLLBACK")


def test_a_read_waits_no_longer_than_its_timeout(disk, raw, make):
    """For a process that holds the whole file for itself it raises, as busy."""
    pair = disk(busy_timeout="1ms")
    pair.blocking.set("k", make())
    pair.blocking.close()
    holder = raw()
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("DELETE FROM meta")
    again = disk(busy_timeout="1ms")
    with pytest.raises(StoreUnavailableError) as caught:
        again.blocking.get("k")
    assert caught.value.kind == "busy"
    holder.execute("ROLLBACK")
    holder.close()
    assert again.blocking.get("k") is not None


def test_processes_take_turns_at_opening_and_mending(disk, folder, make):
    """Who cannot get the lock of the folder within its timeout has a store error, as busy, and may try again."""
    pair = disk(busy_timeout="1ms")
    with (folder / "resilient.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailableError) as caught:
            pair.blocking.get("k")
        assert caught.value.kind == "busy"
        assert not (folder / "resilient.db").exists()
    assert pair.blocking.get("k") is None


def test_a_caller_that_is_cancelled_leaves_its_write_to_be_done(disk, raw, make):
    """The task is free at once, the value is there later."""
    pair = disk()
    holder = raw_when_made(pair, raw, make)

    async def main():
        holder.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(pair.tasks.set("k", make(b"second")))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (await pair.tasks.get("k")).body == b"first"
        holder.execute("COMMIT")
        await pair.tasks.close()

    asyncio.run(main())
    assert disk().blocking.get("k").body == b"second"


def test_a_loop_that_ends_in_the_middle_hurts_nobody(disk, raw, make):
    """Its writes are done, its reads are dropped, and the threads serve the next loop."""
    pair = disk()
    holder = raw_when_made(pair, raw, make)
    holder.execute("BEGIN IMMEDIATE")
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(pair.tasks.set("k", make(b"second"))), loop.create_task(pair.tasks.get("k"))]
    loop.run_until_complete(asyncio.sleep(0))
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
    holder.execute("COMMIT")
    pair.blocking.set("after", make())
    assert asyncio.run(pair.tasks.get("k")).body == b"second"


def test_reading_inline_needs_no_thread(disk, make, monkeypatch):
    """With inline_reads a read is done on the loop's own thread."""
    pair = disk(inline_reads=True)
    pair.blocking.set("k", make())
    monkeypatch.setattr(readers.Readers, "run", None)
    assert asyncio.run(pair.tasks.get("k")) == make()


def test_reading_does_not_hold_up_the_loop(disk, make, monkeypatch):
    """While the disk is slow the loop goes on, and a few reads run at once."""
    monkeypatch.setattr(readers, "HELD_UP", -1.0)
    pair = disk()
    pair.blocking.set("k", make())
    running, most = [], []
    gate = threading.Event()
    get = type(pair.tasks._commands).get

    def slow(self, key):
        running.append(key)
        most.append(len(running))
        gate.wait()
        running.pop()
        return get(self, key)

    monkeypatch.setattr(type(pair.tasks._commands), "get", slow)

    async def main():
        reads = [asyncio.create_task(pair.tasks.get("k")) for _ in range(4)]
        while len(running) < readers.THREADS:
            reads.append(asyncio.create_task(pair.tasks.get("k")))
            await asyncio.sleep(0.001)
        gate.set()
        assert await asyncio.gather(*reads) == [make()] * len(reads)

    asyncio.run(main())
    assert max(most) == readers.THREADS


def test_quick_reads_are_done_by_one_thread(disk, make, monkeypatch):
    """However many come at once: more threads would only wait for each other."""
    monkeypatch.setattr(readers, "HELD_UP", 1e9)
    before = set(threading.enumerate())
    pair = disk()

    async def main():
        await pair.tasks.set("k", make())
        assert await asyncio.gather(*(pair.tasks.get("k") for _ in range(100))) == [make()] * 100

    asyncio.run(main())
    started = {thread.name for thread in set(threading.enumerate()) - before}
    assert started == {"resilient-disk-reader", "resilient-disk-writer"}
    assert len(set(threading.enumerate()) - before) == 2


def test_idle_threads_end_and_start_again(disk, make, monkeypatch):
    """A store that nobody uses has no threads, also if it was forgotten."""
    monkeypatch.setattr(readers, "IDLE", 0.001)
    monkeypatch.setattr(writer, "IDLE", 0.001)

    async def main(number):
        await pair.tasks.set("k", make(b"%d" % number))
        assert (await pair.tasks.get("k")).body == b"%d" % number

    before = set(threading.enumerate())
    pair = disk()
    for number in range(20):
        asyncio.run(main(number))
        if number % 2:
            for thread in set(threading.enumerate()) - before:
                thread.join()
    assert set(threading.enumerate()) == before


def test_a_store_that_is_dropped_is_closed_with_the_next_opening(disk, folder, clock, make, tmp_path):
    """Without a warning; what it had begun to write is written."""
    pair = open_store(f"disk://{tmp_path / 'dropped'}", clock=clock, **NO_HURRY)
    pair.blocking.set("k", make())
    del pair
    disk()
    assert list(shared._disks) == [str(folder)]


def test_entries_of_a_machine_that_was_started_again_live_by_the_wall_clock(disk, make, clock, monkeypatch):
    """The monotonic clock has begun anew, so it says nothing about them."""
    pair = disk()
    pair.blocking.set("k", make(ttl=60.0))
    pair.blocking.close()
    monkeypatch.setattr(life, "_which", lambda clock: b"another.")
    clock.advance(59.0)
    again = disk()
    assert again.blocking.get("k") is not None
    clock.advance(1.0)
    assert again.blocking.get("k") is None
