"""Many processes on one Redis: what they share, what a kill leaves, and what a fork does to connections."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from resilient import Cache
from resilient.entry import Entry, counted
from resilient.stores.registry import open_store
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


@sizes(rounds=(50, 1000), processes=(4, 8))
def test_no_lease_is_ever_held_twice(script, redis_url, found, rounds, processes):
    """Short leases, holders who keep them for longer than they last, and processes that stand still meanwhile.

    By the server's time: when a lease is taken, the one before it was given back or had ended. All fences rise.
    """
    hold = """
import random, redis
clock = redis.Redis.from_url(sys.argv[1])

def now():
    seconds, micros = clock.time()
    return seconds + micros / 1e6

owner, left = str(os.getpid()), int(sys.argv[2])
while left:
    before = now()
    fence = store.acquire("job", owner, 0.1)
    begins = now()
    if fence is None:
        time.sleep(random.uniform(0.001, 0.02))
        continue
    left -= 1
    time.sleep(random.uniform(0.0, 0.2))
    wrote = store.set("job", entry(b"%d" % fence, fence=fence))
    ends = min(now(), before + 0.1)
    store.release("job", owner)
    print(fence, begins, ends, int(wrote), flush=True)
clock.close()
store.close()
"""
    holders = [started(script, hold, redis_url, rounds // processes) for _ in range(processes)]
    for holder in holders:
        go(holder)
    stopped = 0
    while any(holder.poll() is None for holder in holders):
        running = [holder for holder in holders if holder.poll() is None]
        victim = running[stopped % len(running)]
        victim.send_signal(signal.SIGSTOP)
        time.sleep(0.12)
        victim.send_signal(signal.SIGCONT)
        stopped += 1
        time.sleep(0.05)
    held = sorted(tuple(map(float, line.split())) for holder in holders for line in holder.stdout)
    assert [holder.returncode for holder in holders] == [0] * processes
    twice = sum(begins < ends for (_, _, ends, _), (_, begins, _, _) in itertools.pairwise(held))
    refused = sum(not wrote for *_, wrote in held)
    found.update(held=len(held), stopped=stopped, held_twice=twice, refused=refused)
    assert len({fence for fence, *_ in held}) == len(held) == rounds // processes * processes
    assert stopped > 2
    assert refused > 0, "nobody was ever too late"
    assert twice == 0


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


# --- caches -------------------------------------------------------------------------------------------------------

LOCKED = """
from resilient import Cache
cache = Cache()
cache.setup(sys.argv[1], store_budget=None, timeout="60s", socket_timeout="60s", socket_connect_timeout="60s")

def note(what):
    # One write at the end of a file is not torn apart by another one.
    file = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, b"%s\\n" % str(what).encode())
    os.close(file)
"""

TASKS = (
    LOCKED
    + """
@cache.locked(ttl="1h", key="report:{number}")
async def function(number):
    note(number)
    await asyncio.sleep(0.2)
    return ["result", number]

async def main():
    for number in range(int(sys.argv[3])):
        answers = await asyncio.gather(*(function(number) for _ in range(50)))
        assert answers == [["result", number]] * 50
    await cache.aclose()

asyncio.run(main())
store.close()
"""
)

THREADS = (
    LOCKED
    + """
from concurrent.futures import ThreadPoolExecutor

@cache.locked(ttl="1h", key="report:{number}")
def function(number):
    note(number)
    time.sleep(0.2)
    return ["result", number]

with ThreadPoolExecutor(50) as pool:
    for number in range(int(sys.argv[3])):
        assert list(pool.map(function, [number] * 50)) == [["result", number]] * 50
