"""The scripted server behind a real socket, asked by real transports."""

import asyncio
import contextlib
import gc
import socket
import threading
import time

import httpx
import pytest

from resilient.testing import LocalServer, Reply


@pytest.fixture
def server():
    threads = threading.active_count()
    with LocalServer() as running:
        yield running
    assert threading.active_count() == threads


@pytest.fixture
def client():
    # Patient where a test is not about patience: machines that run tests are busy.
    with httpx.Client(timeout=30.0, trust_env=False) as made:
        yield made


def test_it_answers_as_its_script_says(server, client):
    """The language of the scripted origin, over the wire, on one connection."""
    server.answers(503, retry_after=2, times=2)
    server.at("/tea").answers(418, body=[b"short ", b"and stout"], headers={"x-pot": "1"})
    answers = [client.get(server.url + path) for path in ("/", "/", "/", "/tea")]
    assert [answer.status_code for answer in answers] == [503, 503, 200, 418]
    assert (answers[0].headers["retry-after"], answers[3].text) == ("2", "short and stout")
    assert answers[3].headers["x-pot"] == "1"
    assert (server.connections, server.sent, server.count(status=503)) == (1, 4, 2)


@pytest.mark.parametrize("content", [b"body", iter([b"bo", b"dy"])], ids=["length", "chunked"])
def test_it_receives_bodies(server, client, content):
    """Announced or chunked."""
    assert client.post(server.url + "/orders?x=1", content=content).text == "ok"
    received = server.requests[0]
    assert (received.method, received.path, received.body) == ("POST", "/orders", b"body")
    assert received.url == f"{server.url}/orders?x=1"


def test_it_sends_chunks(server, client):
    """If the script says so in the headers."""
    server.answers(body=[b"a" * 1_000, b"b"], headers={"transfer-encoding": "chunked"})
    response = client.get(server.url)
    assert response.text == "a" * 1_000 + "b"
    assert "content-length" not in response.headers
    assert client.get(server.url).status_code == 200
    assert server.connections == 1


def test_head_and_204_keep_the_connection(server, client):
    """No body follows, so the next answer is not mistaken for one."""
    assert client.head(server.url).headers["content-length"] == "2"
    server.answers(204, times=1)
    assert client.get(server.url).status_code == 204
    assert client.get(server.url).text == "ok"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [("protocol", httpx.RemoteProtocolError), ("read", httpx.ReadError), ("connect", httpx.ReadError)],
)
def test_it_breaks_connections(server, client, error, raised):
    """Politely, or by a reset; the next request gets a new one."""
    server.fails(error=error, times=1)
    with pytest.raises(raised):
        client.get(server.url)
    assert client.get(server.url).status_code == 200
    assert (server.connections, server.count(error=error)) == (2, 1)


@pytest.mark.parametrize("details", [{"drop_after": 3}, {"content_length": 100}])
def test_it_breaks_bodies(server, client, details):
    """Half-way, or by a lie about the length."""
    server.answers(body=b"abcdef", times=1, **details)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        client.get(server.url)
    assert client.get(server.url).status_code == 200


def test_it_is_slow_in_real_time(server, client):
    """Before the headers, and before each piece of the body."""
    server.answers(latency=0.1, body=[b"a", b"b"], chunk_latency=0.05)
    started = time.monotonic()
    assert client.get(server.url).text == "ab"
    assert time.monotonic() - started >= 0.2


def test_it_hangs_until_the_client_gives_up(server, client):
    """And notices that it did."""
    server.hangs(times=1)
    with pytest.raises(httpx.ReadTimeout):
        client.get(server.url, timeout=httpx.Timeout(30, read=0.1))
    assert client.get(server.url).status_code == 200
    for _ in range(1_000):
        if server.in_flight == 0:
            break
        time.sleep(0.01)
    assert (server.in_flight, server.requests[0].error) == (0, "hangs")


def test_it_goes_away_and_returns_on_the_same_port(server, client):
    """Connections that were open are closed, new ones refused."""
    assert client.get(server.url).status_code == 200
    server.goes_away()
    with pytest.raises(httpx.TransportError):
        client.get(server.url)
    with pytest.raises(httpx.ConnectError):
        client.get(server.url)
    server.returns()
    assert client.get(server.url).status_code == 200


def test_a_function_decides_by_the_request(server, client):
    """It sees method, target, headers and body."""
    server.behaves(lambda request, number, now: Reply(body=f"{request.method} {request.target} {number}".encode()))
    assert client.put(server.url + "/a?b=c").text == "PUT /a?b=c 1"


def test_many_clients_at_once(server):
    """Hundreds of tasks on dozens of connections: all are answered, all are counted."""
    server.answers(latency=0.01)

    async def main():
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
            return await asyncio.gather(*(client.get(server.url) for _ in range(300)))

    assert {response.status_code for response in asyncio.run(main())} == {200}
    assert (server.sent, server.in_flight) == (300, 0)
    assert 1 < server.peak <= server.connections <= 60


def test_nonsense_from_a_client_harms_nobody(server, client):
    """A broken request, a half one, and one that is cut off in its body."""
    for data in (b"\x00\xff\r\n\r\n", b"GET / HT", b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nabc"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""
    assert client.get(server.url).status_code == 200


def test_it_stops_at_once_even_if_it_hangs(client):
    """With a request under way; twice is once, and nothing listens any more."""
    server = LocalServer()
    server.start()
    server.hangs()
    errors = []

    def ask():
        try:
            client.get(server.url)
        except httpx.TransportError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not server.requests:
        time.sleep(0.001)
    started = time.monotonic()
    server.stop()
    server.stop()
    thread.join(30)
    assert len(errors) == 1
    assert time.monotonic() - started < 10
    with pytest.raises(httpx.ConnectError):
        client.get(server.url)


def test_who_comes_in_the_moment_of_its_end_is_sent_away():
    """While the server's thread is held up, many knock and the server is told to stop: no connection stays open."""
    server, held, go_on = LocalServer(), threading.Event(), threading.Event()

    def holds_up(request, number, now):
        held.set()
        go_on.wait(30)
        return 200

    server.behaves(holds_up)
    server.start()
    with contextlib.ExitStack() as knocking:

        def knock():
            return knocking.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))

        knock().sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert held.wait(30)
        late = [knock() for _ in range(20)]
        ending = threading.Thread(target=server.stop)
        ending.start()
        ending.join(0.05)
        go_on.set()
        ending.join(30)
        for connection in late:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
    assert server.open_connections == 0
    gc.collect()  # what was left open would warn now


def test_it_can_be_started_again():
    """On the port that it had."""
    server = LocalServer()
    ports = []
    for _ in range(2):
        with server:
            ports.append(server.port)
            assert httpx.get(server.url, trust_env=False, timeout=30).status_code == 200
    assert ports[0] == ports[1]
    assert server.connections == 2


def test_a_server_that_cannot_start_says_why():
    """Its port is taken; no thread stays."""
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = LocalServer()
        server.port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match="did not start") as caught:
            server.start()
    assert isinstance(caught.value.__cause__, OSError)
    assert threading.active_count() == threads
