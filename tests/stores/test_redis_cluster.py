"""The store in a Redis Cluster: how it is opened, what lies where, what can be done where no server has everything."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.crc import key_slot

from resilient import Cache, TransactionError
from resilient.entry import COUNTER, Entry, counted
from resilient.errors import ConfigurationError, CorruptEntryError, ScatteredError, StoreUnavailableError
from resilient.stores.registry import open_store
from resilient_adapters.records.records import ForeignRecordError
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.steps import Aside
from tests.stores.clusters import CLUSTER_COMMANDS, Cluster
from tests.stores.conftest import PATIENT
from tests.stores.servers import PASSWORD, USER

KEYS = Keys("resilient")


def entry(body=b"value", ttl=600.0, **more):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)


@pytest.fixture
def many(cluster_url, opened):
    """The store in the cluster, all nodes of which know its script."""
    pair = opened(cluster_url)
    pair.blocking.delete(*map(str, range(50)))
    return pair


@pytest.fixture(params=["blocking", "tasks"])
def cached(request, cluster_url):
    """A cache in the cluster; and what does one of two things, the first in an event loop or the second in a thread."""
    cache = Cache()
    cache.setup(cluster_url, store_budget=None, timeout="60s", **PATIENT)
    with asyncio.Runner() as runner:
        yield cache, lambda tasks, threads: threads() if request.param == "blocking" else runner.run(tasks())
        runner.run(cache.aclose())


# --- opening ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis+cluster://host1:7000,host2:7001,host3", {}),
        ("redis+cluster://user:pass%2Cword@[::1]:7000,host2/0?maxsize=5", {"ssl": True, "ssl_certfile": "/cert.pem"}),
        ("redis+cluster://host1", {"username": "ann", "password": "1234", "db": 0}),
    ],
)
def test_opening_connects_nowhere(url, options):
    """None of these nodes is there."""
    pair = open_store(url, **options)
    assert pair.blocking.name == pair.tasks.name == "redis"
    pair.blocking.close()


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("redis+cluster://", {}, "names nodes"),
        ("redis+cluster://host1:7000,,host2", {}, "names nodes"),
        ("redis+cluster://host1:7000,host2:x", {}, "malformed"),
        ("redis+cluster://host1,host2/1", {}, "one database, 0; there is no 1"),
        ("redis+cluster://host1", {"db": 3}, "one database, 0; there is no 3"),
        ("redis+cluster://host1,host2", {"max_size": 5}, "did you mean 'maxsize'"),
        ("redis+cluster://:x@host1,host2", {"password": "x"}, "given twice"),
        ("redis+clusters://host1", {}, r"did you mean 'redis\+cluster'"),
        ("redis+cluster://host1,host2?client_side=true", {}, "needs a single server, .* give local='1s'"),
    ],
)
def test_mistakes_are_named_with_what_is_right(url, options, message):
    """At once, not with the first command."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(url, **options)


def test_any_node_tells_of_all_others(redis_cluster, cluster_url, opened):
    """A replica alone, or one that is there after others that are not; in both colours."""
    opened(cluster_url).blocking.set("k", entry())

    async def read(pair):
        return await pair.tasks.get("k")

    replica = redis_cluster.url_of(next(node for node in redis_cluster.nodes if node.role() == "slave"))
    for url in (replica, replica.replace("@", "@127.0.0.1:1,127.0.0.1:2,")):
        assert opened(url).blocking.get("k") is not None
        assert asyncio.run(read(opened(url))) is not None


def test_a_server_that_is_in_no_cluster_says_so(redis_server, opened):
    """Not a hang, and not some other error later."""
    store = opened(f"redis+cluster://127.0.0.1:{redis_server.port}", password=PASSWORD).blocking
    with pytest.raises(StoreUnavailableError, match="cluster support disabled"):
        store.get("k")


# --- where things lie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"), [("{user:1}:name", "{user:1}:age"), ("a{x}b", "{x}"), ("early:{x}1", "{x}{y}2")]
)
def test_a_key_with_a_part_in_braces_lies_where_that_says(one, other):
    """By the rule of Redis; so do its lease, and a tag with the same part. What has no such part lies by itself."""
    assert len({key_slot(of(name)) for name in (one, other) for of in (KEYS.entry, KEYS.lease, KEYS.tag)}) == 1
    assert key_slot(KEYS.entry(one)) == key_slot(one.encode())


