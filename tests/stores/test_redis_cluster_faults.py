"""What a store makes of a Redis Cluster in which nodes fail and slots move; each fault is seen to have happened."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.crc import key_slot

from resilient import Cache
from resilient.entry import Entry
from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.redis.cluster.slots import Slots
from resilient_adapters.redis.keys import Keys
from tests.stores.clusters import Cluster
from tests.stores.servers import PASSWORD, USER, until

KEYS = Keys("resilient")


def entry(body=b"value", ttl=600.0, **more):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)


@pytest.fixture
def own_cluster(tmp_path):
    """Starts a cluster that the test may do harm to."""
    started = []

    def start(*options):
        started.append(Cluster(tmp_path / "cluster", *options))
        started[-1].start()
        return started[-1]

    yield start
    for cluster in started:
        cluster.stop()


class Traffic:
    """Eight threads and eight tasks that write and read their own entries, tagged ones too, and count what they see."""

    def __init__(self, pair, names):
        self.pair, self.names = pair, names
        self.failures, self.wrong, self.right = [], [], 0
        self.added = 0
        self._ends = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self):
        self._pool = ThreadPoolExecutor(9)
        self._futures = [self._pool.submit(self._thread, number) for number in range(8)]
        self._futures.append(self._pool.submit(asyncio.run, self._tasks()))
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._pool.shutdown()
        for future in self._futures:
            future.result()

    def _thread(self, number):
        store = self.pair.blocking
        while not self._ends.is_set():
            key, body, tags = self._made(number)
            try:
                store.set(key, entry(body, tags=tags))
                self._check(body, store.get(key))
                store.incr(self.names("count"), 1, float("inf"))
                self._note_added()
                fence = store.acquire(key, f"{number}", 5.0)
                self._check(True, fence is not None)
                self._check(True, store.release(key, f"{number}"))
            except StoreError as error:
                self.failures.append(error)

    async def _tasks(self):
        await asyncio.gather(*(self._task(number) for number in range(10, 18)))

    async def _task(self, number):
        store = self.pair.tasks
        while not self._ends.is_set():
            key, body, tags = self._made(number)
            try:
                async with asyncio.timeout(5.0):
                    await store.set(key, entry(body, tags=tags))
                    self._check(body, await store.get(key))
                    await store.incr(self.names("count"), 1, float("inf"))
                    self._note_added()
            except (StoreError, TimeoutError) as error:
                self.failures.append(error)
                await asyncio.sleep(0.005)

    def _made(self, number):
        tags = (self.names(f"tag {number}"),) if random.random() < 0.3 else ()
        return self.names(f"{number}:{random.randrange(20)}"), random.randbytes(20), tags

    def _check(self, meant, found):
        body = found.body if isinstance(found, Entry) else found
        with self._lock:
            if body == meant:
                self.right += 1
            else:
                self.wrong.append((meant, found))

    def _note_added(self):
        with self._lock:
            self.added += 1


def refusals(cluster, code):
    """How often nodes have answered with this code."""
    return sum(
        node.admin().info("errorstats").get(f"errorstat_{code}", {}).get("count", 0) for node in cluster.running()
    )


def flags_of(node, said_by):
    """What one node says of another one, in the words of CLUSTER NODES."""
    (flags,) = [line[2] for line in said_by.lines() if line[1].startswith(f"127.0.0.1:{node.port}@")]
    return flags


# --- nodes that fail ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["killed", "killed while the rest goes on", "stands still"])
def test_a_master_that_fails_in_the_middle_of_traffic_hurts_no_caller(own_cluster, opened, fault):
    """No call of a decorated function fails; once its replica has taken over all works again, with nobody's help."""
    # The rest of a cluster stands still with a part of it, unless that is said.
    cluster = own_cluster(*(["cluster-require-full-coverage no"] if "rest" in fault else []))
    pair = opened(cluster.url, socket_timeout="500ms")
    cache = Cache()
    cache.setup(cluster.url)
    made, failed, calls, ends = {"plain": 0, "async": 0}, [], [0], threading.Event()

    @cache(ttl="1m", key="plain:{number}")
    def plain(number):
        made["plain"] += 1
        return number

    @cache(ttl="1m", key="async:{number}")
    async def asynchronous(number):
        made["async"] += 1
        return number

    def users():
        while not ends.is_set():
            number = random.randrange(50)
            try:
                assert plain(number) == number
            except Exception as error:  # noqa: BLE001 - none may come
                failed.append(error)
            calls[0] += 1

    async def async_users():
        async def user():
            while not ends.is_set():
                number = random.randrange(50)
                try:
                    assert await asynchronous(number) == number
                except Exception as error:  # noqa: BLE001 - none may come
                    failed.append(error)
                calls[0] += 1

        await asyncio.gather(*(user() for _ in range(4)))
        await cache.aclose()

    victim = cluster.owner(KEYS.entry("plain:1"))
    (heir,) = [node for node in cluster.nodes if _master_of(node) == victim.port]
    with ThreadPoolExecutor(3) as pool, Traffic(pair, str) as traffic:
        futures = [pool.submit(users), pool.submit(users), pool.submit(asyncio.run, async_users())]
        until(lambda: traffic.right > 200 and calls[0] > 200)
        if fault == "stands still":
            victim.pause()
        else:
            victim.kill()
        others = [node for node in cluster.nodes if node is not victim]
        until(lambda: heir.role() == "master" and heir.owns())
        until(lambda: all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in others))
        # From here on nothing is in the way but what is remembered of the old days.
        for number in range(300):
            until(lambda number=number: _works(pair.blocking, f"after:{number}"))
        failures = len(traffic.failures)
        until(lambda before=traffic.right: traffic.right > before + 500)
        seen = calls[0]
        until(lambda: calls[0] > seen + 200)
        ends.set()
        for future in futures:
            future.result()
    assert "fail" in flags_of(victim, said_by=heir)
    assert flags_of(heir, said_by=heir) == "myself,master"
    assert failures > 0
    assert failed == []
    # What was acknowledged may be lost with the master, so a read may miss; nobody gets another's entry.
    assert [found for meant, found in traffic.wrong if isinstance(found, Entry) and found.body != meant] == []
    if fault == "stands still":
        victim.resume()
        until(lambda: victim.role() == "slave")
        assert _works(pair.blocking, "after the return")


