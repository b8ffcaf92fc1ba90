"""The guard before the pool of connections: whoever gives up, at whatever moment, takes no connection along.

httpx loses a place of its pool for good when a request is given up in the moment of getting a connection; the plain
client is led there first, so that each test proves that it tests something. httpx2 does not, and is left alone.
"""

import asyncio
import gc
import random
import ssl
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

import pytest
import trustme

from resilient import Policy, Retry, options
from resilient.testing import LocalServer
from resilient.testing.wire import head_of, read_request
from tests.serving import LOOPBACK, serving
from tests.soaking import sizes
from tests.wire.servers.host import Host, join

from .both import Transport, reply_to
from .cancelling import CancelledAt

CONNECTIONS = 5
ONCE = Policy(retry=None, breaker=None, deadline=None, attempt_timeout=None)
HASTE = (0.0005, 0.008)
"""Seconds after which the impatient give up; the server takes up to six milliseconds."""


# --- what is looked at -------------------------------------------------------------------------------------------


def stuck(client):
    """Places of the pools that are taken by nobody's request: neither idle nor closed when all is done."""
    pools = [transport._pool for transport in (client._transport, *client._mounts.values()) if transport is not None]
    taken = [one.info() for pool in pools for one in pool.connections if not (one.is_idle() or one.is_closed())]
    return taken + [request for pool in pools for request in pool._requests]


def guards_of(client):
    """The guards before the pools of a client, on this thread or event loop."""
    doors = client._places.here().doors.values()
    found = [getattr(door, "_pool", None) or getattr(door._handle, "__self__", None) for door in doors]
    return [guard for guard in found if hasattr(guard, "gate")]


def whole(client, connections=CONNECTIONS):
    """Whether every permit is back and nothing is being wound up; of a client without a guard, nothing to lose."""
    for guard in guards_of(client):
        exchanges = getattr(guard, "exchanges", None)
        assert (guard.gate.free, guard.gate.waiting) == (connections, 0)
        assert exchanges is None or exchanges.pending == 0
    return True


