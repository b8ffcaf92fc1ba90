"""The store in Redis: how it is opened, what lies where, and what it makes of what others have put there."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis
from redis.crc import key_slot

from resilient.entry import COUNTER, Entry, counted
from resilient.errors import ConfigurationError, CorruptEntryError, StoreUnavailableError
from resilient.events import StoreFailed
from resilient.runtime.clock import SystemClock
from resilient.stores.keys import stored_key
from resilient.stores.registry import open_store
from resilient_adapters.records import records
from resilient_adapters.redis import pool
from resilient_adapters.redis.address import address_of
from resilient_adapters.redis.keys import Keys
from tests.stores.servers import COMMANDS, PASSWORD, USER

NOWHERE = "redis://127.0.0.1:1"
KEYS = Keys("resilient")


def entry(body=b"value", ttl=60.0, **more):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)


def connections(server):
    """How many connections the store has, as the server counts them."""
    return sum(client["user"] == USER for client in server.admin().client_list())


def test_the_client_is_the_one_that_is_meant():
    """Both that the extra allows are tested: the newest by `make test`, the oldest by `make test-older`."""
    assert redis.VERSION[0] == int(os.environ.get("REDIS_PY", "8"))


# --- opening ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://localhost:6379", {}),
        ("redis://:password@host:6379/0", {}),
        (
            "redis://localhost:6379",
            {"minsize": 1, "maxsize": 100, "socket_connect_timeout": 5, "retry_on_timeout": True},
        ),
        ("redis://host:6380", {"ssl": True, "ssl_certfile": "/path/to/cert.pem"}),
        ("rediss://host:6380/3?ssl_ca_certs=/path/to/ca.pem&ssl_check_hostname=no", {"ssl_cert_reqs": "none"}),
        ("unix:///run/redis/redis.sock?db=2&password=1234", {"namespace": "shop:v2"}),
        ("redis://[::1]:7000?minsize=0&socket_timeout=100ms&compress=none", {}),
    ],
)
def test_opening_connects_nowhere_and_reads_no_file(url, options):
    """None of these servers and files is there; so a program starts however its server is."""
    pair = open_store(url, **options)
    assert pair.blocking.name == pair.tasks.name == "redis"
    pair.blocking.close()


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        (NOWHERE, {"socket_conect_timeout": 5}, "did you mean 'socket_connect_timeout'"),
        (f"{NOWHERE}?max_size=5", {}, "did you mean 'maxsize'"),
        (NOWHERE, {"maxsize": 0}, "maxsize=0"),
        (NOWHERE, {"minsize": 5, "maxsize": 4}, "minsize=5 is more than maxsize=4"),
        (NOWHERE, {"db": "zero"}, "db='zero'"),
        (f"{NOWHERE}/zero", {}, "number of a database"),
        (f"{NOWHERE}/0", {"db": 1}, "given twice"),
        (NOWHERE, {"ssl_certfile": "cert.pem"}, "no TLS"),
        (NOWHERE, {"ssl_certfile": 7, "ssl": True}, "ssl_certfile=7"),
        (NOWHERE, {"ssl_cert_reqs": "perhaps", "ssl": True}, "ssl_cert_reqs='perhaps'"),
        (NOWHERE, {"namespace": "a{b}"}, "namespace="),
        (NOWHERE, {"compress": "gzipp"}, "did you mean 'gzip'"),
        (NOWHERE, {"socket_timeout": "soon"}, "socket_timeout="),
        ("unix://host/run/redis.sock", {}, "three slashes"),
        ("unix://", {}, "three slashes"),
        ("unix:///run/redis.sock", {"ssl": True}, "no TLS"),
    ],
)
def test_mistakes_are_named_with_what_is_right(url, options, message):
    """At once, not with the first command."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(url, **options)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://:hunter2@host", {"password": "hunter2"}),
        ("redis://host", {"password": 1234567}),
        ("redis://:hunter2@host/zero", {}),
        ("unix://:hunter2@host/run/redis.sock", {}),
        ("rediss://host", {"ssl_password": b"hunter2"}),
    ],
)
def test_no_password_gets_into_a_mistake(url, options):
    """Whatever is wrong with it, and wherever it was given."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url, **options)
    text = "".join(traceback.format_exception(caught.value, limit=0))
    assert "hunter2" not in text
    assert "1234567" not in text


def test_a_password_that_the_server_refuses_shows_nowhere(redis_server, opened, events):
    """Not in the error, nor in its cause, nor in what anything says of itself."""
    wrong = "hunter2-and-more"
    pair = opened(f"redis://{USER}:{wrong}@127.0.0.1:{redis_server.port}")

    async def read():
        await pair.tasks.get("k")

    for attempt in (lambda: pair.blocking.get("k"), lambda: asyncio.run(read())):
        with pytest.raises(StoreUnavailableError) as caught:
            attempt()
        assert wrong not in "".join(traceback.format_exception(caught.value))
    address = address_of(f"redis://:{wrong}@host", tls=False, db=None, socket_connect_timeout=1.0)
    texts = [repr(address), repr(address._made(2)), repr(address._made_for_tasks()), repr(pair)]
    assert not [text for text in [*texts, *map(repr, events)] if wrong in text]


def test_a_server_that_repeats_what_it_was_given_is_not_quoted(opened):
    """One that does not know a command does so, be it the one with the password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        while client.recv(4096):
                            client.sendall(b"-ERR unknown command 'AUTH', with args beginning with: 'hunter2' \r\n")

        threading.Thread(target=refuse, daemon=True).start()
        store = opened(f"redis://:hunter2@127.0.0.1:{listener.getsockname()[1]}").blocking
        with pytest.raises(StoreUnavailableError, match="unknown command 'AUTH'") as caught:
            store.get("k")
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_password_of_digits_stays_text(own_server, opened):
    """With its leading zero, in the URL, in its query, and as an option."""
    server = own_server('user digits on ">0042" ~* +@all')
    host = f"127.0.0.1:{server.port}"
    for url, options in (
        (f"redis://digits:0042@{host}/0", {}),
        (f"redis://digits@{host}?password=0042", {}),
        (f"redis://{host}", {"username": "digits", "password": "0042"}),
    ):
        assert opened(url, **options).blocking.get("k") is None
    with pytest.raises(ConfigurationError, match=r"password=\*\*\*"):
        open_store(f"redis://{host}", password=42)