def _master_of(node):
    return node.admin().info("replication").get("master_port")


def _works(store, key):
    try:
        store.set(key, entry(key.encode()))
        return store.get(key).body == key.encode()
    except StoreUnavailableError:
        return False


@pytest.mark.slow
def test_a_cluster_that_is_down_is_busy_and_then_back(own_cluster, opened):
    """CLUSTERDOWN: a master and its replica are gone. Once one is back all is as before, in both colours."""
    cluster = own_cluster()
    pair = opened(cluster.url)
    pair.blocking.set("k", entry())
    here = cluster.owner(KEYS.entry("k"))
    victim = next(node for node in cluster.masters() if node is not here)
    (replica,) = [node for node in cluster.nodes if _master_of(node) == victim.port]
    replica.kill()
    victim.kill()
    until(lambda: b"cluster_state:fail" in here.ask("CLUSTER", "INFO"))

    async def read():
        return await pair.tasks.get("k")

    for attempt in (lambda: pair.blocking.get("k"), lambda: asyncio.run(read())):
        with pytest.raises(StoreUnavailableError) as caught:
            attempt()
        assert caught.value.kind == "busy"
    assert refusals(cluster, "CLUSTERDOWN") >= 2
    victim.start()
    until(lambda: b"cluster_state:ok" in here.ask("CLUSTER", "INFO"))
    assert pair.blocking.get("k").body == b"value"
    assert asyncio.run(read()).body == b"value"


def test_a_failover_by_hand_fails_no_command(redis_cluster, cluster_url, opened):
    """CLUSTER FAILOVER in the middle of traffic, there and back: masters and replicas change places, nobody notices."""
    pair = opened(cluster_url)
    old = redis_cluster.owner(KEYS.entry("k"))
    (new,) = [node for node in redis_cluster.nodes if _master_of(node) == old.port]
    before = refusals(redis_cluster, "MOVED")
    with Traffic(pair, str) as traffic:
        for heir, other in ((new, old), (old, new)):
            until(lambda seen=traffic.right: traffic.right > seen + 300)
            heir.ask("CLUSTER", "FAILOVER")
            until(lambda heir=heir, other=other: (heir.role(), other.role()) == ("master", "slave"))
            redis_cluster.wait()
        until(lambda seen=traffic.right: traffic.right > seen + 300)
    assert refusals(redis_cluster, "MOVED") > before
    assert traffic.failures == []
    assert traffic.wrong == []
    assert int(pair.blocking.get("count").body) == traffic.added


# --- slots that move ----------------------------------------------------------------------------------------------


def begin_move(slot, source, target):
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)


def move(slot, source, target, most=10):
    """Move some keys; how many there were."""
    keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, most)
    if keys:
        source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)
    return len(keys)


def end_move(cluster, slot, target):
    for node in [target, *(node for node in cluster.masters() if node is not target)]:
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)


