"""Real servers on the loopback interface, and clients of both colours and of every HTTP library in front of them.

A test that takes ``client_of`` runs with the library's own client too: what both do alike is proved, not assumed.
"""

import json
import socket
import ssl
from contextlib import closing, contextmanager, suppress

import pytest
import trustme

from resilient.testing import LocalServer, Reply

from .facade import Wire, families, family_of
from .servers.front import Front
from .servers.host import LOOPBACK
from .servers.http2 import Http2
from .servers.proxy import HttpProxy
from .servers.streams import Streams
from .servers.wayward import Wayward


@pytest.fixture(params=families())
def family(request):
    return family_of(request.param)


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """One that knows no proxy and no password."""
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def wire(colour, family, trust, environment):
    """One HTTP library in one colour."""
    with closing(Wire(colour, family, trust)) as made:
        yield made


@pytest.fixture
def blocking_wire(family, trust, environment):
    """For what only the blocking clients do."""
    with closing(Wire("blocking", family, trust)) as made:
        yield made


@pytest.fixture(params=["theirs", "ours"])
def client_of(request, wire):
    """Makes clients: the library's own, which is the reference, and ours."""

    return ClientOf(wire, request.param == "ours")


class ClientOf:
    """Makes clients of one side: the library's own, or ours."""

    def __init__(self, wire, ours):
        self.wire = wire
        self.http = wire.http
        self.ours = ours

    def __call__(self, **options):
        return self.wire.client(ours=self.ours, **options)


# --- servers -----------------------------------------------------------------------------------------------------


def echo(request, _number, _now):
    """What the origin received, as JSON."""
    said = {
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": request.body.decode("latin-1"),
    }
    return Reply(body=json.dumps(said).encode(), headers={"content-type": "application/json"})


@contextmanager
def echoing():
    with LocalServer() as server:
        yield server.behaves(echo)
        # A last visitor: whoever came before it has been let in, and can be shown out.
        with suppress(OSError), socket.create_connection((LOOPBACK, server.port), timeout=5) as visitor:
            visitor.shutdown(socket.SHUT_WR)
            visitor.recv(1)


@pytest.fixture
def origin():
    """HTTP/1.1 by a script; without one it says back what it received."""
    with echoing() as server:
        yield server


@pytest.fixture
def second():
    """Another origin."""
    with echoing() as server:
        yield server


@pytest.fixture
def wayward():
    """HTTP/1.1 with faults."""
    with Wayward() as server:
        yield server


@pytest.fixture
def streams():
    """Bodies piece by piece."""
    with Streams() as server:
        yield server


@pytest.fixture
def secure(origin, server_tls):
    """The origin behind TLS."""
    with Front(origin.port, tls=server_tls()) as server:
        yield server


@pytest.fixture
def http2(server_tls):
    """HTTP/2 over TLS."""
    with Http2(tls=server_tls("h2")) as server:
        yield server


@pytest.fixture
def proxy():
    """An HTTP proxy that asks for nothing."""
    with HttpProxy() as server:
        yield server


# --- certificates ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def authority():
    """The certificate authority of the tests."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority):
    """The servers' certificate."""
    return authority.issue_cert("localhost", "api.test", "127.0.0.1")


@pytest.fixture(scope="session")
def trust(authority):
    """A client's context that trusts the tests' authority and no other; made once, since it takes its time."""
    context = ssl.create_default_context(cafile=None, capath=None, cadata=authority.cert_pem.bytes().decode())
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.fixture
def server_tls(certificate):
    """Makes contexts for servers, which speak the given protocols."""

    def make(*protocols, client_authority=None):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        context.set_alpn_protocols(list(protocols) or ["http/1.1"])
        if client_authority is not None:
            client_authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    return make
