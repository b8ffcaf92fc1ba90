"""Who waits for whom in the disk store, and for how long."""

from __future__ import annotations

import asyncio
import fcntl
import threading

import pytest

from resilient.errors import StoreUnavailableError
from resilient.stores.registry import open_store
from resilient_adapters.records import life
from resilient_adapters.sqlite import loops, shared, store, writer


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


def test_who_opens_waits_for_others_of_its_process_no_longer(disk, folder, make):
    """Another thread that opens the database, or mends it, is waited for as another process is."""
    pair = disk(busy_timeout="1ms")
    with pair.blocking._commands.disk._database.opening:
        for read in (lambda: pair.blocking.get("k"), lambda: asyncio.run(pair.tasks.get("k"))):
            with pytest.raises(StoreUnavailableError) as caught:
                read()
            assert caught.value.kind == "busy"
    assert pair.blocking.get("k") is None


def test_a_secret_that_cannot_be_made_is_not_waited_for(disk, raw, make, monkeypatch):
    """It is the first write of a new store, and as bounded as any; it is made behind, and is one for all."""
    monkeypatch.setattr(store, "COMMAND_WAIT", 3600.0)
    pair = disk(write_wait="10ms")
    holder = raw_when_made(pair, raw, make)
    holder.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="make a secret") as caught:
            pair.blocking.secret()
        assert caught.value.kind == "busy"
    holder.execute("COMMIT")
    secret = asyncio.run(pair.tasks.secret())
    assert len(secret) == 32
    assert pair.blocking.secret() == disk().blocking.secret() == secret


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
    """Its writes are done, its reads are dropped, and the next loop is served."""
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
    monkeypatch.setattr(loops.Loops, "fetch", None)
    monkeypatch.setattr(store, "INLINE_BYTES", 0)
    monkeypatch.setattr(pair.tasks._commands.disk.crew, "run", None)
    assert asyncio.run(pair.tasks.get("k")) == make()


def test_idle_threads_end_and_start_again(disk, make, monkeypatch):
    """A store that nobody uses has no threads, also if it was forgotten."""
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
    pair = open_store(f"disk://{tmp_path / 'dropped'}", clock=clock, write_wait="60s")
    pair.blocking.set("k", make())
    del pair
    disk()
    assert list(shared._disks) == [str(folder)]


def test_entries_of_a_machine_that_was_started_again_live_by_the_wall_clock(disk, make, clock, monkeypatch):
    """The monotonic clock has begun anew, so it says nothing about them."""
    pair = disk()
    pair.blocking.set("k", make(ttl=60.0))
    pair.blocking.close()
    monkeypatch.setattr(life, "which_clock", lambda clock: b"another.")
    clock.advance(59.0)
    again = disk()
    assert again.blocking.get("k") is not None
    clock.advance(1.0)
    assert again.blocking.get("k") is None