def test_a_slot_that_moves_in_the_middle_of_traffic_fails_no_command(redis_cluster, cluster_url, opened):
    """ASK while its keys are on their way, then MOVED; no addition is lost, no entry is another's. And back."""
    pair = opened(cluster_url)
    slot = key_slot(b"moving")
    home = redis_cluster.owner(b"{moving}")
    away = next(node for node in redis_cluster.masters() if node is not home)
    before = {code: refusals(redis_cluster, code) for code in ("ASK", "MOVED")}
    with Traffic(pair, "{{moving}}{}".format) as traffic:
        for source, target in ((home, away), (away, home)):
            until(lambda seen=traffic.right: traffic.right > seen + 200)
            begin_move(slot, source, target)
            until(lambda seen=traffic.right: traffic.right > seen + 200)
            until(lambda source=source, target=target: move(slot, source, target) == 0)
            until(lambda seen=traffic.right: traffic.right > seen + 200)
            end_move(redis_cluster, slot, target)
            until(lambda seen=traffic.right: traffic.right > seen + 200)
    for code, count in before.items():
        assert refusals(redis_cluster, code) > count  # one is enough to learn from
    assert traffic.failures == []
    assert traffic.wrong == []
    assert int(pair.blocking.get("{moving}count").body) == traffic.added
    assert len(pair.blocking.get_many(list(pair.blocking.scan()))) > 100
    assert pair.blocking.commit({}, tags=[f"{{moving}}tag {number}" for number in range(18)]) > 10


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_what_needs_two_names_of_a_slot_waits_until_it_has_moved(redis_cluster, cluster_url, opened, colour):
    """TRYAGAIN while one is here and one there: too long a move is busy, and nothing was changed."""
    pair = opened(cluster_url, socket_timeout="60s")
    slot, keys = key_slot(b"two"), ["{two}1", "{two}2"]
    home = redis_cluster.owner(b"{two}")
    away = next(node for node in redis_cluster.masters() if node is not home)
    for key in keys:
        pair.blocking.set(key, entry(b"old"))

    def commit():
        changes = {key: entry(b"new") for key in keys}
        if colour == "blocking":
            return pair.blocking.commit(changes, expected={})

        async def main():
            return await pair.tasks.commit(changes)

        return asyncio.run(main())

    before = refusals(redis_cluster, "TRYAGAIN")
    begin_move(slot, home, away)
    assert move(slot, home, away, most=1) == 1
    with pytest.raises(StoreUnavailableError) as caught:
        commit()
    assert caught.value.kind == "busy"
    assert [found.body for found in pair.blocking.get_many(keys)] == [b"old", b"old"]
    seen = refusals(redis_cluster, "TRYAGAIN")
    assert seen > before + 5
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(commit)
        until(lambda: refusals(redis_cluster, "TRYAGAIN") > seen)
        until(lambda: move(slot, home, away) == 0)
        end_move(redis_cluster, slot, away)
        assert future.result() == 0
    assert [found.body for found in pair.blocking.get_many(keys)] == [b"new", b"new"]
    begin_move(slot, away, home)
    until(lambda: move(slot, away, home) == 0)
    end_move(redis_cluster, slot, home)


def test_a_map_that_is_all_wrong_is_put_right(redis_cluster, cluster_url, opened):
    """Each slot is believed to be another node's: every answer is one's own, and after a few the map is right."""
    pair = opened(cluster_url)
    for number in range(50):
        pair.blocking.set(f"{number}", entry(b"%d" % number))
    topology = pair.blocking._commands.threads._topology
    right = topology.slots
    place = {node: number for number, node in enumerate(right.masters)}
    wrong = tuple(right.masters[(place[owner] + 1) % 3] for owner in right.owners)
    topology.learn(Slots(wrong, right.masters, right.nodes))
    before = refusals(redis_cluster, "MOVED")
    for number in range(50):
        assert pair.blocking.get(f"{number}").body == b"%d" % number
    assert refusals(redis_cluster, "MOVED") > before
    until(lambda: pair.blocking.get("0") is not None and topology.slots.owners == right.owners)


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_connections_to_a_node_that_has_left_are_closed(redis_cluster, cluster_url, opened, colour):
    """As soon as the others do not name it any more; when they do again, it is used again."""
    here, away, other = redis_cluster.masters()
    pair = opened(redis_cluster.url_of(here))
    topology = pair.blocking._commands.threads._topology
    near, far = (next(k for k in map(str, range(999)) if redis_cluster.owner(KEYS.entry(k)) is n) for n in (here, away))

    async def main():
        async def ask(key):
            return pair.blocking.get(key) if colour == "blocking" else await pair.tasks.get(key)

        await ask(near)
        await ask(far)
        assert _connections(away) == 1
        slots = topology.slots
        gone = next(node for node in slots.masters if node.port == away.port)
        rest = next(node for node in slots.masters if node.port == other.port)
        owners = tuple(rest if owner == gone else owner for owner in slots.owners)
        topology.learn(Slots(owners, tuple(each for each in slots.masters if each != gone), slots.nodes - {gone}))
        await ask(near)
        while _connections(away):
            await asyncio.sleep(0.01)
        before = refusals(redis_cluster, "MOVED")
        await ask(far)
        assert refusals(redis_cluster, "MOVED") == before + 1
        assert _connections(away) == 1

    asyncio.run(main())