async def eventually(condition, seconds=5.0):
    """Whether ``condition()`` comes true soon."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.005)
    return True


def limits(family, kept=CONNECTIONS, connections=CONNECTIONS):
    return family.http.Limits(max_connections=connections, max_keepalive_connections=kept)


# --- storms ------------------------------------------------------------------------------------------------------


async def storm(ask, times):
    """Twenty at a time until all ``times`` have asked; how each of them ended."""
    dice, ended = random.Random(1), Counter()
    for _ in range(times // 20):
        ended.update(await asyncio.gather(*(ask(dice.uniform(*HASTE)) for _ in range(20))))
    return ended


def cancelling(client, url):
    async def ask(patience):
        try:
            async with asyncio.timeout(patience):
                await client.get(url)
        except TimeoutError:
            return "given up"
        return "answered"

    return ask


def cutting(family, client, url):
    async def ask(patience):
        try:
            await client.get(url, extensions=options(deadline=patience))
        except family.door.DeadlineExceededError:
            return "given up"
        return "answered"

    return ask


async def survivors(client, url, http, times=100):
    """How ``times`` patient requests end, five at a time."""

    async def ask():
        try:
            return (await client.get(url, timeout=http.Timeout(20.0, pool=5.0))).status_code
        except http.HTTPError as error:
            return type(error).__name__

    ended = Counter()
    for _ in range(times // 5):
        ended.update(await asyncio.gather(*(ask() for _ in range(5))))
    return ended


async def poisoned(family, url, kept):
    """Whether a plain client has no place left after a storm."""
    async with family.http.AsyncClient(limits=limits(family, kept)) as client:
        for _ in range(40 if family.http.__name__ == "httpx" else 5):
            await storm(cancelling(client, url), 300)
            await asyncio.sleep(0.05)
            if len(stuck(client)) == CONNECTIONS:
                return True
        return bool(stuck(client))


async def after_the_storm(family, url, kept, way, times, found):
    """A client of ours goes through a storm; what its pool and its tasks look like then."""
    before = asyncio.all_tasks()
    async with family.door.AsyncResilientClient(limits=limits(family, kept), policies=ONCE) as client:
        ask = cancelling(client, url) if way == "cancelled" else cutting(family, client, url)
        ended = await storm(ask, times)
        await eventually(lambda: not stuck(client))
        healthy = await survivors(client, url, family.http)
        found.update(ended)
        found.update(answered_after=healthy[200], stuck=len(stuck(client)))
        assert ended["given up"] > times // 2
        assert sum(ended.values()) == times
        assert healthy == {200: 100}
        assert stuck(client) == []
        assert whole(client)
        assert bool(guards_of(client)) is (family.http.__name__ == "httpx")
    assert asyncio.all_tasks() == before


@pytest.mark.slow
@pytest.mark.parametrize("kept", [CONNECTIONS, 0], ids=["kept alive", "closed each time"])
def test_cancelled_requests_leave_no_connection_behind(family, kept, found):
    """3,000 of them, 0.5 to 8 ms after their start, over five connections; a hundred healthy ones follow."""

    async def main():
        assert await poisoned(family, url, kept) is (family.http.__name__ == "httpx")
        await after_the_storm(family, url, kept, "cancelled", 3_000, found)

    with serving(slow=0.006) as url:
        asyncio.run(main())


@sizes(requests=(1_000, 10_000))
@pytest.mark.parametrize("kept", [CONNECTIONS, 0], ids=["kept alive", "closed each time"])
def test_requests_that_a_deadline_cuts_leave_no_connection_behind(family, kept, requests, found):
    """A deadline cancels what is under way, too; and so do its phases, in the midst of a wait for a connection."""
    with serving(slow=0.006) as url:
        asyncio.run(after_the_storm(family, url, kept, "cut", requests, found))


def threads_storm(family, client, url, times):
    """Twenty threads with little patience; how each request ended."""
    dice = random.Random(1)

    def ask(patience):
        try:
            client.get(url, timeout=patience)
        except family.http.TransportError as error:
            return type(error).__name__
        return "answered"

    with ThreadPoolExecutor(20) as pool:
        return Counter(pool.map(ask, [dice.uniform(*HASTE) for _ in range(times)]))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [CONNECTIONS, 0], ids=["kept alive", "closed each time"])
def test_timeouts_of_threads_leave_no_connection_behind(family, kept):
    """3,000 with 0.5 to 8 ms for each phase, from twenty threads; a plain client of httpx loses its pool so, too."""
    with serving(slow=0.006) as url:
        with family.http.Client(limits=limits(family, kept)) as plain:
            for _ in range(40 if family.http.__name__ == "httpx" else 5):
                threads_storm(family, plain, url, 300)
                if stuck(plain):
                    break
            assert bool(stuck(plain)) is (family.http.__name__ == "httpx")
        with family.door.ResilientClient(limits=limits(family, kept), policies=ONCE) as client:
            ended = threads_storm(family, client, url, 3_000)
            assert ended["PoolTimeout"] + ended["ReadTimeout"] > 300
            assert set(ended) <= {"answered", "PoolTimeout", "ConnectTimeout", "ReadTimeout", "WriteTimeout"}
            assert stuck(client) == []
            with ThreadPoolExecutor(5) as pool:
                answers = list(pool.map(lambda _: client.get(url, timeout=20.0).status_code, range(100)))
            assert answers == [200] * 100
            assert stuck(client) == []
            assert whole(client)
            assert bool(guards_of(client)) is (family.http.__name__ == "httpx")


@sizes(calls=(200, 1_000))
def test_retries_leak_no_connection(world, family, calls, found):
    """Ten for each call, over a pool of two, from ten callers at once: each answer that is replaced is given back."""
    policy = Policy(retry=Retry(max_attempts=11, base=0.0001, cap=0.0001), budget=None, breaker=None)
    kind = world.choose(family.door.ResilientClient, family.door.AsyncResilientClient)
    given = {"limits": limits(family, 2, 2), "policies": policy}

    def seen(answer):
        return answer.status_code, len(answer.extensions["resilient"].attempts)

    def judge(client, answers, idle):
        found.update(attempts=sum(attempts for _, attempts in answers), stuck=len(stuck(client)), idle=idle)
        assert answers == [(503, 11)] * calls
        assert stuck(client) == []
        assert whole(client, 2)
        assert idle <= 1

    async def in_tasks(url):
        answers = []
        async with kind(**given) as client:
            for _ in range(calls // 10):
                answers += map(seen, await asyncio.gather(*(client.get(url + "/503") for _ in range(10))))
            judge(client, answers, int((await client.get(url + "/open")).content))

    def in_threads(url):
        with kind(**given) as client, ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: seen(client.get(url + "/503")), range(calls)))
            judge(client, answers, int(client.get(url + "/open").content))

    with serving() as url:
        world.choose(in_threads, lambda url: asyncio.run(in_tasks(url)))(url)


# --- whose pool is guarded ---------------------------------------------------------------------------------------


def pooled(family, transport):
    return family.door.transports.pooled(transport)


def test_the_guard_lets_in_as_many_as_the_pool_takes(world, family):
    """One a connection, and a hundred over one of HTTP/2; httpx2 needs no guard, and an endless pool has no end."""
    http = family.http
    kind = world.choose(http.HTTPTransport, http.AsyncHTTPTransport)
    seven = http.Limits(max_connections=7)

    class Derived(kind):
        pass

    expected = {
        "default": (kind(), 100),
        "seven": (kind(limits=seven), 7),
        "http2": (kind(limits=seven, http2=True), 700),
        "through a proxy": (kind(limits=seven, proxy="http://proxy.test"), 7),
        "derived": (Derived(limits=seven), 7),
        "endless": (kind(limits=http.Limits()), None),
    }
    for name, (transport, connections) in expected.items():
        assert pooled(family, transport) == (connections if http.__name__ == "httpx" else None), name


class Custom(Transport):
    def handle_request(self, request):
        return reply_to(request, text="ok")

    async def handle_async_request(self, request):
        return self.handle_request(request)


async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]


@pytest.fixture
def no_guards(family, monkeypatch):
    """From now on, making a guard fails."""

    def never(*_):
        raise AssertionError("a guard is made")

    monkeypatch.setattr(family.door.transports, "GatedPool", never)
    monkeypatch.setattr(family.door.transports, "GuardedPool", never)


def test_nothing_is_paid_where_there_is_no_pool_to_lose(world, family, origin, no_guards):
    """No guard is made before mocks, applications, and transports of one's own."""
    app = world.choose(lambda: family.http.WSGITransport(wsgi), lambda: family.http.ASGITransport(application))
    mock = family.http.MockTransport(lambda request: reply_to(request, text="ok"))
    wrapped = world.choose(family.door.ResilientTransport, family.door.AsyncResilientTransport)
    for transport in (mock, Custom(), origin, app()):
        assert world.client(transport).get().content == b"ok"
        wrapped(transport)


