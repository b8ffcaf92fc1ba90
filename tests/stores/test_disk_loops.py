"""How event loops read the disk store: by aiosqlite, a connection for each."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import aiosqlite
import pytest

from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.records import records
from resilient_adapters.sqlite import connection, crew
from resilient_adapters.sqlite.commands import Commands
from resilient_adapters.sqlite.handle import Handle

NAME = "resilient-disk-reader"


def workers():
    """The threads of aiosqlite that read for this test's stores."""
    return {thread for thread in threading.enumerate() if thread.name == NAME}


@pytest.fixture(autouse=True)
def died(monkeypatch):
    """Sees to it that no thread ends with an error."""
    died = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    yield died
    assert died == []


@pytest.fixture
def stored(disk, make):
    """An open store with one entry, which was written by the blocking colour: no loop has read yet."""
    pair = disk()
    pair.blocking.set("k", make())
    return pair


@pytest.fixture
def gate(monkeypatch):
    """Reads wait for it; ``gate.reached`` counts those that do."""
    gate = threading.Event()
    gate.reached = threading.Semaphore(0)
    fetch = Handle.fetch

    def slow(self, *args):
        gate.reached.release()
        gate.wait()
        return fetch(self, *args)

    monkeypatch.setattr(Handle, "fetch", slow)
    yield gate
    gate.set()


async def reached(gate):
    """Until one more read waits at the gate."""
    while not gate.reached.acquire(blocking=False):
        await asyncio.sleep(0.001)


# --- aiosqlite reads ------------------------------------------------------------------------------------------------


def test_aiosqlite_reads(stored, make, monkeypatch):
    """Its fetch is asked, and its thread does the reading."""
    asked, threads = [], []
    ask, fetch = aiosqlite.Connection.execute_fetchall, Handle.fetch

    def asking(self, *args):
        asked.append(self)
        return ask(self, *args)

    def fetching(self, *args):
        threads.append(threading.current_thread())
        return fetch(self, *args)

    monkeypatch.setattr(aiosqlite.Connection, "execute_fetchall", asking)
    monkeypatch.setattr(Handle, "fetch", fetching)

    async def main():
        assert await stored.tasks.get("k") == make()
        assert [key async for key in stored.tasks.scan()] == ["k"]
        await stored.tasks.secret()

    asyncio.run(main())
    assert len(asked) == len(threads) == 4
    assert len(set(asked)) == 1
    assert {thread.name for thread in threads} == {NAME}
    assert asked[0]._thread is threads[0] is threads[-1]


def test_one_connection_serves_all_tasks_of_a_loop(stored, make):
    """However many read at once, also the first time."""

    async def main():
        for _ in range(3):
            assert await asyncio.gather(*(stored.tasks.get("k") for _ in range(100))) == [make()] * 100
            assert len(workers()) == 1

    asyncio.run(main())


def test_a_slow_disk_holds_up_no_loop(stored, make, gate):
    """While a read waits the loop goes on; another loop waits for its own reads only."""

    async def main():
        read = asyncio.create_task(stored.tasks.get("k"))
        await reached(gate)
        with ThreadPoolExecutor(1) as other:
            theirs = other.submit(asyncio.run, stored.tasks.get("k"))
            await reached(gate)
            assert len(workers()) == 2
            assert not read.done()
            gate.set()
            assert await read == make()
            assert theirs.result() == make()

    asyncio.run(main())


def test_a_read_for_a_task_waits_no_longer_than_its_timeout(stored, disk, raw):
    """For a process that holds the whole file for itself it raises, as busy, and then it reads again."""
    stored.blocking.close()
    holder = raw()
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("DELETE FROM meta")
    pair = disk(busy_timeout="1ms")

    async def main():
        with pytest.raises(StoreUnavailableError) as caught:
            await pair.tasks.get("k")
        assert caught.value.kind == "busy"
        holder.execute("ROLLBACK")
        holder.close()
        assert await pair.tasks.get("k") is not None

    asyncio.run(main())


def test_a_system_without_threads_is_a_store_error(stored, monkeypatch, make):
    """For the reader and for the crew; with threads again it reads again."""

    def start(self):
        raise RuntimeError("can't start new thread")

    async def main():
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(StoreUnavailableError, match="can't start new thread"):
                await stored.tasks.get("k")
            with pytest.raises(StoreUnavailableError, match="can't start new thread"):
                await crew.Crew().run(int)
        assert await stored.tasks.get("k") == make()

    asyncio.run(main())


