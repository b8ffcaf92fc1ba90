"""What a Redis store makes of a server that fails, and of callers who give up; each fault is seen to have happened."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from resilient import Cache
from resilient.entry import Entry
from resilient.errors import StoreError, StoreUnavailableError
from resilient.events import StoreFailed
from resilient.runtime.clock import SystemClock
from resilient.runtime.patience import be_patient, patience_over
from resilient.testing import FaultProxy
from resilient_adapters.redis.keys import Keys
from tests.soaking import sizes
from tests.stores.conftest import Face
from tests.stores.servers import PASSWORD, USER

KEYS = Keys("resilient")
HURRY = {"socket_timeout": "50ms"}


def entry(body=b"value", ttl=600.0, **more):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)


@pytest.fixture(params=["blocking", "tasks"])
def opened_face(request, opened):
    """Opens a store and gives one colour of it as plain functions; tasks give up after the blocking ones' time."""
    with asyncio.Runner() as runner:

        class Bounded(Face):
            def __getattr__(self, name):
                method = super().__getattr__(name)
                if not self.tasks:
                    return method

                def bounded(*args, **options):
                    async def run():
                        try:
                            async with asyncio.timeout(self.bound):
                                return await getattr(self.pair.tasks, name)(*args, **options)
                        except TimeoutError:
                            raise StoreUnavailableError("too late", kind="timeout") from None

                    return runner.run(run())

                return bounded

        def face(url, bound=60.0, **options):
            made = Bounded(opened(url, socket_timeout=bound, **options), request.param, runner)
            made.bound = bound
            made.settle = lambda: runner.run(asyncio.sleep(0.05))
            return made

        yield face


def kind_of_failure(command, *args, **options):
    """The kind of trouble that a command has now."""
    with pytest.raises(StoreError) as caught:
        command(*args, **options)
    return caught.value.kind


def in_the_end(command, *args):
    """What a command returns as soon as it succeeds; fails with the kinds of trouble that are a server's."""
    while True:
        try:
            return command(*args)
        except StoreUnavailableError:
            time.sleep(0.01)


def hear_of_it(store):
    """A loop that does not run does not hear that connections were closed."""
    if store.tasks:
        store.settle()


# --- a server that is away ----------------------------------------------------------------------------------------


def test_a_killed_server_is_away_and_then_back(own_server, opened_face):
    """Each command says so at once, and works as soon as the server does; what it kept is gone."""
    server = own_server()
    store = opened_face(server.url)
    store.set("k", entry())
    assert store.get("k") is not None
    server.kill()
    for _ in range(3):
        assert kind_of_failure(store.get, "k") == "other"
        assert kind_of_failure(store.acquire, "k", "ann", 5.0) == "other"
    server.start()
    assert store.get("k") is None
    assert store.set("k", entry(fence=1)) is True
    assert store.get("k") is not None


def test_a_server_killed_in_the_middle_of_traffic_hurts_with_store_errors_only(own_server, opened):
    """Eight threads and eight tasks go on all the while; nobody gets another's entry, and in the end all is well."""
    server = own_server()
    pair = opened(server.url, socket_timeout="500ms")
    failures, strangers, ends = [], [], threading.Event()

    def check(key, found):
        if found is not None and found.body != key.encode():
            strangers.append((key, found))

    def work(name):
        while not ends.is_set():
            key = f"{name}:{random.randrange(50)}"
            try:
                pair.blocking.set(key, entry(key.encode()))
                check(key, pair.blocking.get(key))
            except StoreError as error:
                failures.append(error)

    async def task(name):
        while not ends.is_set():
            key = f"{name}:{random.randrange(50)}"
            try:
                async with asyncio.timeout(0.5):
                    await pair.tasks.set(key, entry(key.encode()))
                    check(key, await pair.tasks.get(key))
            except (StoreError, TimeoutError) as error:
                failures.append(error)
                await asyncio.sleep(0.005)

    async def tasks():
        await asyncio.gather(*(task(f"task {number}") for number in range(8)))

    with ThreadPoolExecutor(9) as pool:
        futures = [pool.submit(work, f"thread {number}") for number in range(8)]
        futures.append(pool.submit(asyncio.run, tasks()))
        for _ in range(3):
            time.sleep(0.2)
            server.kill()
            time.sleep(0.1)
            server.start()
        before = len(failures)
        in_the_end(pair.blocking.get, "k")
        ends.set()
        for future in futures:
            future.result()
    assert before > 0
    assert strangers == []


