"""Transports: one given, one for some addresses, one over a Unix socket."""

import socket
import tempfile
from pathlib import Path

import pytest

from .servers.front import Front
from .servers.http2 import Http2


def wrapped(wire, name):
    """A transport of the library's kind that marks what it sends."""
    kind = wire.choose(wire.http.HTTPTransport, wire.http.AsyncHTTPTransport)

    class Marking(kind):
        def handle_request(self, request):
            request.headers["x-by"] = name
            return super().handle_request(request)

        async def handle_async_request(self, request):
            request.headers["x-by"] = name
            return await super().handle_async_request(request)

    return Marking()


def by(answer):
    return answer.json()["headers"].get("x-by")


def test_a_transport_is_used(client_of, wire, origin):
    """Whatever it adds to the library's own."""
    assert by(client_of(transport=wrapped(wire, "mine")).get(origin.url)) == "mine"


def test_mounts_choose_by_address(client_of, wire, origin, second):
    """A port, a scheme, everything: the nearest pattern wins; None is the transport that all others take."""
    mounts = {
        f"http://127.0.0.1:{origin.port}": wrapped(wire, "first"),
        "http://": wrapped(wire, "rest"),
        f"http://127.0.0.1:{second.port}": None,
    }
    client = client_of(mounts=mounts, transport=wrapped(wire, "base"))
    assert by(client.get(origin.url)) == "first"
    assert by(client.get(second.url)) == "base"
    assert by(client.get(f"http://localhost:{origin.port}")) == "rest"


def test_mounts_come_after_redirects_too(client_of, wire, origin, second):
    """Each hop takes the way of its own address."""
    origin.at("/away").answers(302, headers={"location": second.url + "/here"})
    client = client_of(mounts={f"http://127.0.0.1:{second.port}": wrapped(wire, "second")}, follow_redirects=True)
    assert by(client.get(origin.url + "/away")) == "second"


def test_a_mount_goes_past_the_proxy(client_of, wire, proxy, origin):
    """It is nearer than the proxy for everything."""
    client = client_of(proxy=proxy.url, mounts={f"http://127.0.0.1:{origin.port}": wrapped(wire, "mine")})
    assert by(client.get(origin.url)) == "mine"
    assert proxy.accepted == 0


def test_policies_apply_to_mounts(wire, origin):
    """A retry over a mounted transport."""
    origin.answers(503, times=1)
    client = wire.client(mounts={"all://": wrapped(wire, "mine")})
    assert by(client.get(origin.url)) == "mine"
    assert origin.sent == 2


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_a_unix_socket(client_of, wire, origin):
    """The address is a name only."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own may be longer than the path of a socket can be
        path = str(Path(folder, "s"))
        with Front(origin.port, path=path) as front:
            client = client_of(transport=wire.transport(uds=path))
            assert client.get("http://api.test/x").json()["headers"]["host"] == "api.test"
            assert front.accepted == 1


def test_a_transport_with_a_local_address(client_of, wire, origin):
    """Options of the transport are the library's affair."""
    assert client_of(transport=wire.transport(local_address="127.0.0.1", retries=1)).get(origin.url).status_code == 200


def test_our_transport_in_a_client_of_the_librarys_own(wire, origin):
    """For people who own their client: each request is a call of its own."""
    door = wire.family.door
    kind = wire.choose(door.ResilientTransport, door.AsyncResilientTransport)
    origin.answers(503, times=2)
    client = wire.theirs(transport=kind(wire.transport()))
    answer = client.get(origin.url + "/x")
    assert (answer.json()["target"], origin.sent) == ("/x", 3)
    assert len(answer.extensions["resilient"].attempts) == 3


def test_cleartext_http2(client_of):
    """With prior knowledge: HTTP/1.1 off, HTTP/2 on, no TLS."""
    with Http2() as server:
        answer = client_of(http1=False, http2=True).get(server.url + "/x")
        assert (answer.http_version, answer.json()["path"]) == ("HTTP/2", "/x")


def test_closing_closes_the_mounted_transports(client_of, wire, origin):
    """All connections are closed at the server, those of mounts and the base transport."""
    client = client_of(mounts={"http://localhost": wrapped(wire, "mine")})
    client.get(origin.url)
    client.get(f"http://localhost:{origin.port}")
    assert origin.open_connections == 2
    wire.settled(client.client.close() if wire.blocking else client.client.aclose())
    assert wire.wait_for(lambda: not origin.open_connections)
    with pytest.raises(RuntimeError, match="client has been closed"):
        client.get(origin.url)