def test_the_transports_of_httpx2_have_no_guard(world, family, no_guards):
    """Those of httpx have: there the same request asks for one."""
    wrapped = world.choose(family.door.ResilientTransport, family.door.AsyncResilientTransport)
    transport = world.choose(family.http.HTTPTransport, family.http.AsyncHTTPTransport)

    def in_threads(url):
        with family.door.ResilientClient(policies=ONCE) as client:
            return client.get(url).content

    async def in_tasks(url):
        async with family.door.AsyncResilientClient(policies=ONCE) as client:
            return (await client.get(url)).content

    with LocalServer() as server:
        uses = [
            lambda: wrapped(transport()),
            lambda: world.choose(in_threads, lambda url: asyncio.run(in_tasks(url)))(server.url),
        ]
        for use in uses:
            if family.http.__name__ == "httpx":
                with pytest.raises(AssertionError, match="a guard is made"):
                    use()
            else:
                use()


# --- leaving at once ---------------------------------------------------------------------------------------------


class Silent(Host):
    """Stops in the midst of what it does: ``connecting``, ``headers``, or the ``body``."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage
        self.reached = False

    @property
    def url(self):
        return self.address("https" if self.stage == "connecting" else "http")

    async def talk(self, reader, writer):
        if self.stage == "connecting":
            await reader.read(1)  # the first byte of a handshake that leads nowhere
        else:
            await read_request(reader)
        if self.stage == "body":
            writer.write(head_of(200, [(b"content-length", b"10")]) + b"half ")
            await writer.drain()
        self.reached = True
        while await reader.read(1_000):
            pass


def left_over(before):
    """Tasks that are there now, and were not ``before``."""
    return asyncio.all_tasks() - before


@asynccontextmanager
async def one_connection(family, **options):
    """A client of ours with a pool of one, and a check at its end that nothing of it is left."""
    before = asyncio.all_tasks()
    given = {"limits": limits(family, 1, 1), "policies": ONCE, "verify": False, **options}
    async with family.door.AsyncResilientClient(**given) as client:
        yield client
    assert not left_over(before)


@contextmanager
def sockets_may_be_lost():
    """What a plain client loses goes to the collector here."""
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        yield
        gc.collect()


@pytest.fixture
def may_lose_sockets():
    """A handshake that is stopped half-way leaves a socket to the collector, in httpx and in httpx2."""
    yield
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("may_lose_sockets")
@pytest.mark.parametrize("stage", ["connecting", "headers", "body"])
@pytest.mark.parametrize("stream", [False, True], ids=["read", "streamed"])
def test_who_is_cancelled_leaves_at_once_and_the_connection_is_closed(family, stage, stream):
    """The server hears of it promptly; a handshake alone is given its own time, or its socket would be lost.

    That is what becomes of it in httpx2, which loses no place of its pool by it.
    """
    lost = family.http.__name__ == "httpx2" and stage == "connecting"

    async def call(client, url):
        if not stream:
            return await client.get(url)
        async with client.stream("GET", url) as response:
            return await response.aread()

    async def main():
        async with one_connection(family, timeout=family.http.Timeout(20, connect=0.3)) as client:
            caller = asyncio.create_task(call(client, host.url))
            assert await eventually(lambda: host.reached)
            await asyncio.sleep(0.01)
            assert host.open == 1
            caller.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await caller
            assert time.monotonic() - began < 0.2
            assert await eventually(lambda: not host.open, 0.5 if lost else 5.0) is not lost
            assert await eventually(lambda: not stuck(client))
            assert whole(client, 1)
            with LocalServer() as server:
                assert (await client.get(server.url)).status_code == 200

    with Silent(stage) as host:
        asyncio.run(main())


async def streaming(client, url):
    async with client.stream("GET", url + "/echo/12345678") as response:
        async for _ in response.aiter_raw(2):
            await asyncio.sleep(0)


async def lost_places(make, url, more):
    """At which waits of a streamed call a cancellation, and ``more`` of them right after it, lose a place for good."""
    lost, step, victim = [], 0, None
    while victim is None or victim.taken >= step:
        step += 1
        async with make() as client:
            victim = CancelledAt(streaming(client, url), step, more)
            with suppress(asyncio.CancelledError):
                await victim
            task = asyncio.current_task()
            while task.cancelling():
                task.uncancel()
            if not await eventually(lambda: not stuck(client), 0.2):
                lost.append(step)
            elif hasattr(client, "_places"):
                assert await eventually(lambda: not any(one.exchanges.pending for one in guards_of(client)))
                assert whole(client, 1)
                assert (await client.get(url)).status_code == 200
    assert step > 5
    return lost


@pytest.mark.slow
@pytest.mark.parametrize("more", [0, 1, 20], ids=["once", "twice", "again and again"])
@pytest.mark.parametrize("kept", [1, 0], ids=["kept alive", "closed each time"])
def test_a_stream_may_be_cancelled_at_every_wait(family, kept, more):
    """While it is asked for, read, and closed; also by who does not stop cancelling, as a server that shuts down.

    httpx loses its place at some waits; httpx2 does where a second cancellation follows the first.
    """
    options = {"limits": limits(family, kept, 1)}
    plain = partial(family.http.AsyncClient, **options)
    ours = partial(family.door.AsyncResilientClient, policies=ONCE, **options)

    async def main(url):
        before = asyncio.all_tasks()
        weak = family.http.__name__ == "httpx" or more > 0
        assert bool(await lost_places(plain, url, more)) is weak
        if family.http.__name__ == "httpx" or not weak:
            assert await lost_places(ours, url, more) == []
        assert not left_over(before)

    with serving() as url:
        asyncio.run(main(url))


async def told_until(client, url, step, http):
    """One call, whose own trace cancels it when it is told for the ``step``-th time; how often it was told."""
    caller, told = asyncio.current_task(), 0

    async def trace(event, info):
        nonlocal told
        told += 1
        if told == step:
            caller.cancel()
            for _ in range(5):
                await asyncio.sleep(0)

    with suppress(http.ReadTimeout):
        await client.get(url, extensions={"trace": trace})
    return told


async def lost_steps(make, url, http):
    """At which steps of the connection a caller who leaves takes its place along for good."""
    lost = []
    async with make() as client:
        steps = await told_until(client, url, 0, http)
    assert steps > 8
    for step in range(1, steps + 1):
        async with make() as client:
            asked = asyncio.create_task(told_until(client, url, step, http))
            with suppress(asyncio.CancelledError):
                await asked
            if not await eventually(lambda: not stuck(client), 0.2):
                lost.append(step)
            elif hasattr(client, "_places"):
                assert await eventually(lambda: not any(one.exchanges.pending for one in guards_of(client)))
                assert whole(client, 1)
    return lost


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["nothing", "headers", "body"])
def test_a_caller_may_leave_at_every_step_of_the_connection(family, stage):
    """Also in the moment in which the call fails by itself, and the connection is put away.

    httpx and httpx2 lose their place there: what they do then is cut short.
    """
    options = {"limits": limits(family, 1, 1), "timeout": family.http.Timeout(20.0, read=0.03)}
    plain = partial(family.http.AsyncClient, **options)
    ours = partial(family.door.AsyncResilientClient, policies=ONCE, **options)

    async def main(make, url):
        before = asyncio.all_tasks()
        lost = await lost_steps(make, url, family.http)
        assert not left_over(before)
        return lost

    with Silent(stage) if stage != "nothing" else LocalServer() as server:
        with sockets_may_be_lost():
            lost = asyncio.run(main(plain, server.url))
        assert lost
        if family.http.__name__ == "httpx":
            assert asyncio.run(main(ours, server.url)) == []


class Tunnel(Host):
    """A proxy that says yes to a CONNECT, and makes the connection when the test lets it."""

    def __init__(self, origin):
        super().__init__()
        self.origin = origin
        self.dug = False
        self.goes_on = False

    async def talk(self, reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        self.dug = True
        while not self.goes_on:
            await asyncio.sleep(0.005)
        await join((reader, writer), await asyncio.open_connection(LOOPBACK, self.origin.port))


class Greeting(Host):
    """Says ok."""

    async def talk(self, reader, writer):
        while await read_request(reader) is not None:
            writer.write(head_of(200, [(b"content-length", b"2")]) + b"ok")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("may_lose_sockets")
def test_a_tunnel_through_a_proxy_is_not_cut_while_it_is_dug(family):
    """The proxy's CONNECT is sent, the handshake with the origin is under way: the caller leaves, its place is kept.

    httpx2 never frees the place of a connection that is cancelled there, nor does httpx without the guard.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    async def main(kind, **options):
        given = {"limits": limits(family, 1, 1), "verify": False, "proxy": tunnel.url, **options}
        async with kind(**given) as client:
            caller = asyncio.create_task(client.get("https://localhost/"))
            assert await eventually(lambda: tunnel.dug)
            await asyncio.sleep(0.05)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            tunnel.goes_on = True
            if not await eventually(lambda: not stuck(client), 0.5):
                return "lost"
            assert await survivors(client, "https://localhost/", family.http, 5) == {200: 5}
            assert whole(client, 1) if hasattr(client, "_places") else True
            return "kept"

    with Greeting(tls=context) as origin:
        with Tunnel(origin) as tunnel:
            assert asyncio.run(main(family.http.AsyncClient)) == "lost"
        with Tunnel(origin) as tunnel:
            expected = "kept" if family.http.__name__ == "httpx" else "lost"
            assert asyncio.run(main(family.door.AsyncResilientClient, policies=ONCE)) == expected


