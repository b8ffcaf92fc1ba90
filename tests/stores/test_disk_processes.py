"""Many processes, killed ones, forked ones."""

from __future__ import annotations

import hashlib
import math
import sqlite3
import time
from dataclasses import replace

import pytest

from resilient.entry import Entry
from resilient.runtime.clock import SystemClock
from resilient.testing import FakeClock
from tests.soaking import sizes

BODY = """
import hashlib
def body(key):
    return hashlib.shake_256(key.encode()).digest(500 + int(hashlib.sha256(key.encode()).hexdigest()[:4], 16))
"""
exec(BODY)


def check_whole(folder):
    """The database is whole, by SQLite's own judgement, and no tag is left without its entry."""
    connection = sqlite3.connect(folder / "resilient.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    orphans = "SELECT count(*) FROM tags WHERE entry NOT IN (SELECT id FROM entries WHERE tagged)"
    assert connection.execute(orphans).fetchall() == [(0,)]
    connection.close()


# --- many processes -----------------------------------------------------------------------------------------------

MANY = (
    BODY
    + """
store = opened(sys.argv[1]).blocking
print("ready", flush=True)
sys.stdin.readline()
print(store.secret().hex())
for number in range(250):
    store.set(f"{sys.argv[2]} {number}", entry(body(f"{sys.argv[2]} {number}")))
    store.set("common", entry(body(sys.argv[2])))
    assert store.get("common") is not None
print(store.secret().hex())
store.close()
"""
)


@pytest.mark.slow
def test_eight_processes_lose_nothing(script, disk, folder, ends_well):
    """They make the database and write 500 times each, all at once; all is there, and they have one secret."""
    processes = [script(MANY, folder, number) for number in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    secrets = [secret for process in processes for secret in ends_well(process).split()]
    assert len(secrets) == 16
    assert len(set(secrets)) == 1
    pair = disk(clock=SystemClock())
    for process in range(8):
        for number in range(250):
            assert pair.blocking.get(f"{process} {number}").body == body(f"{process} {number}")  # noqa: F821
    assert len(list(pair.blocking.scan())) == 8 * 250 + 1
    assert pair.blocking.get("common").body in {body(f"{process}") for process in range(8)}  # noqa: F821
    pair.blocking.close()
    check_whole(folder)


# --- killed processes ---------------------------------------------------------------------------------------------

KILLED = (
    BODY
    + """
async def main(pair):
    for number in range(10**9):
        key = f"{sys.argv[2]} {number} tasks"
        await pair.tasks.set(key, entry(body(key), tags=("t", key)))
        print(key, flush=True)
        key = f"{sys.argv[2]} {number}"
        pair.blocking.set(key, entry(body(key), tags=("t",)))
        print(key, flush=True)

asyncio.run(main(opened(sys.argv[1], max_bytes="1GiB")))
"""
)


@sizes(rounds=(10, 200), writers=(2, 4))
def test_what_was_set_survives_the_death_of_its_writer(script, disk, folder, rounds, writers, found):
    """Writers are killed in the middle; all that was set is there, whole, and so is the database."""
    for turn in range(rounds):
        processes = [script(KILLED, folder, f"{turn}.{number}") for number in range(writers)]
        lines = [process.stdout.readline() for process in processes for _ in range(5 + turn * 7 % 40)]
        for process in processes:
            process.kill()
        for process in processes:
            # What it had said before it was killed was promised too; the last line may be cut.
            lines.extend(process.stdout.read().splitlines(keepends=True))
            assert process.wait() == -9
        keys = [line.strip() for line in lines if line.endswith("\n")]
        assert len(keys) >= 5 * writers
        check_whole(folder)
        pair = disk(clock=SystemClock())
        there = {key: pair.blocking.get(key) for key in pair.blocking.scan(f"{turn}.")}
        lost = [key for key in keys if there.get(key) is None]
        broken = [key for key, entry in there.items() if entry is None or entry.body != body(key)]  # noqa: F821
        found.update(kills=writers, set=len(keys), lost=len(lost), broken=len(broken))
        assert (lost, broken) == ([], [])
        pair.blocking.clear()
        pair.blocking.close()
    assert not list(folder.glob("*corrupt*"))


COMMITTER = """
store = opened(sys.argv[1], max_bytes="1GiB").blocking
for number in range(10**9):
    body, tag = b"%d" % number, f"{sys.argv[2]} {number}"
    keys = [f"{sys.argv[2]} {one}" for one in range(30)]
    # The last ten come and go, by their tag or by their keys.
    changes = {key: entry(body, tags=(tag, "all")) for key in keys[:20]}
    changes |= {key: None if number % 2 else entry(body, tags=("odd",)) for key in keys[20:]}
    store.commit(changes, tags=[f"{sys.argv[2]} {number - 1}"] + ["odd"] * (number % 3 == 0))
    print(number, flush=True)
"""


@sizes(rounds=(10, 200), writers=(2, 4))
def test_a_commit_whose_writer_is_killed_is_whole_or_absent(script, disk, folder, rounds, writers, found):
    """Writers are killed in the middle of committing; no key, tag or deletion of half a commit is there."""
    for turn in range(rounds):
        processes = [script(COMMITTER, folder, f"{turn}.{number}") for number in range(writers)]
        lines = [[process.stdout.readline() for _ in range(3 + turn * 7 % 40)] for process in processes]
        for process in processes:
            process.kill()
        for process, said in zip(processes, lines, strict=True):
            said.extend(process.stdout.read().splitlines(keepends=True))
            assert process.wait() == -9
        check_whole(folder)
        store = disk(clock=SystemClock()).blocking
        for number, said in enumerate(lines):
            entries = store.get_many([f"{turn}.{number} {one}" for one in range(30)])
            bodies = {entry.body for entry in entries if entry is not None}
            # All of one commit and of no other: the last that was told of, or one that was not told of any more.
            last, told = max(map(int, bodies), default=-1), int([line for line in said if line.endswith("\n")][-1])
            kept = {entry and entry.tags for entry in entries[:20]} == {(f"{turn}.{number} {last}", "all")}
            others = len([entry for entry in entries[20:] if entry is not None])
            whole = len(bodies) == 1 and kept and others in ((0,) if last % 2 else (0, 10))
            found.update(kills=1, commits=told + 1, lost=last < told, half_commits=not whole)
            assert last >= told
            assert whole, entries
        assert store.commit({}, tags=["all"]) == 20 * writers
        store.clear()
        store.close()
    assert not list(folder.glob("*corrupt*"))


# --- what processes share -----------------------------------------------------------------------------------------

COUNTING = """
from resilient.errors import TransactionError
store = opened(sys.argv[1]).blocking
conflicts = 0

def add(read):
    return entry(b"%d" % (int(read.body) + 1))

print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    store.incr("counter", 1, time.time() + 3600.0)
    while True:
        read = store.get("committed")
        time.sleep(0.001)  # so that others come in between
        try:
            store.commit({"committed": add(read)}, expected={"committed": read})
            break
        except TransactionError:
            conflicts += 1
print(conflicts)
store.close()
"""


@pytest.mark.slow
def test_processes_that_count_at_once_lose_nothing(script, disk, folder, ends_well, make):
    """Four add a hundred times each, to a counter and by commits that expect what they have read."""
    pair = disk(clock=SystemClock())
    pair.blocking.set("committed", replace(make(b"0"), stored_at=0.0, fresh_until=math.inf, expires_at=math.inf))
    processes = [script(COUNTING, folder) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    # That they did get into each other's way is what makes it a proof.
    assert sum(int(ends_well(process)) for process in processes) > 0
    assert pair.blocking.get("counter").body == b"400"
    assert pair.blocking.get("committed").body == b"400"


TAGGING = """
store = opened(sys.argv[1])
async def main():
    for turn in range(20):
        written = [store.tasks.set(f"{sys.argv[2]} {number}", entry(b"", tags=("t",))) for number in range(50)]
        assert await asyncio.gather(*written) == [True] * 50
        print("written", flush=True)
        sys.stdin.readline()
asyncio.run(main())
store.blocking.close()
"""


@pytest.mark.slow
def test_no_process_misses_a_tagged_entry_of_another(script, disk, folder, ends_well):
    """Two processes write a hundred entries at once; a third removes them by their tag. Not one survives, ever."""
    store = disk(clock=SystemClock()).blocking
    processes = [script(TAGGING, folder, number) for number in range(2)]
    for _ in range(20):
        for process in processes:
            assert process.stdout.readline() == "written\n"
        assert store.commit({}, tags=["t"]) == 100
        assert list(store.scan()) == []
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
    for process in processes:
        ends_well(process)
    check_whole(folder)


HOLDER = """
store = opened(sys.argv[1]).blocking
print(store.acquire("lock", "the dead", 100.0), flush=True)
time.sleep(1000)
"""


def test_a_lease_whose_holder_is_killed_is_free_after_its_ttl(script, disk, folder):
    """Until then it is held; then another process takes it, with a higher fence, and keeps the dead one's work out."""
    process = script(HOLDER, folder)
    fence = int(process.stdout.readline())
    process.kill()
    assert process.wait() == -9
    clock = FakeClock(wall=time.time())
    store = disk(clock=clock).blocking
    assert store.acquire("lock", "the living", 60.0) is None
    clock.advance(100.1)
    assert store.acquire("lock", "the living", 60.0) > fence
    now = clock.wall()
    late = Entry(body=b"", stored_at=now, fresh_until=now + 9.0, expires_at=now + 9.0, fence=fence)
    assert store.set("lock", late) is False


# --- forked processes ---------------------------------------------------------------------------------------------

FORKED = """
def link(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""

inherited = []
# Registered before the store's own, so it looks before they do anything.
os.register_at_fork(after_in_child=lambda: inherited.extend(map(link, os.listdir("/proc/self/fd"))))
store = opened(sys.argv[1])
store.blocking.set("before", entry(b"before"))
asyncio.run(store.tasks.get("before"))
children = []
for number in range(10):
    assert store.blocking.get("before").body == b"before"
    store.blocking.set(f"parent {number}", entry(b"parent"))
    child = os.fork()
    if not child:
        try:
            assert threading.enumerate() == [threading.main_thread()]
            assert inherited and not [name for name in inherited if "resilient.db" in name], inherited
            assert store.blocking.get("before").body == b"before"
            assert store.blocking.get(f"parent {number}").body == b"parent"
            store.blocking.set(f"child {number}", entry(b"%d" % os.getpid()))
            assert store.blocking.get(f"child {number}").body == b"%d" % os.getpid()
            async def main():
                await store.tasks.set(f"child {number} tasks", entry(b"%d" % os.getpid()))
                return await store.tasks.get(f"child {number} tasks")
            assert asyncio.run(main()).body == b"%d" % os.getpid()
            store.blocking.close()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
    asyncio.run(store.tasks.set(f"parent {number} tasks", entry(b"parent")))
for number, child in enumerate(children):
    assert os.waitpid(child, 0) == (child, 0)
    assert store.blocking.get(f"child {number}").body == b"%d" % child
    assert store.blocking.get(f"child {number} tasks").body == b"%d" % child
    assert store.blocking.get(f"parent {number} tasks").body == b"parent"
store.blocking.close()
"""


def test_a_store_that_was_used_before_a_fork_works_in_both_processes(script, folder, ends_well):
    """In both colours, ten children at once, each born without a thread or a connection of its parent's."""
    ends_well(script(FORKED, folder))
    check_whole(folder)


FORKED_BUSY = """
warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
store = opened(sys.argv[1])
stop = []

def work(name):
    count = 0
    while not stop:
        key = f"{name} {count % 50}"
        store.blocking.set(key, entry(key.encode() * 1000))
        assert store.blocking.get(key).body == key.encode() * 1000
        count += 1
    written.append(count)

async def tasks(name):
    async def one(number):
        key = f"{name} {number}"
        await store.tasks.set(key, entry(key.encode() * 1000))
        assert (await store.tasks.get(key)).body == key.encode() * 1000
    count = 0
    while not stop:
        await asyncio.gather(*map(one, range(20)))
        count += 20
    written.append(count)

written = []
threads = [threading.Thread(target=work, args=(f"thread {number}",)) for number in range(3)]
threads.append(threading.Thread(target=lambda: asyncio.run(tasks("tasks"))))
for thread in threads:
    thread.start()
for number in range(30):
    child = os.fork()
    if not child:
        try:
            store.blocking.set(f"child {number}", entry(b"child"))
            for key in store.blocking.scan("thread"):
                found = store.blocking.get(key)
                assert found is None or found.body == key.encode() * 1000
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    assert store.blocking.get(f"child {number}").body == b"child"
stop.append(True)
for thread in threads:
    thread.join()
assert len(written) == 4 and all(written), written
store.blocking.close()
"""


@pytest.mark.slow
def test_forks_in_the_middle_of_everything_hurt_nobody(script, folder, ends_well):
    """While three threads and a loop write and read: thirty children work, the parent goes on, nothing is wrong."""
    ends_well(script(FORKED_BUSY, folder))
    check_whole(folder)


HELD_FORK = """
import sqlite3
store = opened(sys.argv[1], write_wait="1ms")
asyncio.run(store.tasks.set("first", entry(b"1")))
holder = sqlite3.connect(sys.argv[1] + "/resilient.db", isolation_level=None, check_same_thread=False)
holder.execute("BEGIN IMMEDIATE")
from resilient.errors import StoreUnavailableError
for number in range(3):
    try:
        store.blocking.set(f"late {number}", entry(b"late"))
    except StoreUnavailableError as error:
        assert error.kind == "timeout"
    else:
        raise AssertionError("it was not held up")
child = os.fork()
if not child:
    alone = threading.enumerate() == [threading.main_thread()]
    os._exit(0 if alone and store.blocking.get("first").body == b"1" and store.blocking.get("late 0") is None else 1)
assert os.waitpid(child, 0) == (child, 0)
holder.execute("COMMIT")
holder.close()
store.blocking.close()
store = opened(sys.argv[1])
print(sorted(store.blocking.scan()))
store.blocking.close()
"""


def test_writes_that_wait_at_a_fork_are_done_once_by_the_parent(script, folder, ends_well):
    """The child has none of them, the parent loses none of them."""
    assert ends_well(script(HELD_FORK, folder)) == "['first', 'late 0', 'late 1', 'late 2']\n"


SPAWNED = """
import multiprocessing
def work(number):
    store = parts[0].blocking
    store.set(f"{number}", entry(b"there"))
    return store.get("parent").body
parts = [opened(sys.argv[1])]
parts[0].blocking.set("parent", entry(b"parent"))
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map(work, range(20)) == [b"parent"] * 20
assert len(list(parts[0].blocking.scan())) == 21
parts[0].blocking.close()
"""


@pytest.mark.slow
def test_a_pool_of_forked_workers_uses_its_parents_store(script, folder, ends_well):
    """As a web server does that loads the application before it forks."""
    process = script("warnings.filterwarnings('ignore', '.*multi-threaded.*', DeprecationWarning)\n" + SPAWNED, folder)
    ends_well(process)


def test_bodies_of_these_tests_belong_to_their_keys():
    """What is compared above is not always the same."""
    assert hashlib.sha256(body("a")).digest() != hashlib.sha256(body("b")).digest()  # noqa: F821
