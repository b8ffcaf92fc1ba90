"""Who waits for whom in the disk store, and for how long."""

from __future__ import annotations

import asyncio
import fcntl
import threading

import pytest

from resilient.errors import StoreUnavailableError
from resilient.stores.registry import open_store
from resilient_adapters.sqlite import life, readers, shared, writer


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
    monkeypatch.setattr(life, "_which", lambda clock: b"another.")
    clock.advance(59.0)
    again = disk()
    assert again.blocking.get("k") is not None
    clock.advance(1.0)
    assert again.blocking.get("k") is None