def test_a_version_of_aiosqlite_that_hides_its_thread_reads_too(stored, monkeypatch, make):
    """What depends on the thread is left out."""

    class Hiding(connection._Unwarned):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.hidden = self.__dict__.pop("_thread")
            self.hidden.daemon = True

        def __await__(self):
            self.hidden.start()
            return self._connect().__await__()

    monkeypatch.setattr(connection, "_Unwarned", Hiding)
    for _ in range(2):
        assert asyncio.run(stored.tasks.get("k")) == make()
    child = os.fork()
    if not child:
        os._exit(0 if asyncio.run(stored.tasks.get("k")) == make() else 1)
    assert os.waitpid(child, 0) == (child, 0)


# --- loops end ------------------------------------------------------------------------------------------------------


def test_a_loop_that_ends_closes_its_connection(stored, make):
    """No thread is left, nor an open file, nor the loop itself; the next loop opens another."""
    loops = []

    async def main():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        assert await stored.tasks.get("k") == make()
        assert len(workers()) == 1

    for _ in range(3):
        asyncio.run(main())
        assert not workers()
    gc.collect()
    assert [loop() for loop in loops[:-1]] == [None, None]


def test_a_loop_ends_in_the_middle_of_a_read(stored, make, gate):
    """The read is given up, its thread ends once it is done, and the next loop reads."""

    async def main():
        asyncio.create_task(stored.tasks.get("k"))  # noqa: RUF006 - the end of the loop is to find it
        await reached(gate)
        asyncio.get_running_loop().call_later(0.01, gate.set)
        # Only after the tasks are cancelled: the loop's end goes on while the read still waits.

    asyncio.run(main())
    assert not workers()
    assert asyncio.run(stored.tasks.get("k")) == make()


@pytest.mark.parametrize("when", ["reading", "idle", "opening"])
def test_a_loop_is_closed_without_a_word(stored, make, gate, when):
    """Without ending its generators: its thread ends all the same, at the latest with the next loop's first read."""
    if when != "reading":
        gate.set()
    loop = asyncio.new_event_loop()
    task = loop.create_task(stored.tasks.get("k"))
    if when == "reading":
        loop.run_until_complete(reached(gate))
    elif when == "idle":
        assert loop.run_until_complete(task) == make()
    else:
        loop.run_until_complete(asyncio.sleep(0))
    left = workers()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    gate.set()
    assert len(left) == 1
    assert asyncio.run(stored.tasks.get("k")) == make()
    for thread in left:
        thread.join()


def test_a_read_while_a_loop_ends_is_answered(stored, make):
    """As one by another generator that the loop closes too."""
    answers = []

    async def other():
        try:
            yield
        finally:
            await asyncio.sleep(0.01)
            answers.append(await stored.tasks.get("k"))

    async def main():
        await stored.tasks.get("k")
        await anext(generator)

    generator = other()
    asyncio.run(main())
    assert answers == [make()]


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_closing_the_store_answers_what_was_asked(stored, make, gate, colour):
    """What is asked afterwards is told that it is closed; the loop's end finds nothing left to do."""

    async def main():
        reads = [asyncio.create_task(stored.tasks.get("k")) for _ in range(5)]
        await reached(gate)
        gate.set()
        if colour == "blocking":
            stored.blocking.close()
        else:
            await stored.tasks.close()
        assert not workers()
        assert await asyncio.gather(*reads) == [make()] * 5
        with pytest.raises(StoreUnavailableError, match="closed"):
            await stored.tasks.get("k")

    asyncio.run(main())