# --- a full pool, and the end ------------------------------------------------------------------------------------


def test_who_gets_no_connection_in_time_is_told_so(world, family):
    """By the library's own error, and at once where no time at all was given; the one who has it goes on."""
    http = family.http
    kind = world.choose(family.door.ResilientClient, family.door.AsyncResilientClient)
    given = {"limits": limits(family, 1, 1), "timeout": http.Timeout(20.0, pool=0.05), "policies": ONCE}

    async def in_tasks(server):
        async with kind(**given) as client:
            async with client.stream("GET", server.url) as first:
                for pool in (0.05, 0.0):
                    with pytest.raises(http.PoolTimeout):
                        await client.get(server.url, timeout=http.Timeout(20.0, pool=pool))
                assert await first.aread() == b"ok"
            assert (await client.get(server.url)).status_code == 200
            assert whole(client, 1)

    def in_threads(server):
        with kind(**given) as client:
            with client.stream("GET", server.url) as first:
                for pool in (0.05, 0.0):
                    with pytest.raises(http.PoolTimeout):
                        client.get(server.url, timeout=http.Timeout(20.0, pool=pool))
                assert first.read() == b"ok"
            assert client.get(server.url).status_code == 200
            assert whole(client, 1)

    with LocalServer() as server:
        world.choose(in_threads, lambda server: asyncio.run(in_tasks(server)))(server)
        assert server.sent == 2


