"""Many processes, killed ones, forked ones."""

from __future__ import annotations

import hashlib
import sqlite3

import pytest

from resilient.runtime.clock import SystemClock

BODY = """
import hashlib
def body(key):
    return hashlib.shake_256(key.encode()).digest(500 + int(hashlib.sha256(key.encode()).hexdigest()[:4], 16))
"""
exec(BODY)


def check_whole(folder):
    """The database is whole, by SQLite's own judgement."""
    connection = sqlite3.connect(folder / "resilient.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


# --- many processes -----------------------------------------------------------------------------------------------

MANY = (
    BODY
    + """
store = opened(sys.argv[1]).blocking
print("ready", flush=True)
sys.stdin.readline()
print(store.secret().hex())
for number in range(200):
    store.set(f"{sys.argv[2]} {number}", entry(body(f"{sys.argv[2]} {number}")))
    store.set("common", entry(body(sys.argv[2])))
    assert store.get("common") is not None
print(store.secret().hex())
store.close()
"""
)


@pytest.mark.slow
def test_eight_processes_lose_nothing(script, disk, folder, ends_well):
    """They make the database and write 400 times each, all at once; all is there, and they have one secret."""
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
        for number in range(200):
            assert pair.blocking.get(f"{process} {number}").body == body(f"{process} {number}")  # noqa: F821
    assert len(list(pair.blocking.scan())) == 8 * 200 + 1
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
        await pair.tasks.set(key, entry(body(key)))
        print(key, flush=True)
        key = f"{sys.argv[2]} {number}"
        pair.blocking.set(key, entry(body(key)))
        print(key, flush=True)

asyncio.run(main(opened(sys.argv[1], max_bytes="1GiB")))
"""
)


def kill_writers(script, disk, folder, rounds, writers, first=0):
    for turn in range(first, first + rounds):
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
        for key in keys:
            assert pair.blocking.get(key).body == body(key), key  # noqa: F821
        for key in pair.blocking.scan(f"{turn}."):
            assert pair.blocking.get(key).body == body(key), key  # noqa: F821
        pair.blocking.clear()
        pair.blocking.close()
    assert not list(folder.glob("*corrupt*"))


@pytest.mark.slow
def test_what_was_set_survives_the_death_of_its_writer(script, disk, folder):
    """Writers are killed in the middle; all that was set is there, whole, and so is the database. Ten times."""
    kill_writers(script, disk, folder, rounds=10, writers=2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_what_was_set_survives_the_death_of_its_writer_many_times(script, disk, folder):
    """The same with four writers, two hundred times."""
    kill_writers(script, disk, folder, rounds=200, writers=4)


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