def test_a_server_that_is_not_there_yet_is_found_when_it_comes(own_server, opened_face):
    """A program may start before its server."""
    server = own_server()
    server.kill()
    store = opened_face(server.url)
    assert kind_of_failure(store.get, "k") == "other"
    server.start()
    assert store.set("k", entry()) is True


def test_a_paused_server_keeps_nobody_waiting(own_server, opened_face):
    """Those who ask give up in time while it stands still; each answer after that is one's own."""
    server = own_server()
    patient, store = opened_face(server.url), opened_face(server.url, bound=0.05)
    for number in range(20):
        patient.set(f"{number}", entry(b"%d" % number))
    in_the_end(store.get, "0")
    server.pause()
    # Nothing moves until they have given up, or this test would not end.
    assert [kind_of_failure(store.get, f"{number}") for number in range(10)] == ["timeout"] * 10
    server.resume()
    assert in_the_end(store.get, "19").body == b"19"
    for number in range(20):
        assert patient.get(f"{number}").body == b"%d" % number
        assert in_the_end(store.get, f"{number}").body == b"%d" % number


def test_a_server_that_accepts_and_says_nothing_keeps_nobody_waiting(opened_face):
    """Opening a connection goes on behind, whatever its own limit is."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        store = opened_face(f"redis://:x@127.0.0.1:{deaf.getsockname()[1]}", bound=0.05)
        for _ in range(3):
            assert kind_of_failure(store.get, "k") == "timeout"
        if store.tasks:
            store.close()


def test_clients_that_are_paused_wait_or_give_up(own_server, opened_face):
    """CLIENT PAUSE, as a failover does."""
    server = own_server()
    patient, store = opened_face(server.url), opened_face(server.url, bound=0.05)
    patient.set("k", entry())
    in_the_end(store.get, "k")
    server.ask("CLIENT", "PAUSE", 300)
    assert kind_of_failure(store.get, "k") == "timeout"
    assert patient.get("k") is not None


def test_a_connection_that_was_closed_meanwhile_is_not_used(own_server, opened_face):
    """CLIENT KILL between two commands: the next one takes a new connection, and its caller notices nothing."""
    server = own_server()
    store = opened_face(server.url)
    store.set("k", entry())
    for _ in range(5):
        assert server.ask("CLIENT", "KILL", "USER", USER) >= 1
        hear_of_it(store)
        assert store.get("k") is not None
        assert store.incr("n", 1, float("inf")) > 0


def test_connections_that_are_killed_in_the_middle_of_traffic_mix_nothing_up(own_server, opened):
    """Kills beside 3,000 reads or more: each is an entry of one's own, or a store error."""
    server = own_server()
    pair = opened(server.url)
    for number in range(50):
        pair.blocking.set(f"{number}", entry(b"%d" % number + b"." * 3000))
    killed, outcomes, ends = [], {"right": 0, "failed": 0, "wrong": 0}, threading.Event()

    def kill():
        while not ends.is_set():
            killed.append(server.ask("CLIENT", "KILL", "USER", USER))
            time.sleep(0.002)

    async def read(number):
        try:
            found = await pair.tasks.get(f"{number}")
        except StoreError:
            outcomes["failed"] += 1
        else:
            right = found is not None and found.body.rstrip(b".") == b"%d" % number
            outcomes["right" if right else "wrong"] += 1

    async def main():
        rounds = 0
        while rounds < 150 or sum(killed) <= 20:
            rounds += 1
            await asyncio.gather(*(read(random.randrange(50)) for _ in range(20)))

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        asyncio.run(main())
    finally:
        ends.set()
        killer.join()
    assert outcomes["wrong"] == 0
    assert outcomes["right"] > 100


def test_a_thread_waits_as_long_as_its_caller_s_budget_says(own_server, opened):
    """The store alone would wait for an hour."""
    server = own_server()
    store = opened(server.url, socket_timeout="1h").blocking
    store.set("k", entry())
    server.pause()
    token = be_patient(SystemClock(), 0.05)
    try:
        for command in (lambda: store.get("k"), lambda: store.delete("k")):
            assert kind_of_failure(command) == "timeout"
    finally:
        patience_over(token)
        server.resume()
    assert store.incr("n", 1, float("inf")) == 1


