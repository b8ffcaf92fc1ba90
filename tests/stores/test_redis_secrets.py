"""What lies in Redis tells no secret, and what strangers put there is run by nobody; by raw keys and values."""

from __future__ import annotations

import asyncio
import base64
import logging
import marshal
import os
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from resilient import AsyncResilientClient, Cache, Policy, ResilientClient, ResponseCache, options
from resilient.events import StoreFailed
from tests.stores.servers import PASSWORD

SIGNING = "planted-signing-secret-of-sixteen-bytes"
SECRETS = {
    name: f"planted-{name}-4f1c"
    for name in (
        "bearer", "basic", "cookie", "set-cookie", "query", "api-key", "userinfo", "partition", "argument", "tag",
        "proxy", "form",
    )
}  # fmt: skip
PATIENT = {"store_budget": None, "socket_timeout": "60s", "socket_connect_timeout": "60s", "compress": "none"}


def forms_of(secret):
    """How a secret may lie there."""
    text = secret.encode()
    yield from (text, quote(secret, safe="").encode(), base64.b64encode(text).rstrip(b"="), text.hex().encode())
    # As the second part of what HTTP's basic authentication sends.
    yield base64.b64encode(b"ann:" + text).rstrip(b"=")


def keyspace(server):
    """All that the server keeps: names, values, and what is in its groups and leases."""
    raw = []
    with server.admin() as admin:
        for name in admin.keys("*"):
            kind = admin.type(name).decode()
            read = {
                "string": admin.get,
                "hash": admin.hgetall,
                "zset": partial(admin.zrange, start=0, end=-1),
            }[kind]
            raw += [name, repr(read(name)).encode() if kind != "string" else read(name)]
    return raw


def page(request):
    """An origin that sets a cookie, and says nothing that was secret."""
    headers = {"set-cookie": f"session={SECRETS['set-cookie']}", "x-seen": "a field of the answer"}
    return httpx.Response(200, text="the body", headers=headers)


ASKED = [
    {"url": "https://api.test/a", "headers": {"authorization": f"Bearer {SECRETS['bearer']}"}},
    {"url": "https://api.test/b", "auth": ("ann", SECRETS["basic"])},
    {"url": "https://api.test/c", "headers": {"cookie": f"session={SECRETS['cookie']}"}},
    {"url": f"https://api.test/d?token={SECRETS['query']}"},
    {"url": "https://api.test/e", "headers": {"x-api-key": SECRETS["api-key"]}},
    {"url": f"https://ann:{SECRETS['userinfo']}@api.test/f"},
    {"url": "https://api.test/g", "extensions": options(partition=SECRETS["partition"])},
    {"url": "https://api.test/h", "headers": {"proxy-authorization": f"Basic {SECRETS['proxy']}"}},
]
STRATEGIES = [
    ResponseCache(ttl="1h", store_budget=None),
    ResponseCache.early(ttl="2h", early_ttl="1h", store_budget=None),
    ResponseCache.soft(ttl="2h", soft_ttl="1h", store_budget=None),
    ResponseCache.locked(ttl="1h", store_budget=None),
    ResponseCache.failover(ttl="1h", store_budget=None),
]


def decorated(cache, function):
    """The function by every strategy, with secrets among its arguments that its keys and tags have by a digest."""
    more = {"key": "of:{token:hash}", "tags": ("for:{tag:hash}",)}
    return [
        cache(ttl="1h", **more)(function),
        cache.early(ttl="2h", early_ttl="1h", **more)(function),
        cache.soft(ttl="2h", soft_ttl="1h", **more)(function),
        cache.locked(ttl="1h", **more)(function),
        cache.failover(ttl="1h", **more)(function),
        cache.hit(ttl="1h", cache_hits=10, **more)(function),
    ]


def blocking_traffic(cache, heard):
    def function(token, tag):
        return "the value"

    for each in decorated(cache, function):
        assert [each(SECRETS["argument"], SECRETS["tag"]) for _ in range(2)] == ["the value"] * 2
    for strategy in STRATEGIES:
        with ResilientClient(
            transport=httpx.MockTransport(page),
            policies=Policy(cache=strategy),
            store=cache,
            telemetry=[heard.append],
        ) as client:
            for asked in ASKED:
                assert [client.get(**asked).text for _ in range(2)] == ["the body"] * 2
            client.post("https://api.test/form", data={"password": SECRETS["form"]})