@pytest.mark.parametrize(
    ("one", "other"), [("a", "b"), ("{a", "{b"), ("a}", "b}"), ("a{}", "b{}"), ("a{}{x}", "b{}{x}")]
)
def test_a_key_without_one_lies_by_itself(one, other):
    """Empty braces, or one of them, mean nothing."""
    assert key_slot(KEYS.entry(one)) != key_slot(KEYS.entry(other))
    assert key_slot(KEYS.entry(one)) == key_slot(KEYS.lease(one))


@pytest.mark.parametrize("key", ["{user:1}:name", "x{y}", "{}", "{", "a}b", "{{a}}", "{a}", ":{", ""])
def test_any_braces_in_a_key_are_its_own(many, key):
    """What is listed is what was written, by its beginning too; it can be read and deleted."""
    many.blocking.set(key, entry(tags=(key,)))
    many.blocking.set(key + "x", entry())
    assert sorted(many.blocking.scan(key)) == sorted([key, key + "x"])
    assert many.blocking.commit({}, tags=[key]) == 1
    assert many.blocking.delete(key, key + "x") == 1


def test_all_masters_have_a_part_of_it(redis_cluster, many):
    """What one store writes lies on all of them; it is read, listed, counted and cleared as if it lay on one."""
    keys = [f"users:{number}" for number in range(1500)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: many.blocking.set(key, entry(key.encode())), keys))
    sizes = [node.ask("DBSIZE") for node in redis_cluster.masters()]
    assert sum(sizes) == 1500
    assert min(sizes) > 300
    assert [found.body for found in many.blocking.get_many(keys)] == [key.encode() for key in keys]
    assert sorted(many.blocking.scan("users:")) == sorted(keys)
    assert many.blocking.usage().entries == 1500
    assert many.blocking.delete(*keys[:500]) == 500
    many.blocking.clear()
    assert [node.ask("DBSIZE") for node in redis_cluster.masters()] == [0, 0, 0]


def test_it_asks_for_no_more_than_the_page_lists(redis_cluster):
    """Of each node; the whole contract runs as that user."""
    for node in redis_cluster.nodes:
        user = node.admin().acl_getuser(USER)
        assert {word.removeprefix("+") for word in user["commands"] if word.startswith("+")} == set(CLUSTER_COMMANDS)


def test_an_entry_of_a_single_server_is_left_alone(redis_cluster, redis_server, redis_url, many, opened):
    """Its groups have no generations, so it cannot be believed here."""
    opened(redis_url).blocking.set("k", entry())
    redis_cluster.ask("SET", KEYS.entry("k"), redis_server.ask("GET", KEYS.entry("k")))
    with pytest.raises(ForeignRecordError):
        many.blocking.get("k")
    assert redis_cluster.ask("EXISTS", KEYS.entry("k")) == 1


# --- groups -------------------------------------------------------------------------------------------------------


def driven(many, steps, after=None, then=lambda: None):
    """What ``steps`` come to, and how often they asked; ``then`` is done once they have been answered so many times."""
    asked, answer = 0, None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return end.value, asked
        if isinstance(step, Aside):
            answer = step.work()
            continue
        if asked == after:
            then()
        answer = many.blocking._commands.threads.ask(step, time.monotonic() + 60.0)
        asked += 1


def test_what_is_asked_for_once_and_what_twice(many):
    """Reading or writing an entry with tags takes one question more than one without; several tags take no more."""
    changing, reading = many.blocking._commands.changing, many.blocking._commands.reading
    many.blocking.set("warm", entry(tags=("up", "down")))
    assert driven(many, changing.set("plain", entry())) == (True, 1)
    assert driven(many, changing.set("tagged", entry(tags=("a", "b", "c")))) == (True, 2)
    for key, most in (("plain", 1), ("tagged", 2), ("nothing", 1)):
        assert driven(many, reading.get(key))[1] == most
    assert driven(many, reading.get_many(["plain", "tagged", "nothing"]))[1] == 2