def test_the_database_is_the_one_of_the_url(own_server, opened):
    """Each has entries of its own."""
    server = own_server("user any on nopass ~* +@all")
    first, second = (opened(f"redis://any:x@127.0.0.1:{server.port}/{number}").blocking for number in (0, 7))
    first.set("k", entry())
    assert second.get("k") is None
    second.set("k", entry(b"7"))
    assert first.get("k").body == b"value"


def test_a_unix_socket_leads_to_the_same_store(redis_server, redis_url, opened):
    """In both colours."""
    there = opened(redis_url)
    here = opened(f"unix://{redis_server.socket}", username=USER, password=PASSWORD)
    there.blocking.set("k", entry())
    assert here.blocking.get("k").body == b"value"

    async def read():
        return await here.tasks.get("k")

    assert asyncio.run(read()).body == b"value"


# --- where things lie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["users:1", "", "}", "}x", "{a}b", "a{}b", "{", "\0", "ключ", "x" * 5000], ids=ascii)
def test_all_that_belongs_to_one_entry_has_one_hash_slot(key):
    """Whatever braces are in the key; so a Redis Cluster keeps it together."""
    name = stored_key(key)
    assert len({key_slot(of(name)) for of in (KEYS.entry, KEYS.lease, KEYS.tag)}) == 1


def test_different_keys_have_different_slots():
    """Or one server of a cluster would have all of them."""
    assert len({key_slot(KEYS.entry(f"users:{number}")) for number in range(100)}) > 90


