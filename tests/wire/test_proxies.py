"""Proxies, given or from the environment: forwarding, tunnels and SOCKS, and who goes past them."""

import contextlib
import gc

import pytest

from resilient.outcome import Failure

from .servers.front import Front
from .servers.proxy import HttpProxy, SocksProxy


@pytest.fixture
def start():
    """Starts a server for the rest of the test."""
    with contextlib.ExitStack() as servers:
        yield servers.enter_context


# --- HTTP --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "URL", "Proxy"])
def test_a_proxy_forwards_requests(client_of, wire, proxy, origin, form):
    """It is told the whole address, and the origin sees where the request came from."""
    made = {"text": str, "URL": wire.http.URL, "Proxy": wire.http.Proxy}[form](proxy.url)
    answer = client_of(proxy=made).post(origin.url + "/x?a=1", content=b"body")
    assert (answer.json()["target"], answer.json()["body"]) == ("/x?a=1", "body")
    assert answer.json()["headers"]["via"] == "1.1 test"
    assert [seen[:2] for seen in proxy.seen] == [("POST", origin.url + "/x?a=1")]


def test_a_proxy_opens_tunnels(client_of, proxy, secure):
    """What goes through TLS is none of its business; its certificate is the origin's."""
    answer = client_of(proxy=proxy.url).get(secure.url + "/x", headers={"x-secret": "1"})
    assert answer.json()["headers"]["x-secret"] == "1"
    assert [seen[:2] for seen in proxy.seen] == [("CONNECT", f"localhost:{secure.port}")]
    assert "x-secret" not in proxy.seen[0][2]
    assert secure.handshakes == ["localhost"]