@pytest.mark.parametrize("fence", [0, 1], ids=["plain", "under a lease"])
def test_a_group_removed_in_the_middle_of_a_write_has_its_entry_too(many, fence):
    """Between what the writer asks first and its write: it has noted the group as it was, so what it writes is dead."""
    steps = many.blocking._commands.changing.set("k", entry(tags=("t", "u"), fence=fence))
    found, asked = driven(many, steps, after=1, then=lambda: many.blocking.commit({}, tags=["t"]))
    assert (found, asked) == (True, 2)
    assert many.blocking.get("k") is None
    many.blocking.set("other", entry(tags=("t",)))
    assert many.blocking.get("k") is None
    assert list(many.blocking.scan()) == ["other"]
    assert many.blocking.delete("k") == 0


def test_a_change_in_place_revives_nothing(redis_cluster, many):
    """Its group is lost at any moment of the change: the entry is not there afterwards, with whatever life."""
    refused = 0
    for moment in range(4):
        many.blocking.set("k", entry(tags=("t",)))
        read = many.blocking.get("k")
        steps = many.blocking._commands.changing.commit({"k": read.with_life(9e9, 9e9)}, {"k": read}, ())
        try:
            driven(many, steps, after=moment, then=lambda: redis_cluster.ask("UNLINK", KEYS.tag("t")))
        except TransactionError:
            refused += 1
        assert many.blocking.get("k") is None
    assert refused == 3


@pytest.mark.parametrize(("moment", "said", "kept"), [(None, 42, 42), (0, 1, 1), (1, 1, 1), (2, 42, None)])
def test_a_counter_whose_group_was_lost_counts_from_nothing(redis_cluster, many, moment, said, kept):
    """At any moment while something is added to it: what was added before that is lost with the rest."""
    many.blocking.set("k", entry(b"41", meta=COUNTER, tags=("t",)))
    steps = many.blocking._commands.changing.incr("k", 1, float("inf"))
    then = lambda: redis_cluster.ask("UNLINK", KEYS.tag("t"))  # noqa: E731
    assert driven(many, steps, after=moment, then=then)[0] == said
    found = many.blocking.get("k")
    assert (found and counted(found)) == kept


@pytest.mark.parametrize("lost", ["the group", "the entry", "both"])
def test_what_a_server_drops_is_a_miss(redis_cluster, many, lost):
    """A group that is made anew is another one."""
    store = many.blocking
    for key in ("k", "kk"):
        store.set(key, entry(tags=("t", "u")))
    if lost != "the entry":
        redis_cluster.ask("DEL", KEYS.tag("t"))
    if lost != "the group":
        redis_cluster.ask("DEL", KEYS.entry("k"))
    store.set("new", entry(tags=("t",)))
    assert store.get("k") is None
    assert store.get_many(["k", "new"])[0] is None
    assert ("kk" in store.scan()) == (lost == "the entry")
    assert store.commit({}, tags=["t"]) == (2 if lost == "the entry" else 1)
    assert store.commit({}, tags=["u"]) == 0


def test_what_is_of_another_type_is_no_entry(redis_cluster, many):
    """A list in the place of an entry, of a group, of a lease: each is told or replaced, and nothing hangs on it."""
    store = many.blocking
    for name in (KEYS.entry("k"), KEYS.tag("t"), KEYS.lease("k")):
        redis_cluster.ask("RPUSH", name, "x")
    with pytest.raises(CorruptEntryError):
        store.get("k")
    assert store.get_many(["k"]) == [None]
    assert list(store.scan()) == []
    assert store.set("k", entry(fence=1, tags=("t",))) is True
    assert store.get("k").tags == ("t",)
    assert store.acquire("k", "ann", 5.0) is not None
    assert store.commit({}, tags=["t"]) == 1
    redis_cluster.ask("RPUSH", KEYS.tag("t"), "x")
    assert store.commit({}, tags=["t"]) == 0
    assert redis_cluster.ask("EXISTS", KEYS.tag("t")) == 0