def test_namespaces_share_nothing(redis_server, opened):
    """Neither entries, nor leases, tags and secrets; to clear one leaves the others."""
    redis_server.ask("FLUSHALL")
    redis_server.ask("ACL", "SETUSER", "two", "on", ">x", "~*", "+@all")
    url = f"redis://two:x@127.0.0.1:{redis_server.port}"
    one, other = (opened(url, namespace=name).blocking for name in ("one", "one:e{:".replace("{", "x")))
    for store in (one, other):
        store.set("k", entry(tags=("t",)))
    assert one.secret() != other.secret()
    assert one.acquire("k", "ann", 5.0) is not None
    assert other.acquire("k", "bob", 5.0) is not None
    assert one.commit({}, tags=["t"]) == 1
    one.clear()
    assert list(other.scan()) == ["k"]


def test_it_asks_for_no_more_than_the_page_lists(redis_server):
    """The user of these tests may give these commands, on these keys; the whole contract runs as that user."""
    user = redis_server.admin().acl_getuser(USER)
    allowed = {word.removeprefix("+") for word in user["commands"] if word.startswith("+")}
    assert allowed == set(COMMANDS)
    assert [key if isinstance(key, str) else key.decode() for key in user["keys"]] == ["~resilient:*"]


def test_an_entry_ends_by_the_time_of_the_server(redis_server, redis_url):
    """Two machines whose clocks differ by an hour: a lease and an entry last as long as they were meant to."""

    class Late(SystemClock):
        wall = staticmethod(lambda: time.time() - 3600.0)
        now = staticmethod(lambda: time.monotonic() - 3600.0)

    clock = Late()
    pair = open_store(redis_url, clock=clock, socket_timeout="60s")
    wall = clock.wall()
    pair.blocking.set("k", Entry(body=b"", stored_at=wall, fresh_until=wall + 100, expires_at=wall + 100, tags=("t",)))
    pair.blocking.acquire("k", "ann", 100.0)
    assert 0 < redis_server.ask("PTTL", KEYS.entry("k")) <= 100_000
    seconds, micros = redis_server.ask("TIME")
    ends = float(redis_server.ask("HGET", KEYS.lease("k"), "ends"))
    assert 0 < ends - (seconds + micros / 1e6) <= 100.0
    assert pair.blocking.get("k") is not None
    pair.blocking.close()


def test_fences_rise_even_if_the_server_forgets_the_last_one(redis_server, redis_url, opened):
    """As one does that was restarted, or needed the room."""
    store = opened(redis_url).blocking
    first = store.acquire("a", "ann", 5.0)
    redis_server.ask("FLUSHALL")
    assert store.acquire("a", "ann", 5.0) > first


def test_an_entry_without_an_end_is_kept_for_ever(redis_server, redis_url, opened):
    """So is its group."""
    store = opened(redis_url).blocking
    store.set("k", entry(ttl=float("inf"), tags=("t",)))
    assert store.incr("n", 1, float("inf")) == 1
    for name in (KEYS.entry("k"), KEYS.tag("t"), KEYS.entry("n")):
        assert redis_server.ask("PTTL", name) == -1
    assert store.commit({}, tags=["t"]) == 1


def test_a_group_lives_as_long_as_its_last_entry_and_grows_no_longer(redis_server, redis_url, clock, make):
    """It forgets those that have ended whenever one more joins it."""
    pair = open_store(redis_url, clock=clock, socket_timeout="60s")
    for number in range(50):
        pair.blocking.set(f"{number}", make(ttl=10.0, tags=("t",)))
    pair.blocking.set("long", make(ttl=5000.0, tags=("t",)))
    pair.blocking.set("short", make(ttl=1.0, tags=("t",)))
    assert redis_server.ask("PTTL", KEYS.tag("t")) > 4_900_000
    assert redis_server.ask("ZCARD", KEYS.tag("t")) == 52
    clock.advance(200.0)
    pair.blocking.set("new", make(tags=("t",)))
    assert redis_server.ask("ZCARD", KEYS.tag("t")) == 2
    assert pair.blocking.commit({}, tags=["t"]) == 2
    assert redis_server.ask("EXISTS", KEYS.tag("t")) == 0
    pair.blocking.close()


# --- what others have done ----------------------------------------------------------------------------------------