@pytest.fixture
def abandoned(family):
    """Opens a client or a transport, and leaves a request behind in the midst of its handshake."""

    async def leave(made, host):
        times = family.http.Timeout(None).as_dict()
        request = family.http.Request("GET", host.url, extensions={"timeout": {**times, "connect": host.patience}})
        send = getattr(made, "send", None) or made.handle_async_request
        caller = asyncio.create_task(send(request))
        assert await eventually(lambda: host.reached)
        await asyncio.sleep(0.01)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    return leave


def makers(family):
    """A client, and a transport that a plain client owns; in a pool of one."""
    http, door = family.http, family.door
    one = {"limits": limits(family, 1, 1), "verify": False}
    return {
        "client": lambda: door.AsyncResilientClient(policies=ONCE, **one),
        "transport": lambda: door.AsyncResilientTransport(http.AsyncHTTPTransport(**one), policies=ONCE),
    }


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("may_lose_sockets")
@pytest.mark.parametrize("kind", ["client", "transport"])
@pytest.mark.parametrize("way", ["with", "close"])
@pytest.mark.parametrize("patience", [0.3, None], ids=["ends soon", "never ends"])
def test_closing_waits_for_what_is_wound_up(family, abandoned, monkeypatch, kind, way, patience):
    """And no longer than that needs: what would never end is stopped after a while. No task outlives the client."""
    monkeypatch.setattr("resilient.runtime.hand_over.PATIENCE", 20.0 if patience else 0.3)

    async def main():
        before = asyncio.all_tasks()
        host.patience = patience
        made = makers(family)[kind]()
        if way == "with":
            async with made:
                await abandoned(made, host)
                began = time.monotonic()
        else:
            await abandoned(made, host)
            began = time.monotonic()
            await made.aclose()
        took = time.monotonic() - began
        assert not left_over(before)
        if family.http.__name__ == "httpx":
            assert 0.2 < took < 3
            assert patience is None or await eventually(lambda: not host.open)
        else:
            assert took < 0.2  # nothing is wound up: httpx2 lets go at once

    with Silent("connecting") as host:
        asyncio.run(main())