def test_a_call_without_a_budget_waits_as_long_as_it_takes(own_server, opened):
    """What was made is kept, though the server stood still meanwhile."""
    server = own_server()
    pair, heard = opened(server.url), []
    cache = Cache(telemetry=[heard.append])
    cache.setup(pair, store_budget=None)
    function = cache(ttl="1h", key="k")(lambda: "made")
    server.pause()
    healer = threading.Timer(0.3, server.resume)
    healer.start()
    assert function() == "made"
    healer.join()
    assert cache.blocking.get("k") == "made"
    assert [event for event in heard if isinstance(event, StoreFailed)] == []


# --- callers who give up ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_of_ten_thousand_reads_with_cancellations_none_gets_the_answer_of_another(own_server, opened):
    """Cancelled at any moment, before, in the middle of and after the answer: 0 mismatches, and 0 are lost."""
    server = own_server()
    pair = opened(server.url, maxsize=8)
    for number in range(100):
        pair.blocking.set(f"{number}", entry(b"%d " % number + os.urandom(2000)))
    counts = {"right": 0, "wrong": 0, "cancelled": 0, "failed": 0}

    async def read(number):
        try:
            found = await pair.tasks.get(f"{number}")
        except asyncio.CancelledError:
            counts["cancelled"] += 1
            raise
        except StoreError:
            counts["failed"] += 1
        else:
            right = found is not None and found.body.split(b" ", 1)[0] == b"%d" % number
            counts["right" if right else "wrong"] += 1

    async def main():
        for _ in range(200):
            tasks = [asyncio.create_task(read(random.randrange(100))) for _ in range(50)]
            while not all(task.done() for task in tasks):
                await asyncio.sleep(0)
                for task in random.sample(tasks, 2):
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert (await pair.tasks.get("1")).body.startswith(b"1 ")

    asyncio.run(main())
    assert sum(counts.values()) >= 9_900
    assert counts["wrong"] == counts["failed"] == 0
    assert counts["cancelled"] > 200
    assert counts["right"] > 1_000


def test_a_cancellation_is_always_obeyed(own_server, opened):
    """A task that waits for a paused server ends by being cancelled, however often, and leaves nothing behind."""
    server = own_server()
    pair = opened(server.url, maxsize=2)

    async def main():
        await pair.tasks.set("k", entry())
        server.pause()
        try:
            for _ in range(5):
                tasks = [asyncio.create_task(pair.tasks.get("k")) for _ in range(6)]
                await asyncio.sleep(0.02)
                for task in tasks:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                assert [type(each) for each in done] == [asyncio.CancelledError] * 6
        finally:
            server.resume()
        assert (await pair.tasks.get("k")).body == b"value"
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [task for task in others if "opener" not in task.get_name()]

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["closes", "resets", "hangs"])
def test_half_an_answer_is_no_answer(own_server, opened_face, fault):
    """A link that breaks or stalls in the middle of an entry costs a store error, and the next one is whole."""
    server = own_server()
    opened_face(server.url).set("k", entry(os.urandom(100_000)))
    with FaultProxy("127.0.0.1", server.port) as link:
        store = opened_face(server.url.replace(f":{server.port}", f":{link.port}"), bound=0.2)
        getattr(link, fault)(after=40_000)
        kinds = set()
        while link.injected[fault] < 3:
            with suppress(StoreUnavailableError):
                store.get("k")
                pytest.fail("an entry of which half was sent")
            kinds.add(kind_of_failure(store.get, "k"))
        assert kinds <= {"other", "timeout"}
        link.heals()
        assert len(in_the_end(store.get, "k").body) == 100_000
        if store.tasks:
            store.close()


# --- a server that refuses ----------------------------------------------------------------------------------------


def test_a_full_server_is_read_all_the_same(own_server, opened_face):
    """OOM: what is there is given, nothing is added, also by scripts; once there is room again all is well."""
    server = own_server("maxmemory-policy noeviction")
    store = opened_face(server.url)
    store.set("k", entry())
    store.acquire("warm", "up", 5.0)
    server.ask("CONFIG", "SET", "maxmemory", 1)
    assert kind_of_failure(store.set, "new", entry()) == "full"
    assert kind_of_failure(store.set, "tagged", entry(tags=("t",))) == "full"
    assert kind_of_failure(store.commit, {"a": entry(), "b": entry()}) == "full"
    assert kind_of_failure(store.incr, "n", 1, float("inf")) == "full"
    assert kind_of_failure(store.acquire, "k", "ann", 5.0) == "full"
    assert store.get("k") is not None
    assert sorted(store.scan()) == ["k"]
    assert store.delete("k") == 1
    server.ask("CONFIG", "SET", "maxmemory", 0)
    assert store.set("new", entry()) is True


