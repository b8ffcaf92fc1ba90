"""One client on many event loops and threads: each loop has connections of its own, and takes them with it."""

import asyncio
import gc
import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resilient import Policy, ResponseCache
from resilient.testing import LocalServer
from tests.client.both import Transport, reply_to
from tests.serving import serving

LOOPING = Path(__file__).with_name("looping.py")


def looping(family, whose, url, threads, loops):
    """What became of the calls of ``looping.py``, and what it complained of."""
    command = [sys.executable, "-X", "dev", "-W", "error", str(LOOPING), family.http.__name__, whose, url]
    command += [str(threads), str(loops)]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=5 if whose == "plain" else 100
        )
    except subprocess.TimeoutExpired:
        return None, "hangs"
    return json.loads(done.stdout or "null"), done.stderr


@pytest.mark.slow
def test_one_client_serves_many_loops_in_many_threads(family):
    """50 times ``asyncio.run`` in each of eight threads, four calls each, with connections kept alive.

    Every answer is right, no connection outlives its loop, and Python warns of nothing. Calls through a plain client
    fail, hang, or leave connections open.
    """
    with serving() as url:
        result, complaints = looping(family, "plain", url, 2, 4)
        assert complaints or set(result["ended"]) != {"right"}
        result, complaints = looping(family, "ours", url, 8, 50)
    assert complaints == ""
    assert result == {"ended": {"right": 8 * 50 * 4}, "open": 0, "places": 0}


def ports(client, url, times=3):
    """From which ports the calls come that a loop makes one after the other."""

    async def main():
        found = []
        for _ in range(times):
            response = await client.get(url)
            found.append(response.extensions["network_stream"].get_extra_info("client_addr")[1])
        return found

    return main()


def test_a_loop_keeps_its_connections_alive_and_takes_them_with_it(family):
    """Three calls on each of three loops use one connection a loop, and none of them is open afterwards."""
    with LocalServer() as server:
        client = family.door.AsyncResilientClient()
        used = [asyncio.run(ports(client, server.url)) for _ in range(3)]
        assert [len(set(one)) for one in used] == [1, 1, 1]
        assert server.connections == 3
        for _ in range(500):
            if not server.open_connections:
                break
            threading.Event().wait(0.01)
        assert server.open_connections == 0
        asyncio.run(client.aclose())


def test_two_loops_at_once_have_connections_of_their_own(family):
    """And closing the client on one of them leaves the other its own until it ends."""
    with LocalServer() as server:
        client = family.door.AsyncResilientClient()
        first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
        try:
            one = first.run_until_complete(ports(client, server.url))
            two = second.run_until_complete(ports(client, server.url))
            assert len({*one, *two}) == 2
            second.run_until_complete(client.aclose())
            assert not client.is_closed
            assert first.run_until_complete(ports(client, server.url)) == one
            first.run_until_complete(client.aclose())
            assert client.is_closed
            with pytest.raises(RuntimeError, match="closed"):
                first.run_until_complete(client.get(server.url))
        finally:
            for loop in (first, second):
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()


def test_only_one_loop_is_the_home_of_a_client(family):
    """The connections that the client itself owns are one loop's, also if many loops come at the same moment."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            client = family.door.AsyncResilientClient(verify=False)
            start = threading.Barrier(8)
            homes = []

            async def come(client=client, start=start, homes=homes):
                start.wait(10)
                homes.append(client._places.here().client is None)

            with ThreadPoolExecutor(8) as pool:
                for one in [pool.submit(lambda come=come: asyncio.run(come())) for _ in range(8)]:
                    one.result(20)
            assert sorted(homes) == [False] * 7 + [True]
    finally:
        sys.setswitchinterval(before)


class Borrowed(Transport):
    """Somebody else's transport; breaks when it is used after it was closed."""

    def __init__(self):
        self.closed = 0

    async def handle_async_request(self, request):
        assert not self.closed
        return reply_to(request, text="ok")

    async def aclose(self):
        self.closed += 1


@pytest.mark.parametrize("where", ["transport", "mounts"])
def test_a_transport_that_was_handed_in_serves_all_loops_and_is_closed_with_the_client(family, where):
    """A loop that ends takes along what the client was lent, and nothing of what somebody else has made."""
    borrowed = Borrowed()
    given = {"transport": borrowed} if where == "transport" else {"mounts": {"all://": borrowed}}
    client = family.door.AsyncResilientClient(**given)

    async def main():
        return (await client.get("https://api.test/")).text

    assert [asyncio.run(main()) for _ in range(4)] == ["ok"] * 4
    assert borrowed.closed == 0
    asyncio.run(client.aclose())
    assert borrowed.closed == 1


def test_a_closed_client_leaves_no_task_to_the_collector(family):
    """What tells it of the end of the loop is ended with it, not found by the collector in the midst of other work."""

    async def main(url):
        before = asyncio.all_tasks()
        for _ in range(3):
            async with family.door.AsyncResilientClient() as client:
                await client.get(url)
            del client
        gc.collect()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    with LocalServer() as server:
        asyncio.run(main(server.url))


def test_loops_of_one_client_share_its_context_of_tls(family, monkeypatch):
    """Reading the certificates takes longer than a call: that a program runs each on a loop of its own is no reason."""
    made = []
    create = family.http.create_ssl_context
    monkeypatch.setattr(family.http, "create_ssl_context", lambda **given: made.append(given) or create(**given))
    client = family.door.AsyncResilientClient(verify=False, trust_env=False)
    contexts = []

    async def main():
        place = client._places.here()
        contexts.append((place.client or client)._transport._pool._ssl_context)

    for _ in range(5):
        asyncio.run(main())
    assert made == [{"verify": False, "trust_env": False}]
    assert len({id(one) for one in contexts[1:]}) == 1
    asyncio.run(client.aclose())


def test_what_is_kept_serves_all_loops(family):
    """The cache is the client's, not the loop's."""
    with LocalServer() as server:
        client = family.door.AsyncResilientClient(policies=Policy(cache=ResponseCache(ttl="1h")))

        async def main():
            return (await client.get(server.url)).extensions["resilient"].cache.result

        assert [asyncio.run(main()) for _ in range(3)] == ["miss", "hit", "hit"]
        assert server.sent == 1
        asyncio.run(client.aclose())


@pytest.mark.slow
def test_one_blocking_client_serves_many_threads(family):
    """Twenty threads, a hundred calls each: every answer is that of its question."""
    with serving(slow=0.001) as url, family.door.ResilientClient() as client:

        def work(thread):
            names = [f"{thread}-{number}" for number in range(100)]
            return Counter(client.get(f"{url}/echo/{name}").text == name for name in names)

        with ThreadPoolExecutor(20) as pool:
            assert sum(pool.map(work, range(20)), Counter()) == {True: 2_000}


def test_threads_that_come_at_once_find_one_guard(family):
    """Two doors before one pool would let in twice as many as it takes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            client = family.door.ResilientClient(verify=False, trust_env=False)
            start = threading.Barrier(8)

            def come(_, client=client, start=start):
                start.wait(10)
                return client._transport_for_url(family.http.URL("https://api.test/"))

            with ThreadPoolExecutor(8) as pool:
                assert len(set(pool.map(come, range(8)))) == 1
            client.close()
    finally:
        sys.setswitchinterval(before)