def test_an_entry_whose_group_was_lost_is_gone(redis_server, redis_url, opened):
    """A server that makes room may drop a group and keep its entries: then nobody could remove them any more."""
    store = opened(redis_url).blocking
    for key in ("lost", "also lost"):
        store.set(key, entry(tags=("t", "u")))
    redis_server.ask("DEL", KEYS.tag("t"))
    assert store.get("lost") is None
    assert store.get_many(["lost", "also lost"]) == [None, None]
    assert list(store.scan()) == []
    store.set("new", entry(tags=("t",)))
    assert store.get("lost") is None
    assert store.commit({"x": entry()}, expected={"lost": None}) == 0
    assert store.delete("lost") == 0
    assert store.commit({}, tags=["t"]) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "another key's", "a counter without a number"])
def test_what_is_damaged_is_told_and_removed(redis_server, redis_url, opened, events, damage):
    """A miss each time; the server keeps it no longer, and the next value takes its place."""
    store = opened(redis_url).blocking
    store.set("k", entry(b"x" * 5000))
    store.set("other", entry(b"other"))
    name, value = KEYS.entry("k"), redis_server.ask("GET", KEYS.entry("k"))
    planted = {
        "cut": value[:-5],
        "flipped": value[:-5] + bytes([value[-5] ^ 1]) + value[-4:],
        "empty": b"",
        "text": b"hello",
        "another key's": redis_server.ask("GET", KEYS.entry("other")),
        "a counter without a number": b"rsc\x01" + value[4:],
    }[damage]
    redis_server.ask("SET", name, planted)
    assert store.get_many(["k", "other"])[0] is None
    assert [event for event in events if isinstance(event, StoreFailed)] == [
        StoreFailed(store="redis", operation="get", kind="corrupt", rejected="damaged")
    ]
    with pytest.raises(CorruptEntryError):
        store.get("k")
    assert redis_server.ask("EXISTS", name) == 0
    assert store.get("k") is None
    redis_server.ask("SET", name, planted)
    assert store.set("k", entry(b"new", fence=1)) is True
    assert store.get("k").body == b"new"


@pytest.mark.parametrize("at", [3, 24 + 3], ids=["the value", "the record"])
def test_what_another_version_wrote_is_left_alone(redis_server, redis_url, opened, at):
    """It is a miss for us, and stays for those who can read it."""
    store = opened(redis_url).blocking
    store.set("k", entry())
    value = bytearray(redis_server.ask("GET", KEYS.entry("k")))
    value[at] += 1
    redis_server.ask("SET", KEYS.entry("k"), bytes(value))
    with pytest.raises(records.ForeignRecordError):
        store.get("k")
    assert redis_server.ask("GET", KEYS.entry("k")) == bytes(value)


def test_what_is_of_another_type_is_no_entry(redis_server, redis_url, opened):
    """A list in the place of an entry, of a group, of a lease: each is told or replaced, and nothing hangs on it."""
    store = opened(redis_url).blocking
    for name in (KEYS.entry("k"), KEYS.tag("t"), KEYS.lease("k")):
        redis_server.ask("RPUSH", name, "x")
    with pytest.raises(CorruptEntryError):
        store.get("k")
    assert store.get_many(["k"]) == [None]
    assert list(store.scan()) == []
    assert store.set("k", entry(fence=1, tags=("t",))) is True
    assert store.get("k").tags == ("t",)
    assert store.acquire("k", "ann", 5.0) is not None
    assert store.commit({}, tags=["t"]) == 1


def test_a_server_that_forgot_its_scripts_is_taught_them_anew(redis_server, redis_url, opened):
    """As one is that was restarted; nobody notices."""
    store = opened(redis_url).blocking
    assert store.acquire("a", "ann", 5.0) is not None
    redis_server.ask("SCRIPT", "FLUSH")
    assert store.release("a", "ann") is True