def test_a_read_that_was_cancelled_hurts_no_other(stored, make):
    """Whatever it waited for: the lock, the opening, the answer."""

    async def main(steps):
        reads = [asyncio.create_task(stored.tasks.get("k")) for _ in range(4)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for read in reads[:2]:
            read.cancel()
        assert (await asyncio.gather(*reads, return_exceptions=True))[2:] == [make()] * 2

    for steps in range(12):
        asyncio.run(main(steps))
    assert not workers()


# --- forks ----------------------------------------------------------------------------------------------------------

FORKS = """
import gc, sqlite3
from resilient_adapters.sqlite.handle import Handle

def open_files():
    names = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass
    return [name for name in names if "resilient.db" in name]

inherited = []
os.register_at_fork(after_in_child=lambda: inherited.extend(open_files()))  # before the store's own
threads = lambda: [thread for thread in threading.enumerate() if "resilient" in thread.name]
store = opened(sys.argv[1])
store.blocking.set("k", entry(b"v"))

def fork():
    child = os.fork()
    if not child:
        try:
            assert not inherited, inherited
            assert not threads(), threads()
            for left in gc.get_objects():
                if type(left) is sqlite3.Connection:
                    try:
                        left.execute("SELECT 1")
                    except sqlite3.ProgrammingError as error:
                        assert "closed" in str(error)
                    else:
                        raise AssertionError("an open connection was inherited")
            assert store.blocking.get("k").body == b"v"
            answers = []
            other = threading.Thread(target=lambda: answers.append(asyncio.run(store.tasks.get("k"))))
            other.start(), other.join()
            assert answers[0].body == b"v"
            store.blocking.close()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
"""

FORKED = {
    "by a loop itself, at every step of its first reads": """
async def main(steps):
    reads = [asyncio.create_task(store.tasks.get("k")) for _ in range(3)]
    for _ in range(steps):
        await asyncio.sleep(0)
    fork()
    reads += [asyncio.create_task(store.tasks.get("k")) for _ in range(3)]
    assert [found.body for found in await asyncio.gather(*reads)] == [b"v"] * 6
for steps in range(12):
    asyncio.run(main(steps))
    assert [thread for thread in threads() if "reader" in thread.name] == []
""",
    "by a loop whose connection is open": """
async def main():
    for _ in range(3):
        assert (await store.tasks.get("k")).body == b"v"
        fork()
asyncio.run(main())
""",
    "by another thread, with reads under way and asked for meanwhile": """
warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
fetch, gate, reads = Handle.fetch, threading.Event(), threading.Event()
def slow(*args):
    if threading.current_thread().name == "resilient-disk-reader":
        reads.set()
        gate.wait()
    return fetch(*args)
Handle.fetch = slow
async def main():
    first = [asyncio.create_task(store.tasks.get("k")) for _ in range(3)]
    while not reads.is_set():
        await asyncio.sleep(0.001)
    forks = threading.Thread(target=fork)
    forks.start()
    loops = store.tasks._commands.disk.loops
    while not loops._parked:
        await asyncio.sleep(0.001)
    meanwhile = [asyncio.create_task(store.tasks.get("k")) for _ in range(3)]
    cancelled = asyncio.create_task(store.tasks.get("k"))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    assert loops._parked and not any(task.done() for task in (*first, *meanwhile))
    gate.set()
    assert [found.body for found in await asyncio.gather(*first, *meanwhile)] == [b"v"] * 6
    while forks.is_alive():
        assert (await store.tasks.get("k")).body == b"v"
    forks.join()
    assert (await store.tasks.get("k")).body == b"v"
asyncio.run(main())
""",
    "after a loop was closed without a word": """
loop = asyncio.new_event_loop()
assert loop.run_until_complete(store.tasks.get("k")).body == b"v"
loop.close()
fork()
assert not [thread for thread in threads() if "reader" in thread.name]
""",
    "in the middle of large entries": """
warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
large = entry(os.urandom(500_000))
async def main():
    for number in range(10):
        writes = [asyncio.create_task(store.tasks.set(f"{number} {part}", large)) for part in range(5)]
        await asyncio.sleep(0.002 * number)
        reads = [asyncio.create_task(store.tasks.get(f"{number} {part}")) for part in range(5)]
        await asyncio.sleep(0)
        fork()
        await asyncio.gather(*writes, *reads)
        for part in range(5):
            assert (await store.tasks.get(f"{number} {part}")).body == large.body
asyncio.run(main())
""",
}


@pytest.mark.parametrize("how", FORKED)
def test_a_fork_finds_every_connection_closed(script, folder, ends_well, how):
    """The child inherits no open file, no thread and no connection that could end in it; the parent reads on."""
    ends_well(script(FORKS + FORKED[how] + "store.blocking.close()\n", folder))


# --- large entries --------------------------------------------------------------------------------------------------


@pytest.fixture
def where(monkeypatch):
    """In which threads entries were encoded and decoded."""
    where = {"encode": [], "decode": []}

    def watched(name, work):
        def watching(*args, **options):
            where[name].append(threading.current_thread().name)
            return work(*args, **options)

        return watching

    monkeypatch.setattr(Commands, "found", watched("decode", Commands.found))
    monkeypatch.setattr(records, "encode", watched("encode", records.encode))
    return where


@pytest.mark.parametrize(
    ("body", "encoder", "decoder"),
    [
        (b"small", "MainThread", "MainThread"),
        (b"dull " * 1_000_000, "resilient-disk-writer", "resilient-disk-crew"),
        (os.urandom(100_000), "resilient-disk-writer", "resilient-disk-crew"),
        (b"dull " * 10_000, "MainThread", "MainThread"),
    ],
    ids=["small", "large and dull", "large and random", "dull and not so large"],
)
def test_large_entries_hold_up_no_loop(disk, make, where, body, encoder, decoder):
    """They are encoded by the writer and decoded by the crew, small ones by the loop itself."""
    pair = disk()

    async def main():
        await pair.tasks.set("k", make(body))
        assert (await pair.tasks.get("k")).body == body

    asyncio.run(main())
    assert where == {"encode": [encoder], "decode": [decoder]}


def test_weighing_a_record_needs_no_belief_in_it():
    """Whatever it holds there is an answer; what was encoded weighs as much as it decodes to."""
    assert records.weight(b"") == 0
    for _ in range(500):
        assert records.weight(os.urandom(50)) >= 50


def test_a_large_entry_that_nobody_waits_for_keeps_its_place(disk, raw, make):
    """It is written all the same, and what came after it has the last word."""
    pair = disk()
    asyncio.run(pair.tasks.set("first", make()))
    holder = raw()
    holder.execute("BEGIN IMMEDIATE")

    async def given_up(work):
        task = asyncio.create_task(work)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    async def main():
        for key in ("alone", "followed", "deleted"):
            await given_up(pair.tasks.set(key, make(os.urandom(200_000))))
        await given_up(pair.tasks.set("followed", make(b"last")))
        await given_up(pair.tasks.delete("deleted"))

    asyncio.run(main())
    holder.execute("COMMIT")
    pair.blocking.close()
    again = disk()
    assert len(again.blocking.get("alone").body) == 200_000
    assert again.blocking.get("followed").body == b"last"
    assert again.blocking.get("deleted") is None


def test_a_large_entry_that_cannot_be_written_is_an_error_of_its_own(disk, make):
    """What waited beside it is written; what is too large is counted."""
    pair = disk(max_decoded="1MiB")
    large = os.urandom(200_000)

    async def main():
        return await asyncio.gather(
            pair.tasks.set("1", make(large)),
            pair.tasks.set("2", make(large, meta={"odd": object()})),
            pair.tasks.set("3", make(large)),
            pair.tasks.set("4", make(b"x" * 2_000_000)),
            return_exceptions=True,
        )

    results = asyncio.run(main())
    assert [type(result) for result in results] == [bool, StoreError, bool, bool]
    assert sorted(pair.blocking.scan()) == ["1", "3"]
    assert pair.blocking.usage().refused == 1


def test_a_crew_is_small_and_ends_without_work():
    """Four threads at most, for any number of loops; what was cancelled before it was begun is left."""
    before = set(threading.enumerate())
    gate, running, most, done = threading.Event(), [], [], []
    team = crew.Crew()

    def work(number):
        running.append(number)
        most.append(len(running))
        gate.wait()
        running.remove(number)
        done.append(number)
        if number == 7:
            raise ValueError("seven")
        return number

    async def main():
        jobs = [asyncio.create_task(team.run(lambda number=number: work(number))) for number in range(20)]
        while len(running) < crew.THREADS:
            await asyncio.sleep(0.001)
        jobs[19].cancel()
        gate.set()
        return await asyncio.gather(*jobs, return_exceptions=True)

    results = asyncio.run(main())
    assert results[:7] == list(range(7))
    assert str(results[7]) == "seven"
    assert sorted(done) == list(range(19))
    assert max(most) == crew.THREADS
    for thread in set(threading.enumerate()) - before:
        thread.join()