@pytest.mark.parametrize("way", ["in the address", "beside it"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_is_told_who_asks(client_of, wire, start, origin, secure, tls, way):
    """And the origin is not."""
    proxy = start(HttpProxy("ann:secret"))
    if way == "in the address":
        given = f"http://ann:secret@127.0.0.1:{proxy.port}"
    else:
        given = wire.http.Proxy(proxy.url, auth=("ann", "secret"))
    answer = client_of(proxy=given).get(secure.url if tls else origin.url)
    assert answer.status_code == 200
    assert "proxy-authorization" not in answer.json()["headers"]
    assert "proxy-authorization" in proxy.seen[0][2]


def test_a_proxy_may_want_header_fields(client_of, wire, proxy, secure):
    """They are for the proxy alone."""
    given = wire.http.Proxy(proxy.url, headers={"x-team": "blue"})
    assert "x-team" not in client_of(proxy=given).get(secure.url).json()["headers"]
    assert proxy.seen[0][2]["x-team"] == "blue"


def test_a_stranger_is_turned_away(client_of, wire, start, origin, secure):
    """By an answer of 407 where it forwards, by the library's own error where it opens tunnels."""
    proxy = start(HttpProxy("ann:secret"))
    client = client_of(proxy=proxy.url)
    assert client.get(origin.url).status_code == 407
    with pytest.raises(wire.http.ProxyError, match="407"):
        client.get(secure.url)
    assert origin.sent == 0


def test_a_proxy_behind_tls(client_of, start, proxy, origin, server_tls):
    """The way to the proxy is secret too; the private authority vouches for it."""
    front = start(Front(proxy.port, tls=server_tls()))
    client = client_of()
    with contextlib.suppress(TypeError):
        given = client.wire.http.Proxy(front.url, ssl_context=client.wire.trust)
        assert client_of(proxy=given).get(origin.url + "/x").json()["target"] == "/x"
        assert front.handshakes == ["localhost"]
        assert [seen[0] for seen in proxy.seen] == ["GET"]


def test_a_proxy_that_is_gone_is_tried_again(wire, proxy, origin):
    """No connection, nothing sent: any method, a POST too, and the answer comes as soon as it can be had."""
    proxy.__exit__()
    client = wire.client(proxy=proxy.url)
    error = client.outcome("POST", origin.url, content=b"x")
    assert isinstance(error, wire.http.ConnectError)
    assert "3 attempts" in error.__notes__[-1]


# --- SOCKS -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("user", [None, "ann:secret"])
def test_socks(client_of, start, origin, scheme, user):
    """Version 5, with and without a password."""
    proxy = start(SocksProxy(user))
    given = f"{scheme}://{user + '@' if user else ''}127.0.0.1:{proxy.port}"
    assert client_of(proxy=given).get(origin.url + "/x").json()["target"] == "/x"
    assert proxy.seen == [("127.0.0.1", origin.port)]


def test_tls_through_socks(client_of, start, secure):
    """The proxy is told the name, which is looked up over there."""
    proxy = start(SocksProxy())
    assert client_of(proxy=proxy.address("socks5")).get(secure.url).status_code == 200
    assert proxy.seen == [("localhost", secure.port)]
    assert secure.handshakes == ["localhost"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stranger_to_socks_is_turned_away(client_of, wire, start, origin):
    """By the library's own error; it leaves the socket to the garbage collector."""
    proxy = start(SocksProxy("ann:secret"))
    with pytest.raises(wire.http.ProxyError):
        client_of(proxy=f"socks5://bob:guess@127.0.0.1:{proxy.port}").get(origin.url)
    gc.collect()
    assert origin.sent == 0


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_credentials_that_a_proxy_refuses_are_not_tried_again(wire, start, secure, scheme):
    """The next would be refused too, and the origin is not to blame; to SOCKS, the library leaves the socket open."""
    proxy = start({"http": HttpProxy, "socks5": SocksProxy}[scheme]("ann:secret"))
    client = wire.client(proxy=f"{scheme}://ann:guess@127.0.0.1:{proxy.port}")
    error = client.outcome("GET", secure.url)
    assert isinstance(error, wire.http.ProxyError)
    assert [one.failure for one in error.journey.attempts] == [Failure.PROXY]
    assert proxy.accepted == 1
    assert client.client.state()[f"* {secure.url}"]["circuit"]["failures"] == 0
    del error
    gc.collect()


# --- the environment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_environment_names_a_proxy(client_of, monkeypatch, proxy, origin, name):
    """In either spelling."""
    monkeypatch.setenv(name, proxy.url)
    assert client_of().get(origin.url).json()["headers"]["via"] == "1.1 test"


def test_the_environment_names_a_proxy_for_each_scheme(client_of, monkeypatch, start, proxy, origin, secure):
    """One forwards, the other opens tunnels."""
    tunnels = start(HttpProxy())
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("HTTPS_PROXY", tunnels.url)
    client = client_of()
    assert [client.get(url).status_code for url in (origin.url, secure.url)] == [200, 200]
    assert [seen[0] for seen in proxy.seen] == ["GET"]
    assert [seen[0] for seen in tunnels.seen] == ["CONNECT"]


def test_the_environment_names_a_socks_proxy(client_of, monkeypatch, start, origin):
    """``ALL_PROXY`` is where people put it."""
    proxy = start(SocksProxy())
    monkeypatch.setenv("ALL_PROXY", proxy.address("socks5"))
    assert client_of().get(origin.url).status_code == 200
    assert proxy.seen == [("127.0.0.1", origin.port)]


@pytest.mark.parametrize("spared", ["127.0.0.1", "*", "example.org, 127.0.0.1", "http://127.0.0.1"])
def test_some_hosts_are_spared(client_of, monkeypatch, proxy, origin, spared):
    """``NO_PROXY`` names them."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", spared)
    assert "via" not in client_of().get(origin.url).json()["headers"]
    assert proxy.accepted == 0


def test_the_environment_may_be_left_out(client_of, monkeypatch, proxy, origin):
    """``trust_env=False`` asks it nothing."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert "via" not in client_of(trust_env=False).get(origin.url).json()["headers"]


def test_what_is_given_comes_before_the_environment(client_of, monkeypatch, start, proxy, origin):
    """A proxy as an argument is the one that is asked."""
    other = start(HttpProxy())
    monkeypatch.setenv("HTTP_PROXY", other.url)
    client_of(proxy=proxy.url).get(origin.url)
    assert (len(proxy.seen), other.accepted) == (1, 0)


# --- policies ----------------------------------------------------------------------------------------------------


def test_policies_know_the_origin_and_not_the_proxy(wire, proxy, origin, second):
    """What one origin does wrong is not held against another behind the same proxy."""
    origin.answers(500)
    client = wire.client(proxy=proxy.url)
    for _ in range(10):
        client("POST", origin.url)
    assert client.client.circuit(origin.url).state == "open"
    assert client.get(second.url).status_code == 200
    assert client.client.circuit(second.url).state == "closed"


def test_retries_go_through_the_proxy(wire, proxy, origin):
    """Each attempt the same way."""
    origin.answers(503, times=2)
    assert wire.client(proxy=proxy.url).get(origin.url).json()["headers"]["via"] == "1.1 test"
    assert len(proxy.seen) == 3