@pytest.mark.parametrize("body", [b"0", b"-9223372036854775808", b"9223372036854775807", b"007", b"-0", b"+1"])
def test_a_counter_comes_back_as_it_was_written(redis_url, opened, body):
    """Also one that is written as Redis would not write it, to which then nothing can be added."""
    store = opened(redis_url).blocking
    store.set("k", entry(body, meta=COUNTER, tags=("t",)))
    assert store.get("k").body == body


def test_adding_is_exact_where_floating_point_is_not(redis_url, opened):
    """Scripts count in floating point; the last digit is right all the same."""
    store = opened(redis_url).blocking
    assert store.incr("k", 2**62 + 1, float("inf")) == 2**62 + 1
    assert store.incr("k", 2, float("inf")) == 2**62 + 3
    assert counted(store.get("k")) == 2**62 + 3


def test_listing_many_keys_names_each_once(redis_server, redis_url, opened):
    """Also while so many others go that the server makes its table smaller, and with keys of others beside them."""
    store = opened(redis_url).blocking
    keys = {f"many:{number}" for number in range(1500)}
    others = [f"other:{number}" for number in range(20_000)]
    store.commit({key: entry(b"") for key in keys})
    for first in range(0, len(others), 2000):
        store.commit({key: entry(b"") for key in others[first : first + 2000]})
    found = []
    for place, key in enumerate(store.scan("many:")):
        found.append(key)
        if place % 40 == 0 and others:
            store.delete(*others[:2000])
            del others[:2000]
            time.sleep(0.12)
    assert others == []
    assert len(found) == len(set(found))
    assert set(found) == keys


# --- connections --------------------------------------------------------------------------------------------------


def test_threads_share_a_few_connections(redis_server, redis_url, opened):
    """Thirty of them have three in all; who finds none waits for one."""
    store = opened(redis_url, maxsize=3).blocking
    for number in range(30):
        store.set(f"{number}", entry(b"%d" % number))

    def read(number):
        return [store.get(f"{number}").body for _ in range(20)]

    with ThreadPoolExecutor(30) as threads:
        assert list(threads.map(read, range(30))) == [[b"%d" % number] * 20 for number in range(30)]
    assert 1 <= connections(redis_server) <= 3


def test_tasks_share_a_few_connections_and_a_loop_closes_its_own(redis_server, redis_url, opened):
    """A hundred of them have four in all; once the loop has ended there is none, and nothing is complained of."""
    pair = opened(redis_url, maxsize=4)

    async def main():
        await asyncio.gather(*(pair.tasks.set(f"{number}", entry(b"%d" % number)) for number in range(100)))
        found = await asyncio.gather(*(pair.tasks.get(f"{number}") for number in range(100)))
        assert [each.body for each in found] == [b"%d" % number for number in range(100)]
        assert 1 <= connections(redis_server) <= 4

    for _ in range(3):
        asyncio.run(main())
        gc.collect()
        _wait_until(lambda: connections(redis_server) == 0)


def test_connections_that_nobody_needs_are_closed_but_for_a_few(redis_server, redis_url, opened, monkeypatch):
    """After their rest; here at once."""
    store = opened(redis_url, minsize=2).blocking
    together = threading.Barrier(6)

    def read(_):
        together.wait()
        return store.get("k")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(read, range(6)))
    most = connections(redis_server)
    monkeypatch.setattr(pool, "REST", -1.0)
    store.get("k")
    _wait_until(lambda: connections(redis_server) == min(2, most))


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_closing_either_colour_closes_both(redis_server, redis_url, opened, colour):
    """Whoever comes later is told so; a second close does nothing."""
    pair = opened(redis_url)

    async def main():
        await pair.tasks.get("k")
        pair.blocking.get("k")
        assert connections(redis_server) == 2
        for _ in range(2):
            if colour == "tasks":
                await pair.tasks.close()
            else:
                pair.blocking.close()
        while connections(redis_server):
            await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailableError, match="closed"):
            await pair.tasks.get("k")
        with pytest.raises(StoreUnavailableError, match="closed"):
            pair.blocking.get("k")

    asyncio.run(main())


def _wait_until(happened):
    """Sooner or later; the limit of the test itself ends it."""
    while not happened():
        time.sleep(0.01)