def _connections(node):
    return sum(client["user"] == USER for client in node.admin().client_list())


def test_a_node_that_does_not_say_who_has_what_holds_nobody_up_for_long(redis_cluster, cluster_url, opened):
    """While it is doubted who has what, all nodes but one stand still: what lies on that one is read all the same."""
    pair = opened(cluster_url)
    pair.blocking.set("k", entry())
    here = redis_cluster.owner(KEYS.entry("k"))
    topology = pair.blocking._commands.threads._topology

    async def read():
        return await pair.tasks.get("k")

    asyncio.run(read())
    for node in redis_cluster.nodes:
        if node is not here:
            node.ask("CLIENT", "PAUSE", 2500)
    for attempt in (lambda: pair.blocking.get("k"), lambda: asyncio.run(read())):
        # It is another node's turn each time, until it is one that stands still.
        before = topology._suspects
        until(
            lambda attempt=attempt, before=before: _doubts_and_asks(topology, attempt) and topology._suspects > before
        )
    for node in redis_cluster.nodes:
        assert node.role() in ("master", "slave")


def _doubts_and_asks(topology, attempt):
    topology.doubt()
    return attempt().body == b"value"


# --- callers who give up ------------------------------------------------------------------------------------------


def test_cancelled_callers_of_several_nodes_leave_nothing_behind(redis_cluster, cluster_url, opened):
    """All nodes hold back their answers; whoever asked is cancelled. Nobody then gets the answer of another."""
    pair = opened(cluster_url, maxsize=4)
    keys = [f"{number}" for number in range(40)]
    masters = redis_cluster.masters()

    async def main():
        await asyncio.gather(*(pair.tasks.set(key, entry(key.encode())) for key in keys))
        for _ in range(4):
            for node in masters:
                node.ask("CLIENT", "PAUSE", 300)
            tasks = [asyncio.create_task(pair.tasks.get_many(random.sample(keys, 10))) for _ in range(8)]
            await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(each) for each in done] == [asyncio.CancelledError] * 8
            mixed = random.sample(keys, 40)
            assert [found.body.decode() for found in await pair.tasks.get_many(mixed)] == mixed
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [task for task in others if "opener" not in task.get_name()]
        await pair.tasks.close()

    asyncio.run(main())


def test_connections_that_are_killed_in_the_middle_of_traffic_mix_nothing_up(redis_cluster, cluster_url, opened):
    """On all nodes, again and again: each answer is one's own, or a store error."""
    pair = opened(cluster_url)
    killed, ends = [], threading.Event()

    def kill():
        while not ends.is_set():
            killed.extend(node.ask("CLIENT", "KILL", "USER", USER) for node in redis_cluster.nodes)
            time.sleep(0.005)

    killer = threading.Thread(target=kill)
    with Traffic(pair, str) as traffic:
        killer.start()
        try:
            until(lambda: traffic.right > 500 and sum(killed) > 50)
        finally:
            ends.set()
            killer.join()
    assert [found for meant, found in traffic.wrong if isinstance(found, Entry) and found.body != meant] == []
    assert _works(pair.blocking, "after")


@pytest.mark.slow
def test_a_forked_child_has_connections_of_its_own(script, cluster_url, ends_well):
    """Used before the fork in both colours; afterwards parent and children each get their own answers."""
    fork = """
pair = open_store(sys.argv[1], socket_timeout="60s")
keys = [f"{number}" for number in range(40)]
for key in keys:
    pair.blocking.set(key, entry(key.encode()))

async def main():
    found = await asyncio.gather(*(pair.tasks.get_many(keys[first:]) for first in range(8)))
    for first, each in enumerate(found):
        assert [one.body.decode() for one in each] == keys[first:]

def check():
    for _ in range(5):
        assert [one.body.decode() for one in pair.blocking.get_many(keys)] == keys
    asyncio.run(main())

check()
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        try:
            check()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    children.append(child)
check()
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
pair.blocking.close()
"""
    assert ends_well(script(fork, cluster_url)) == "[0, 0, 0]\n"
