"""Server-sent events and other protocols to switch to: connections that live longer than an answer."""

import pytest

import resilient
from resilient import Policy

from .servers.websocket import Switching

# --- server-sent events ------------------------------------------------------------------------------------------


def test_events_are_read_one_by_one(client_of, streams):
    """Each before the next one is sent."""
    with client_of().stream("GET", streams.url + "/events") as answer:
        lines = answer.pieces("lines")
        for number in range(3):
            streams.tell(f"id: {number}\ndata: event {number}\n\n".encode())
            assert [next(lines) for _ in range(3)] == [f"id: {number}", f"data: event {number}", ""]
        streams.tell(None)
        assert list(lines) == []


def test_a_stream_of_events_is_let_go_of(client_of, wire, streams):
    """By a reader who has heard enough."""
    with client_of().stream("GET", streams.url + "/events") as answer:
        streams.tell(b"data: 1\n\n")
        next(answer.pieces("lines"))
    assert wire.wait_for(lambda: not streams.open)


def test_events_outlast_the_policys_times(wire, streams):
    """Deadline and attempt timeout are for the headers; what follows has the read phase alone."""
    client = wire.client(policies=Policy(deadline="600ms", attempt_timeout="500ms"), timeout=20)
    with client.stream("GET", streams.url + "/events", timeout=20) as answer:
        lines = answer.pieces("lines")
        for _ in range(3):
            wire.pause(0.25)
            streams.tell(b"data: 1\n\n")
            assert [next(lines), next(lines)] == ["data: 1", ""]


# --- other protocols ---------------------------------------------------------------------------------------------


def test_another_protocol(client_of, wire):
    """After a 101 the connection itself is the caller's, and stays with the caller until the answer is closed."""
    with Switching() as server:
        headers = {"connection": "upgrade", "upgrade": "shout"}
        with client_of().stream("GET", server.url, headers=headers) as answer:
            assert answer.response.status_code == 101
            stream = answer.response.extensions["network_stream"]
            for word in (b"one\n", b"two\n"):
                wire.settled(stream.write(word))
                assert wire.settled(stream.read(100)) == word.upper()
        assert wire.wait_for(lambda: not server.open)


def test_a_tunnel(client_of, wire, proxy, origin):
    """``CONNECT`` by hand: the connection goes to where the tunnel leads."""
    request = client_of().build("CONNECT", proxy.url, extensions={"target": f"127.0.0.1:{origin.port}".encode()})
    client = client_of()
    answer = client.send(request, stream=True)
    assert answer.status_code == 200
    stream = answer.extensions["network_stream"]
    wire.settled(stream.write(b"GET /through HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n"))
    assert wire.settled(stream.read(1_000)).startswith(b"HTTP/1.1 200 OK")
    wire.settled(answer.close() if wire.blocking else answer.aclose())
    assert origin.requests[0].path == "/through"


def test_an_open_circuit_refuses_a_handshake_at_once(wire):
    """Nothing is sent."""
    with Switching() as server:
        client = wire.client()
        client.client.circuit(server.url).isolate()
        with pytest.raises(resilient.CircuitOpenError), client.stream("GET", server.url):
            pass
        assert server.accepted == 0