def test_a_group_lives_as_long_as_its_last_entry_and_grows_no_longer(redis_cluster, cluster_url, clock, make):
    """It forgets those that have ended, and those that were deleted."""
    pair = open_store(cluster_url, clock=clock, **PATIENT)
    for number in range(50):
        pair.blocking.set(f"{number}", make(ttl=10.0, tags=("t",)))
    pair.blocking.set("long", make(ttl=5000.0, tags=("t",)))
    pair.blocking.set("short", make(ttl=1.0, tags=("t",)))
    assert redis_cluster.ask("PTTL", KEYS.tag("t")) > 4_900_000
    assert redis_cluster.ask("ZCARD", KEYS.tag("t")) == 53
    assert pair.blocking.delete("0", "1", "2") == 3
    assert redis_cluster.ask("ZCARD", KEYS.tag("t")) == 50
    clock.advance(200.0)
    pair.blocking.set("new", make(tags=("t",)))
    assert redis_cluster.ask("ZCARD", KEYS.tag("t")) == 3
    pair.blocking.set("ever", make(ttl=float("inf"), tags=("t",)))
    assert redis_cluster.ask("PTTL", KEYS.tag("t")) == -1
    assert pair.blocking.commit({}, tags=["t"]) == 3
    assert redis_cluster.ask("EXISTS", KEYS.tag("t")) == 0
    assert redis_cluster.ask("EXISTS", KEYS.entry("ever")) == 0
    pair.blocking.close()


def test_groups_removed_beside_tagged_writes_leave_nothing_old(many):
    """Six threads and ten tasks write without end; what began before a removal is gone after it, thirty times."""
    turn, ends, begun = [0], threading.Event(), [0] * 16

    def made(writer):
        begun[writer] = turn[0]
        return entry(b"%d" % turn[0], tags=("t", f"{writer}"))

    def write(writer):
        while not ends.is_set():
            many.blocking.set(f"{writer}:{time.monotonic_ns() % 20}", made(writer))

    async def task(writer):
        while not ends.is_set():
            await many.tasks.set(f"{writer}:{time.monotonic_ns() % 20}", made(writer))

    async def tasks():
        await asyncio.gather(*(task(writer) for writer in range(6, 16)))

    removed = 0
    with ThreadPoolExecutor(7) as pool:
        futures = [*(pool.submit(write, writer) for writer in range(6)), pool.submit(asyncio.run, tasks())]
        try:
            for _ in range(30):
                turn[0] += 1
                # Whoever began before this turn has ended before the removal once it has begun another write.
                while min(begun) < turn[0] and not any(future.done() for future in futures):
                    time.sleep(0.001)
                removed += many.blocking.commit({}, tags=["t"])
                found = many.blocking.get_many(list(many.blocking.scan()))
                assert not [each for each in found if each and int(each.body) < turn[0]]
        finally:
            ends.set()
        for future in futures:
            future.result()
    assert removed > 30
    many.blocking.commit({}, tags=["t"])
    assert list(many.blocking.scan()) == []


# --- commits ------------------------------------------------------------------------------------------------------


def test_a_commit_of_keys_that_lie_apart_is_refused(many):
    """It says what to do, and which of them lie together; nothing was changed."""
    store = many.blocking
    store.set("a", entry(tags=("t",)))
    with pytest.raises(ScatteredError, match=r"one part in braces in common, as in '\{user:1\}:name'") as caught:
        store.commit({"a": None, "{x}b": entry(), "{x}c": entry()}, tags=["t"])
    assert sorted(map(sorted, caught.value.groups)) == [["a"], ["{x}b", "{x}c"]]
    for changes, expected, tags in (({"a": None}, {"b": None}, ()), ({"a": None}, {}, ["t"]), ({}, {"a": None}, ["t"])):
        with pytest.raises(ScatteredError):
            store.commit(changes, expected=expected, tags=tags)
    assert list(store.scan()) == ["a"]


def test_a_commit_of_keys_that_lie_together_is_one_step(many):
    """Entries, what is expected of them, and groups; tags of what is written may lie anywhere."""
    store = many.blocking
    store.set("{u}a", entry(b"1", tags=("{u}t", "far")))
    store.set("far away", entry(tags=("{u}t",)))
    changes = {"{u}b": entry(tags=("far", "{u}t")), "{u}c": None}
    assert store.commit(changes, expected={"{u}a": store.get("{u}a"), "{u}c": None}, tags=["{u}t"]) == 2
    assert list(store.scan()) == ["{u}b"]
    with pytest.raises(TransactionError, match="has changed since it was read"):
        store.commit({"{u}b": None}, expected={"{u}a": entry()}, tags=["{u}t"])
    assert store.commit({}, tags=["far", "{u}t", "nothing"]) == 1