def traffic_of_tasks(cache, heard):
    async def function(token, tag):
        return "the value"

    async def main():
        for each in decorated(cache, function):
            assert await asyncio.gather(*(each(SECRETS["argument"], SECRETS["tag"]) for _ in range(2)))
        for strategy in STRATEGIES:
            async with AsyncResilientClient(
                transport=httpx.MockTransport(page),
                policies=Policy(cache=strategy),
                store=cache,
                telemetry=[heard.append],
            ) as client:
                for asked in ASKED:
                    assert [(await client.get(**asked)).text for _ in range(2)] == ["the body"] * 2
                await client.post("https://api.test/form", data={"password": SECRETS["form"]})
        await cache.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("traffic", [blocking_traffic, traffic_of_tasks], ids=["blocking", "tasks"])
@pytest.mark.parametrize("secret", [None, SIGNING], ids=["in clear", "signed"])
def test_no_secret_lies_in_redis_or_in_a_log(redis_server, redis_url, traffic, secret, caplog):
    """Credentials, cookies, queries, passwords: in no name, group, lease or value, and in nothing that is told."""
    heard = []
    cache = Cache(telemetry=[heard.append])
    cache.setup(redis_url, secret=secret, **PATIENT)
    with caplog.at_level(logging.DEBUG):
        traffic(cache, heard)
        cache.close()
    there = b"\n".join(keyspace(redis_server))
    # What is to be found there, or the looking would prove nothing.
    assert there.count(b"the body") >= len(ASKED)
    assert there.count(b"the value") >= 6
    assert b"a field of the answer" in there
    assert b"resilient:e{:of:" in there
    assert b"resilient:t{:for:" in there
    # What httpx logs itself are whole addresses.
    logged = [record for record in caplog.records if not record.name.startswith("http")]
    assert heard
    told = "\n".join([*(f"{record.getMessage()} {record.__dict__}" for record in logged), repr(heard)]).encode()
    found = [
        (name, where)
        for name, text in {**SECRETS, "store": PASSWORD, "signing": SIGNING}.items()
        for form in forms_of(text)
        for where, raw in (("redis", there), ("told", told))
        if form in raw
    ]
    assert found == []


def test_what_an_answer_is_kept_under_depends_on_a_secret_of_its_own(redis_server, redis_url):
    """Two stores that are asked the same have no key in common, so that nobody learns an address by trying."""
    names = []
    for _ in range(2):
        redis_server.ask("FLUSHALL")
        with ResilientClient(
            transport=httpx.MockTransport(page), policies=Policy(cache=STRATEGIES[0]), store=redis_url
        ) as client:
            client.get("https://api.test/a")
        names.append(set(redis_server.admin().keys("resilient:e*")))
    assert all(names)
    assert names[0].isdisjoint(names[1])


# --- what strangers put there -------------------------------------------------------------------------------------


class Trap:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def payloads(folder):
    """What runs code where somebody loads it without care."""
    code = compile(f"import os; os.mkdir({str(folder)!r})", "trap", "exec")
    return {
        **{f"pickle {protocol}": pickle.dumps(Trap(folder), protocol) for protocol in range(6)},
        "marshal": marshal.dumps(code),
        "source": f"__import__('os').mkdir({str(folder)!r})".encode(),
    }


def test_the_traps_of_these_tests_work(tmp_path):
    """Loaded without care each of them does what it is meant to, or nothing here would be proved."""
    for name, payload in payloads(tmp_path / "marker").items():
        if name == "source":
            eval(payload)
        elif name == "marshal":
            exec(marshal.loads(payload))
        else:
            pickle.loads(payload)
        (tmp_path / "marker").rmdir()


class Victim:
    """A decorated function and a client on one Redis, in one colour; each has an entry there."""

    def __init__(self, url, colour, **more):
        self.heard, self.made = [], 0
        self.cache = Cache(telemetry=[self.heard.append])
        self.cache.setup(url, **PATIENT, **more)
        self.tasks = colour == "tasks"
        kind = AsyncResilientClient if self.tasks else ResilientClient
        self.client = kind(
            transport=httpx.MockTransport(self._page),
            policies=Policy(cache=STRATEGIES[0]),
            store=self.cache,
            telemetry=[self.heard.append],
        )

    def _page(self, request):
        self.made += 1
        return httpx.Response(200, text="the body")

    def ask(self):
        """What both answer, and how many of the two were made anew."""
        before = self.made
        answers = asyncio.run(self._ask_in_a_loop()) if self.tasks else self._ask()
        assert answers == ("the value", "the body")
        return self.made - before

    def _ask(self):
        @self.cache(ttl="1h", key="k")
        def function():
            self.made += 1
            return "the value"

        return function(), self.client.get("https://api.test/").text

    async def _ask_in_a_loop(self):
        @self.cache(ttl="1h", key="k")
        async def function():
            self.made += 1
            return "the value"

        return await function(), (await self.client.get("https://api.test/")).text

    def failures(self):
        """What was told of the store, once; the list begins anew."""
        told = [event.kind for event in self.heard if isinstance(event, StoreFailed)]
        self.heard.clear()
        return told

    def close(self):
        if self.tasks:
            asyncio.run(self.client.aclose())
        else:
            self.client.close()
        self.cache.close()