cache.close()
store.close()
"""
)


@pytest.mark.parametrize("program", [TASKS, THREADS], ids=["tasks", "threads"])
@sizes(rounds=(3, 20))
def test_four_processes_on_a_cold_key_are_one_execution(script, redis_url, ends_well, tmp_path, program, rounds, found):
    """Of fifty tasks or threads each: one of all executes, the others wait for its result."""
    processes = [started(script, program, redis_url, tmp_path / "calls", rounds) for _ in range(4)]
    for process in processes:
        go(process)
    for process in processes:
        ends_well(process)
    calls = [int(line) for line in (tmp_path / "calls").read_text().split()]
    found.update(calls=4 * 50 * rounds, executions=len(calls))
    assert sorted(calls) == list(range(rounds))


@pytest.mark.slow
def test_a_killed_holder_keeps_others_waiting_for_its_lease_only(script, redis_server, redis_url, ends_well, tmp_path):
    """For what the server says that is left of five seconds, and not for the hour of the value."""
    hold = """
@cache.locked(ttl="1h", key="report")
def function():
    note("holder")
    print("holds", flush=True)
    time.sleep(3600)

function()
"""
    follow = """
@cache.locked(ttl="1h", key="report")
async def function():
    note("follower")
    return "result"

async def main():
    print(await function())
    await cache.aclose()

asyncio.run(main())
store.close()
"""
    holder = started(script, LOCKED + hold, redis_url, tmp_path / "calls")
    go(holder)
    assert holder.stdout.readline() == "holds\n"
    holder.kill()
    holder.wait()
    (lease,) = redis_server.admin().keys("resilient:l*")
    ends = float(redis_server.ask("HGET", lease, "ends"))
    seconds, _ = redis_server.ask("TIME")
    assert 0 < ends - seconds <= 6, "no longer than it lasts"
    follower = started(script, LOCKED + follow, redis_url, tmp_path / "calls")
    go(follower)
    assert ends_well(follower) == "result\n"
    assert (tmp_path / "calls").read_text().split() == ["holder", "follower"]


@pytest.mark.parametrize("what", ["a value", "a lock"])
@pytest.mark.parametrize("colour", ["tasks", "threads"])
@pytest.mark.slow
def test_waiting_costs_the_server_less_than_fifty_commands_a_second(redis_server, redis_url, what, colour):
    """Of each who waits, what its scripts do included, as the server counts them; whoever holds it holds it for 3 s."""
    waiters = 20
    caches = [Cache() for _ in range(waiters)]
    for cache in caches:
        cache.setup(redis_url, store_budget=None, timeout="60s", socket_timeout="60s")
    holder = open_store(redis_url, socket_timeout="60s").blocking
    name = "~locked:report" if what == "a value" else "~lock:report"
    made = []

    def blocking(cache):
        if what == "a lock":
            with cache.lock("report"):
                made.append(cache)
            return
        cache.locked(ttl="1h", key="report")(lambda: made.append(cache))()

    async def waits(cache):
        if what == "a lock":
            async with cache.lock("report"):
                made.append(cache)
            return

        @cache.locked(ttl="1h", key="report")
        async def function():
            made.append(cache)

        await function()

    async def all_wait():
        await asyncio.gather(*map(waits, caches))
        for cache in caches:
            await cache.aclose()

    assert holder.acquire(name, "somebody", 60.0) is not None
    with ThreadPoolExecutor(waiters + 1) as pool:
        if colour == "tasks":
            done = [pool.submit(asyncio.run, all_wait())]
        else:
            done = [pool.submit(blocking, cache) for cache in caches]
        time.sleep(1)
        before, began = redis_server.admin().info("stats")["total_commands_processed"], time.monotonic()
        time.sleep(3)
        after, took = redis_server.admin().info("stats")["total_commands_processed"], time.monotonic() - began
        assert made == []
        assert holder.release(name, "somebody")
        for each in done:
            each.result()
    holder.close()
    for cache in caches:
        cache.close()
    assert len(made) == (waiters if what == "a lock" else 1)
    assert waiters * took < after - before < 50 * waiters * took


def _entry(body, fence):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + 600, expires_at=now + 600, fence=fence)