# --- the caller's own request ------------------------------------------------------------------------------------


def test_the_guard_changes_nothing_in_the_callers_request(world, family):
    """It listens to the connection by a trace; the caller's own trace is told everything, and stays the caller's."""
    told = []
    http = family.http

    def trace(name, info):
        told.append(name)

    async def trace_of_a_task(name, info):
        trace(name, info)

    own = world.choose(trace, trace_of_a_task)
    wrapped = world.choose(family.door.ResilientTransport, family.door.AsyncResilientTransport)

    def in_threads(url):
        with wrapped(http.HTTPTransport(), policies=Policy.passthrough()) as transport:
            for request in requests(url):
                with_response(request, transport.handle_request(request))

    async def in_tasks(url):
        async with wrapped(http.AsyncHTTPTransport(), policies=Policy.passthrough()) as transport:
            for request in requests(url):
                response = await transport.handle_async_request(request)
                await response.aread()
                with_response(request, response)

    def requests(url):
        for extensions in ({"trace": own, "mine": 1}, {"mine": 2}):
            request = http.Request("GET", url, extensions=extensions)
            before = dict(request.extensions)
            yield request
            assert request.extensions == before

    def with_response(request, response):
        assert response.read() == b"ok" if world.colour == "blocking" else response.content == b"ok"

    with LocalServer() as server:
        world.choose(in_threads, lambda url: asyncio.run(in_tasks(url)))(server.url)
    assert told.count("http11.send_request_headers.started") == 1
    assert told[0] == "connection.connect_tcp.started"
    assert told[-1] == "http11.response_closed.complete"