def test_a_cache_does_what_it_does_elsewhere(cached):
    """All commands that are no transaction go over all nodes."""
    cache, run = cached
    pairs = {f"users:{number}": number for number in range(40)}

    async def tasks():
        await cache.set_many(pairs, ttl="1m", tags=["all"])
        assert await cache.get_many(*pairs) == tuple(pairs.values())
        assert await cache.delete_many("users:0", "users:1", "nobody") == 2
        assert await cache.delete_match("users:1*") == 10
        assert {key async for key in cache.scan("users:*")} == {key for key in pairs if key[6] not in "01"}
        assert await cache.incr("n", 5) == 5
        assert await cache.expire("n", "1h") is True
        async with cache.lock("job", "5s"):
            assert await cache.get("users:2") == 2
        assert await cache.delete_tags("all") == 28
        await cache.clear()
        assert [key async for key in cache.scan()] == []
        assert await cache.ping() is True

    def threads():
        plain = cache.blocking
        plain.set_many(pairs, ttl="1m", tags=["all"])
        assert plain.get_many(*pairs) == tuple(pairs.values())
        assert plain.delete_many("users:0", "users:1", "nobody") == 2
        assert plain.delete_match("users:1*") == 10
        assert set(plain.scan("users:*")) == {key for key in pairs if key[6] not in "01"}
        assert plain.incr("n", 5) == 5
        assert plain.expire("n", "1h") is True
        with cache.lock("job", "5s"):
            assert plain.get("users:2") == 2
        assert plain.delete_tags("all") == 28
        plain.clear()
        assert list(plain.scan()) == []
        assert plain.ping() is True

    run(tasks, threads)


def test_a_template_may_say_where_its_keys_lie(cached):
    """Braces that are doubled are braces, so that what a decorator keeps can be changed with other things at once."""
    cache, _ = cached

    @cache.early("1m", early_ttl="30s", key="{{user:{number}}}:name")
    def name(number):
        return f"user {number}"

    assert name(7) == "user 7"
    keys = list(cache.blocking.scan("*"))
    assert keys == ["{user:7}:name"]
    with cache.transact():
        assert cache.blocking.delete(keys[0]) is True
        cache.blocking.set("{user:7}:age", 5)
    assert list(cache.blocking.scan("*")) == ["{user:7}:age"]


def test_a_transaction_of_a_cache_keeps_to_one_part(cached):
    """It commits what lies together, and is refused where that is not so, with nothing written."""
    cache, run = cached

    async def both():
        async with cache.transact():
            await cache.set("{user:1}:name", "Bob")
            await cache.set("{user:2}:name", "Eve")

    def plain_both():
        with cache.transact():
            plain.set("{user:1}:name", "Bob")
            plain.set("{user:2}:name", "Eve")

    plain = cache.blocking

    async def tasks():
        async with cache.transact():
            await cache.set("{user:1}:name", "Ann", tags=["names"])
            await cache.incr("{user:1}:visits")
        with pytest.raises(TransactionError, match="one part in braces"):
            await both()
        assert await cache.get_many("{user:1}:name", "{user:1}:visits", "{user:2}:name") == ("Ann", 1, None)

    def threads():
        with cache.transact():
            plain.set("{user:1}:name", "Ann", tags=["names"])
            plain.incr("{user:1}:visits")
        with pytest.raises(TransactionError, match="one part in braces"):
            plain_both()
        assert plain.get_many("{user:1}:name", "{user:1}:visits", "{user:2}:name") == ("Ann", 1, None)

    run(tasks, threads)


# --- copies in memory ---------------------------------------------------------------------------------------------


def test_copies_are_served_for_a_while_and_own_changes_are_seen_at_once(redis_cluster, cluster_url, opened):
    """Others' are not, since no node tells; of keys that lie apart, with groups that lie elsewhere."""
    peer, store = opened(cluster_url).blocking, opened(cluster_url, local="1h").blocking
    keys = [f"{number}" for number in range(20)]
    for key in keys:
        peer.set(key, entry(tags=("t",)))
    copies = store.get_many(keys)
    for node in redis_cluster.masters():
        node.ask("FLUSHALL")
    assert all(found is copy for found, copy in zip(store.get_many(keys), copies, strict=True))
    assert store.usage().copies == 20
    store.set("0", entry(b"new"))
    store.delete("1")
    store.commit({"2": entry(b"new")})
    assert [getattr(store.get(key), "body", None) for key in keys[:4]] == [b"new", None, b"new", b"value"]
    assert store.incr("3", 1, float("inf")) == 1
    assert store.acquire("4", "ann", 60.0)
    store.commit({}, tags=["t"])
    assert [getattr(store.get(key), "body", None) for key in keys[:6]] == [b"new", None, b"new", b"1", None, None]


