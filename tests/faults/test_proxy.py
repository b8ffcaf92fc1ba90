"""A link that fails as networks do, before an HTTP server and before a plain one; each fault leaves its trace."""

import asyncio
import gc
import os
import socket
import threading
import time

import httpx
import pytest

from resilient import AsyncResilientClient, ConfigurationError, Policy, ResilientClient
from resilient.testing import FaultProxy, LocalServer

BODY = os.urandom(100_000)


@pytest.fixture
def server():
    with LocalServer() as running:
        running.answers(body=BODY)
        yield running


@pytest.fixture
def proxy(server):
    threads = threading.active_count()
    with FaultProxy("127.0.0.1", server.port) as running:
        yield running
    assert threading.active_count() == threads
    assert running.open_connections == 0
    gc.collect()  # what was left open would warn now


@pytest.fixture
def url(proxy):
    return f"http://127.0.0.1:{proxy.port}/"


@pytest.fixture(params=["blocking", "async"])
def get(request):
    """Asks once, by a client of either colour that does not try again, on a connection that it keeps."""
    only_once = Policy(retry=None, breaker=None, budget=None, deadline=None)
    if request.param == "blocking":
        with ResilientClient(policies=only_once, trust_env=False) as client:
            yield lambda url, timeout=60.0: client.get(url, timeout=timeout)
        return
    with asyncio.Runner() as runner:
        client = AsyncResilientClient(policies=only_once, trust_env=False)
        yield lambda url, timeout=60.0: runner.run(client.get(url, timeout=timeout))
        runner.run(client.aclose())


def test_a_link_without_a_fault_passes_everything(server, proxy, url, get):
    """Both ways, on one connection, and counts the bytes."""
    for _ in range(3):
        assert get(url).content == BODY
    assert (proxy.connections, server.connections) == (1, 1)
    assert proxy.answered > 3 * len(BODY)
    assert 0 < proxy.asked < 3_000
    assert (proxy.withheld, proxy.injected) == (0, {})


def test_a_delay_is_waited_for(server, proxy, url, get):
    """In each direction; afterwards nothing is late."""
    proxy.delays("100ms")
    began = time.monotonic()
    assert get(url).content == BODY
    assert time.monotonic() - began >= 0.2
    assert proxy.injected["delays"] >= 2
    proxy.heals()
    before = proxy.injected["delays"]
    assert get(url).content == BODY
    assert proxy.injected["delays"] == before


def test_slices_arrive_as_what_was_sent(proxy, url, get):
    """In many pieces, of which each is counted."""
    proxy.slices(1_000, pause="0.1ms")
    assert get(url).content == BODY
    assert proxy.injected["slices"] > 100


def test_a_link_that_hangs_is_open_and_silent(server, proxy, url, get):
    """On the connection from before and on a new one; nothing reaches the server meanwhile."""
    get(url)
    proxy.hangs()
    for number in (1, 2):
        with pytest.raises(httpx.ReadTimeout):
            get(url, timeout=httpx.Timeout(60.0, read=0.1))
        while proxy.injected["hangs"] < number:
            time.sleep(0.001)
    assert server.sent == 1
    assert proxy.injected["hangs"] == 2
    assert proxy.withheld > 0


def test_what_was_kept_back_arrives_when_the_link_heals(server, proxy, url, get):
    """As with a network that comes back."""
    proxy.hangs()
    healer = threading.Timer(0.1, proxy.heals)
    healer.start()
    assert get(url).content == BODY
    healer.join()
    assert proxy.injected["hangs"] == 1
    assert proxy.withheld == proxy.asked > 0


@pytest.mark.parametrize(("fault", "times"), [("closes", 2), ("resets", 2), ("hangs", 1)])
def test_half_an_answer(server, proxy, url, get, fault, times):
    """So many bytes of it and not one more, on the connection from before too, and on the next one."""
    get(url)
    for number in range(1, times + 1):
        before = proxy.answered
        getattr(proxy, fault)(after=40_000)
        with pytest.raises(httpx.TransportError):
            get(url, timeout=httpx.Timeout(60.0, read=2.0 if fault == "hangs" else 60.0))
        assert proxy.answered - before == 40_000
        assert proxy.injected[fault] == number
    proxy.heals()
    assert get(url).content == BODY


@pytest.mark.parametrize(("fault", "raised"), [("closes", b""), ("resets", ConnectionResetError)])
def test_a_link_breaks_at_the_next_byte(server, proxy, fault, raised):
    """Politely or not, which the other end can tell; nothing of it reaches the server."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        getattr(proxy, fault)()
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        if raised == b"":
            assert connection.recv(100) == b""
        else:
            with pytest.raises(raised):
                connection.recv(100)
    assert (proxy.injected[fault], proxy.withheld, server.sent) == (1, 18, 0)


def test_it_refuses_and_returns(server, proxy, url, get):
    """As if nothing had ever listened on its port."""
    get(url)
    proxy.goes_away()
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            get(url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60)
    proxy.returns()
    assert get(url).content == BODY
    assert proxy.connections == 2


def test_a_server_that_is_gone_is_gone_behind_the_proxy_too(server, proxy, url, get):
    """Open connections end, new ones are reset."""
    get(url)
    server.goes_away()
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            get(url)
    server.returns()
    assert get(url).content == BODY


def test_who_has_nothing_more_to_ask_still_gets_the_answer(server, proxy):
    """An end in one direction is passed on, and is not the end of the other."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.endswith(BODY)


@pytest.mark.parametrize("fault", ["hangs", "delays"])
def test_it_ends_in_the_middle_of_a_fault(server, fault):
    """No thread, no task and no connection stays."""
    with FaultProxy("127.0.0.1", server.port) as proxy:
        proxy.hangs() if fault == "hangs" else proxy.delays("1h")
        connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=60)
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while not proxy.injected[fault]:
            time.sleep(0.001)
    with connection:
        assert connection.recv(1) == b""
    assert proxy.open_connections == 0


def test_what_is_wrong_is_said(proxy):
    """With the option, its value, and what is right."""
    with pytest.raises(ConfigurationError, match="port=0 is not right; give a number from 1 to 65535"):
        FaultProxy("127.0.0.1", 0)
    for wrong in (-1, 1.5):
        with pytest.raises(ConfigurationError, match=f"after={wrong} is not right"):
            proxy.hangs(after=wrong)
    with pytest.raises(ConfigurationError, match="size=0 is not right"):
        proxy.slices(0)
    with pytest.raises(ConfigurationError, match="by="):
        proxy.delays("soon")
    with pytest.raises(RuntimeError, match="does not run"):
        FaultProxy("127.0.0.1", 1).hangs()
