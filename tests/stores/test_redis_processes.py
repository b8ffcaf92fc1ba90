"""Many processes on one Redis: what they share, what a kill leaves, and what a fork does to connections."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from resilient.entry import Entry, counted
from tests.soaking import sizes

WORKER = """
store = open_store(sys.argv[1], socket_timeout="60s").blocking
print("ready", flush=True)
sys.stdin.readline()
"""


def started(script, text, *args):
    """A process that runs ``text`` once it is told to."""
    process = script(WORKER + text, *args)
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
def test_four_processes_lose_no_addition_and_share_one_secret(script, redis_url, opened, ends_well):
    """They begin at once, on a server that knows neither the scripts nor a secret."""
    count = """
for _ in range(250):
    store.incr("n", 1, float("inf"))
print(store.secret().hex())
store.close()
"""
    processes = [started(script, count, redis_url) for _ in range(4)]
    for process in processes:
        go(process)
    store = opened(redis_url).blocking
    assert {ends_well(process).strip() for process in processes} == {store.secret().hex()}
    assert counted(store.get("n")) == 1000


@pytest.mark.slow
def test_a_killed_holder_frees_its_lease_within_its_time(script, redis_url, opened):
    """Nobody else has it before that, and somebody has it after; the server's time says when."""
    hold = """
print(store.acquire("job", "killed", 1.5), flush=True)
time.sleep(600)
"""
    process = started(script, hold, redis_url)
    go(process)
    fence = int(process.stdout.readline())
    store = opened(redis_url).blocking
    assert store.acquire("job", "next", 5.0) is None
    process.kill()
    process.wait()
    tries = 0
    while (new := store.acquire("job", "next", 5.0)) is None:
        tries += 1
        time.sleep(0.01)
    assert new > fence
    assert tries > 0
    assert store.release("job", "killed") is False


@sizes(rounds=(50, 1000))
def test_whoever_was_held_up_for_longer_than_its_lease_writes_nothing(script, redis_url, opened, found, rounds):
    """The holder is stopped, another one takes over and writes, the first one goes on: its late write is refused."""
    late = """
print(os.getpid(), flush=True)
for line in sys.stdin:
    key = line.strip()
    fence = store.acquire(key, "first", 0.05)
    print("holds", flush=True)
    sys.stdin.readline()
    print(store.set(key, entry(b"first", fence=fence)), store.renew(key, "first", 5.0), flush=True)
"""
    process = started(script, late, redis_url)
    go(process)
    pid = int(process.stdout.readline())
    store = opened(redis_url).blocking
    refused = kept = 0
    for number in range(rounds):
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "holds\n"
        os.kill(pid, signal.SIGSTOP)
        try:
            while (fence := store.acquire(f"{number}", "second", 60.0)) is None:
                time.sleep(0.002)
            assert store.set(f"{number}", _entry(b"second", fence)) is True
        finally:
            os.kill(pid, signal.SIGCONT)
        if number % 2:
            store.release(f"{number}", "second")
        process.stdin.write("\n")
        process.stdin.flush()
        refused += process.stdout.readline() == "False False\n"
        kept += store.get(f"{number}").body == b"second"
    found.update(refused=refused, kept=kept)
    assert (refused, kept) == (rounds, rounds)


@pytest.mark.slow
def test_fifty_groups_removed_beside_tagged_writes_of_other_processes_leave_nothing_old(script, redis_url, opened):
    """An entry that was written before its group was removed is never given again."""
    write = """
number = 0
while store.get("stop") is None:
    number += 1
    store.set(f"{sys.argv[2]} {number % 20}", entry(b"%d" % store.incr("turn", 0, float("inf")), tags=("t",)))
store.close()
"""
    processes = [started(script, write, redis_url, name) for name in range(3)]
    for process in processes:
        go(process)
    store = opened(redis_url).blocking
    removed = 0
    for _ in range(50):
        # Whoever reads this turn or an earlier one before the removal may write it after that; at most one each does.
        removed += store.commit({}, tags=["t"])
        turn = store.incr("turn", 1, float("inf"))
        store.commit({}, tags=["t"])
        old = [found for found in store.get_many(list(store.scan())) if found and found.tags and int(found.body) < turn]
        assert len(old) <= len(processes)
    store.set("stop", _entry(b"", 0))
    for process in processes:
        assert process.wait(60) == 0
    assert removed > 50
    store.commit({}, tags=["t"])
    assert sorted(store.scan()) == ["stop", "turn"]


@pytest.mark.slow
def test_a_forked_child_has_connections_of_its_own(script, redis_url, ends_well):
    """Used before the fork in both colours; afterwards parent and children each get their own answers."""
    fork = """
pair = open_store(sys.argv[1], socket_timeout="60s")
for number in range(200):
    pair.blocking.set(f"{number}", entry(b"%d" % number))

async def read(first):
    for number in range(first, 200, 4):
        assert (await pair.tasks.get(f"{number}")).body == b"%d" % number, number

async def main():
    await asyncio.gather(*(read(first) for first in range(4)))

asyncio.run(main())
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        try:
            for _ in range(5):
                for number in range(200):
                    assert pair.blocking.get(f"{number}").body == b"%d" % number, number
                asyncio.run(main())
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    children.append(child)
for _ in range(5):
    for number in range(200):
        assert pair.blocking.get(f"{number}").body == b"%d" % number, number
    asyncio.run(main())
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
pair.blocking.close()
store.close()
"""
    process = started(script, fork, redis_url)
    go(process)
    assert ends_well(process) == "[0, 0, 0]\n"


@pytest.mark.slow
def test_a_fork_within_a_running_loop_leaves_the_parent_s_connections_alone(script, redis_url, ends_well):
    """The child starts a loop of its own; the parent's goes on with the connections that it had."""
    fork = """
pair = open_store(sys.argv[1])

async def check(times):
    for number in range(times):
        await pair.tasks.set(f"{os.getpid()} {number}", entry(b"%d" % number))
        assert (await pair.tasks.get(f"{os.getpid()} {number}")).body == b"%d" % number

def in_the_child():
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(None)
    loop.run_until_complete(check(100))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    os._exit(0)

async def main():
    await check(10)
    child = os.fork()
    if not child:
        in_the_child()
    await check(100)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    await pair.tasks.close()

asyncio.run(main())
store.close()
"""
    process = started(script, fork, redis_url)
    go(process)
    assert ends_well(process) == "0\n"


def test_tasks_of_two_loops_wait_for_one_lease(redis_url, opened):
    """A lease is one for all: both colours, all loops."""
    pair = opened(redis_url)

    async def take(owner):
        return await pair.tasks.acquire("job", owner, 60.0)

    assert asyncio.run(take("ann")) is not None
    assert asyncio.run(take("bob")) is None
    assert pair.blocking.acquire("job", "eve", 60.0) is None
    assert pair.blocking.renew("job", "ann", 60.0) is True


def _entry(body, fence):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + 600, expires_at=now + 600, fence=fence)