# --- leases -------------------------------------------------------------------------------------------------------


def test_fences_of_a_name_rise_whatever_is_forgotten(redis_cluster, many):
    """Given back, taken anew, or dropped by the server: then its time is higher."""
    store, fences = many.blocking, []
    for _ in range(3):
        fences.append(store.acquire("k", "ann", 5.0))
        assert store.acquire("k", "bob", 5.0) is None
        fences.append(store.acquire("k", "ann", 5.0))
        assert store.release("k", "ann") is True
        assert store.release("k", "ann") is False
        assert store.renew("k", "ann", 5.0) is False
    assert redis_cluster.ask("DEL", KEYS.lease("k")) == 1
    fences.append(store.acquire("k", "eve", 5.0))
    assert sorted(set(fences)) == fences
    assert store.set("k", entry(fence=fences[0])) is False
    assert store.set("k", entry(fence=fences[-1])) is True


def test_fences_rise_also_by_a_clock_that_is_behind(redis_cluster, many):
    """As that of a node that took over may be: the last fence of the name counts too."""
    store = many.blocking
    store.acquire("k", "ann", 5.0)
    ahead = int((time.time() + 50.0) * 1e6)
    redis_cluster.ask("HSET", KEYS.lease("k"), "fence", ahead)
    store.release("k", "ann")
    assert redis_cluster.ask("PTTL", KEYS.lease("k")) > 50_000
    assert store.acquire("k", "bob", 5.0) == ahead + 1


# --- connections --------------------------------------------------------------------------------------------------


def connections(cluster):
    return sum(client["user"] == USER for node in cluster.nodes for client in node.admin().client_list())


def test_each_node_has_a_few_connections_and_a_loop_closes_its_own(redis_cluster, cluster_url, opened):
    """Many tasks that ask several nodes at once, each of which has two; in the end there is none."""
    pair = opened(cluster_url, maxsize=2)
    keys = [f"{number}" for number in range(60)]

    async def main():
        await asyncio.gather(*(pair.tasks.set(key, entry(key.encode())) for key in keys))
        for found in await asyncio.gather(*(pair.tasks.get_many(keys) for _ in range(30))):
            assert [each.body for each in found] == [key.encode() for key in keys]
        assert 3 <= connections(redis_cluster) <= 12

    for _ in range(2):
        asyncio.run(main())
        while connections(redis_cluster):
            time.sleep(0.01)


def test_threads_that_need_several_nodes_do_not_wait_for_each_other_in_a_circle(cluster_url, opened):
    """Each node has one connection, which all need."""
    store = opened(cluster_url, maxsize=1).blocking
    keys = [f"{number}" for number in range(30)]
    for key in keys:
        store.set(key, entry(key.encode()))
    with ThreadPoolExecutor(12) as pool:
        for found in pool.map(lambda turn: store.get_many(keys[turn % 7 :]), range(200)):
            assert None not in found


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_closing_either_colour_closes_both(redis_cluster, many, colour):
    """Whoever comes later is told so; a second close does nothing."""

    async def main():
        await many.tasks.get_many([f"{number}" for number in range(20)])
        many.blocking.get_many([f"{number}" for number in range(20)])
        assert connections(redis_cluster) >= 6
        for _ in range(2):
            if colour == "tasks":
                await many.tasks.close()
            else:
                many.blocking.close()
        while connections(redis_cluster):
            await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailableError, match="closed"):
            await many.tasks.get("k")
        with pytest.raises(StoreUnavailableError, match="closed"):
            many.blocking.get("k")

    asyncio.run(main())


def test_a_password_that_the_cluster_refuses_shows_nowhere(redis_cluster, opened):
    """Nor does the right one."""
    store = opened(Cluster.url_of(*redis_cluster.nodes).replace(USER, "nobody")).blocking
    with pytest.raises(StoreUnavailableError) as caught:
        store.get("k")
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(vars(store))