def test_a_server_that_became_a_replica_is_read_only_and_asked_anew(own_server, opened_face):
    """READONLY, as after a failover; once it is a master again, so that the address leads to one, it works."""
    server, master = own_server(), own_server("repl-diskless-sync-delay 0")
    store = opened_face(server.url)
    store.set("k", entry())
    server.ask("CONFIG", "SET", "masterauth", PASSWORD)
    server.ask("REPLICAOF", "127.0.0.1", master.port)
    while server.admin().info("replication")["master_link_status"] != "up":
        time.sleep(0.02)
    before = server.admin().info("stats")["total_connections_received"]
    assert kind_of_failure(store.set, "k", entry()) == "readonly"
    assert kind_of_failure(store.set, "k", entry(tags=("t",))) == "readonly"
    assert store.get("k") is None
    assert server.admin().info("stats")["total_connections_received"] - before > 2
    server.ask("REPLICAOF", "NO", "ONE")
    assert store.set("k", entry()) is True


def test_a_server_that_loads_its_data_is_busy(own_server, opened_face):
    """LOADING, as after a restart with much to read; as soon as it is done there is what there was."""
    server = own_server("key-load-delay 500", "loading-process-events-interval-bytes 1024")
    store = opened_face(server.url)
    store.set("k", entry())
    store.commit({f"{number}": entry(b"x" * 500) for number in range(1500)})
    server.ask("SAVE")
    server.kill()
    hear_of_it(store)
    server.start()
    assert kind_of_failure(store.get, "k") == "busy"
    assert in_the_end(store.get, "k").body == b"value"


def test_a_user_who_may_not_is_told_so(own_server, opened_face):
    """NOPERM, also from within a script, and a password that is no longer right; all end with the cause."""
    server = own_server()
    store = opened_face(server.url)
    store.set("k", entry())
    server.ask("ACL", "SETUSER", USER, "-get")
    assert kind_of_failure(store.get, "k") == "auth"
    server.ask("ACL", "SETUSER", USER, "+get", "-hset")
    assert kind_of_failure(store.acquire, "k", "ann", 5.0) == "auth"
    server.ask("ACL", "SETUSER", USER, "+hset", "resetkeys", "~other:*")
    assert kind_of_failure(store.get, "k") == "auth"
    assert kind_of_failure(store.acquire, "k", "ann", 5.0) == "auth"
    server.ask("ACL", "SETUSER", USER, "~resilient:*", "resetpass", ">another")
    server.ask("CLIENT", "KILL", "USER", USER)
    hear_of_it(store)
    assert kind_of_failure(store.get, "k") == "auth"
    server.ask("ACL", "SETUSER", USER, f">{PASSWORD}")
    assert store.get("k") is not None


# --- a server that needs the room ---------------------------------------------------------------------------------


@sizes(rounds=(3, 60))
def test_what_a_server_drops_is_a_miss(own_server, opened, found, rounds):
    """Any key at any time, groups and leases too: no error, no wrong body, and no entry outlives its group."""
    server = own_server("maxmemory 3mb", "maxmemory-policy allkeys-random")
    store = opened(server.url).blocking
    keys = [f"{number}" for number in range(1000)]
    groups = [f"group {number}" for number in range(7)]
    hits = wrong = stale = 0
    for turn in range(rounds):
        for number, key in enumerate(keys):
            tags = (groups[number % 7],) if number % 2 else ()
            fence = (store.acquire(key, "ann", 5.0) or 0) if number % 5 == 0 else 0
            store.set(key, entry(b"%d %d " % (turn, number) + os.urandom(3000), tags=tags, fence=fence))
        for number, read in enumerate(store.get_many(keys)):
            if read is not None:
                hits += 1
                # The fence of a lease that the server dropped is lower than that of the next, so never in the way.
                wrong += read.body.split(b" ")[:2] != [b"%d" % turn, b"%d" % number]
        store.commit({}, tags=groups)
        stale += sum(read is not None and bool(read.tags) for read in store.get_many(keys))
    evicted = server.admin().info("stats")["evicted_keys"]
    found.update(hits=hits, evicted=evicted, wrong=wrong, stale=stale)
    assert evicted > 100
    assert hits > 100
    assert (wrong, stale) == (0, 0)