@pytest.fixture(params=["blocking", "tasks"])
def victim(request, redis_url):
    made = Victim(redis_url, request.param)
    yield made
    made.close()


@pytest.fixture
def entries(redis_server):
    """The names of all entries in Redis."""
    return lambda: sorted(redis_server.admin().keys("resilient:e*"))


def test_raw_payloads_are_misses_that_are_told_and_replaced(redis_server, victim, entries, tmp_path):
    """In the place of a value, alone or behind the beginning of a sound one: made anew, kept again, and never run."""
    marker = tmp_path / "marker"
    assert victim.ask() == 2
    assert victim.ask() == 0
    names = entries()
    assert len(names) == 2
    sound = {name: redis_server.ask("GET", name) for name in names}
    assert victim.failures() == []
    for payload in payloads(marker).values():
        for lead in (0, 4, 24, 60):
            for name in names:
                redis_server.ask("SET", name, sound[name][:lead] + payload)
            assert victim.ask() == 2
            assert victim.failures() == ["corrupt"] * 2
            assert victim.ask() == 0
    assert not marker.exists()


def test_payloads_in_sound_records_are_misses_that_are_told(redis_server, victim, entries, opened, redis_url, tmp_path):
    """Somebody who knows the format: the record is right, and what it holds is taken for data."""
    marker = tmp_path / "marker"
    victim.ask()
    store = opened(redis_url).blocking
    for key in list(store.scan()):
        kept = store.get(key)
        for payload in payloads(marker).values():
            # Under the metadata of text or of an answer it would be the user's own text, and given as such.
            for meta in ({"kind": "msgpack", "v": 1}, {"kind": "pickle", "v": 1}, {"kind": "marshal"}, {}):
                store.set(key, replace(kept, body=payload, meta=meta))
                assert victim.ask() == 1, meta
                assert "corrupt" in victim.failures()
                assert victim.ask() == 0
    assert not marker.exists()


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_with_a_secret_only_what_it_signed_is_unpickled(redis_url, colour, tmp_path):
    """Then there are pickles; one that another secret signed, or that was moved from another key, is not touched."""
    marker = tmp_path / "marker"
    victim = Victim(redis_url, colour, secret="the secret of the victim")
    victim.ask()
    attacker = Cache()
    attacker.setup(redis_url, secret="the secret of the attacker", **PATIENT)
    attacker.blocking.set("k", Trap(marker), ttl="1h")
    attacker.close()
    assert victim.ask() == 1
    assert victim.failures() == ["corrupt"]
    mine = Cache()
    mine.setup(redis_url, secret="the secret of the victim", **PATIENT)
    mine.blocking.set("elsewhere", Trap(marker), ttl="1h")
    core = mine._core.mounts.of("").pair.blocking
    core.set("k", core.get("elsewhere"))
    assert victim.ask() == 1
    assert victim.failures() == ["corrupt"]
    assert not marker.exists()
    with pytest.raises(FileNotFoundError):
        Path(marker).rmdir()
    mine.blocking.get("elsewhere")
    assert marker.exists(), "where it belongs, it is the program's own"
    mine.close()
    victim.close()


DAMAGES = {
    "cut": lambda value, other: value[:-7],
    "cut in its head": lambda value, other: value[:10],
    "one bit": lambda value, other: value[:-9] + bytes([value[-9] ^ 4]) + value[-8:],
    "another key's": lambda value, other: other,
    "something else": lambda value, other: b'{"json": true}',
    "an older version": lambda value, other: value[:3] + bytes([value[3] - 1]) + value[4:],
    "a newer version": lambda value, other: value[:3] + bytes([value[3] + 1]) + value[4:],
    "longer": lambda value, other: value + b"more",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_values_are_misses_that_are_told(redis_server, victim, entries, damage):
    """Both are made anew, and kept again."""
    victim.ask()
    one, two = entries()
    values = {name: redis_server.ask("GET", name) for name in (one, two)}
    redis_server.ask("SET", one, DAMAGES[damage](values[one], values[two]))
    redis_server.ask("SET", two, DAMAGES[damage](values[two], values[one]))
    assert victim.ask() == 2
    assert victim.failures() == ["corrupt"] * 2
    assert victim.ask() == 0
    assert victim.failures() == []


def test_another_type_is_a_miss_that_is_told(redis_server, victim, entries):
    """A list where an entry should be."""
    victim.ask()
    for name in entries():
        redis_server.ask("DEL", name)
        redis_server.ask("RPUSH", name, b"x")
    assert victim.ask() == 2
    assert set(victim.failures()) == {"corrupt"}
    assert victim.ask() == 0
