"""Mocks of other people below our clients: they work as their users expect, and policies apply in front of them."""

import httpx
import pytest
import respx

from resilient import Policy, ResponseCache

from .facade import families

URL = "https://api.test/users"


def core_of(wire):
    """What respx mocks: the layer below the library."""
    return {"httpx": "httpcore", "httpx2": "httpcore2"}[wire.family.name]


# --- respx -------------------------------------------------------------------------------------------------------


@pytest.fixture
def router(wire):
    with respx.mock(using=core_of(wire), assert_all_called=False) as made:
        yield made


def test_respx(client_of, router):
    """Routes, answers, and a look at what was asked."""
    route = router.get(URL, params={"page": "1"}).respond(200, json=[{"name": "ann"}], headers={"x-a": "1"})
    answer = client_of().get(URL, params={"page": "1"})
    assert (answer.json(), answer.headers["x-a"], answer.status_code) == ([{"name": "ann"}], "1", 200)
    assert (route.called, route.call_count) == (True, 1)
    assert route.calls.last.request.url.params["page"] == "1"


def test_respx_and_what_it_does_not_know(client_of, router):
    """Its own complaint comes through, once."""
    with pytest.raises(respx.models.AllMockedAssertionError):
        client_of().get(URL)


def test_retries_over_respx(wire, router):
    """Answers one after the other, and errors of the library among them."""
    route = router.get(URL)
    route.side_effect = [httpx.Response(503), wire.http.ConnectError("refused"), httpx.Response(200, text="ok")]
    answer = wire.client().get(URL)
    assert (answer.text, route.call_count) == ("ok", 3)


def test_streams_over_respx(client_of, router):
    """A mocked body is read piece by piece, or whole."""
    router.get(URL).respond(200, content=b"one\ntwo\n")
    with client_of().stream("GET", URL) as answer:
        assert list(answer.pieces("lines")) == ["one", "two"]


def test_a_cache_over_respx(wire, router):
    """Once the origin is down, its last good answer is ours."""
    route = router.get(URL)
    route.side_effect = [httpx.Response(200, text="ok"), *[httpx.Response(500)] * 3]
    client = wire.client(policies=Policy(cache=ResponseCache.failover(ttl="1h"), retry=None))
    assert [client.get(URL).text for _ in range(3)] == ["ok"] * 3
    assert route.call_count == 3


# --- pytest-httpx ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["httpx"], indirect=True)
def test_pytest_httpx(client_of, httpx_mock):
    """Answers, callbacks and a look at what was asked."""
    httpx_mock.add_response(url=URL, method="POST", json={"id": 1}, status_code=201, match_json={"name": "ann"})
    answer = client_of().post(URL, json={"name": "ann"})
    assert (answer.status_code, answer.json(), answer.http_version) == (201, {"id": 1}, "HTTP/1.1")
    assert [request.method for request in httpx_mock.get_requests()] == ["POST"]


@pytest.mark.parametrize("family", ["httpx"], indirect=True)
def test_retries_over_pytest_httpx(wire, httpx_mock):
    """Each answer of the mock is for one attempt."""
    httpx_mock.add_response(url=URL, status_code=503)
    httpx_mock.add_exception(httpx.ReadTimeout("late"))
    httpx_mock.add_response(url=URL, text="ok")
    assert wire.client().get(URL).text == "ok"
    assert len(httpx_mock.get_requests()) == 3


@pytest.mark.parametrize("family", ["httpx"], indirect=True)
def test_packed_answers_of_a_mock(client_of, httpx_mock):
    """Read at their birth, and decoded once."""
    httpx_mock.add_response(url=URL, html="<b>hi</b>")
    assert client_of().get(URL).text == "<b>hi</b>"
    httpx_mock.add_response(url=URL, stream=client_of().wire.choose(Blocking, Tasks)([b"part 1, ", b"part 2"]))
    with client_of().stream("GET", URL) as answer:
        assert b"".join(answer.pieces()) == b"part 1, part 2"


class Blocking(httpx.SyncByteStream):
    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        yield from self.pieces


class Tasks(httpx.AsyncByteStream):
    def __init__(self, pieces):
        self.pieces = pieces

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece


def test_a_client_that_outlives_its_mock(client_of, origin, monkeypatch):
    """Made once for many tests: it asks whoever answers now, the network, a mock, the network again."""
    client = client_of()
    http, wire = client.wire.http, client.wire
    kind = wire.choose(http.HTTPTransport, http.AsyncHTTPTransport)
    name = wire.choose("handle_request", "handle_async_request")

    def mocked(text):
        def handle(self, request):
            return http.Response(200, text=text)

        async def handle_async(self, request):
            return http.Response(200, text=text)

        return wire.choose(handle, handle_async)

    assert client.get(origin.url).json()["method"] == "GET"
    for text in ("one", "two"):
        with monkeypatch.context() as mock:
            mock.setattr(kind, name, mocked(text))
            assert client.get(origin.url).text == text
    assert client.get(origin.url).json()["method"] == "GET"


# --- pytest-httpx2 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [name for name in families() if name == "httpx2"], indirect=True)
def test_pytest_httpx2(client_of, httpx2_mock):
    """Its fixture is a router of respx."""
    httpx2_mock.get(URL).mock(side_effect=[httpx.Response(503), httpx.Response(200, text="ok")])
    client = client_of()
    if not client_of.ours:
        assert client.get(URL).status_code == 503
    assert client.get(URL).text == "ok"


# --- the libraries' own ------------------------------------------------------------------------------------------


def test_mock_transport(client_of, wire):
    """A function, in either colour; an error that it raises is an error of the connection."""
    http = wire.http
    seen = []

    def handler(request):
        seen.append(request)
        if len(seen) < 3:
            raise http.ReadError("reset", request=request)
        return http.Response(200, json={"path": request.url.path})

    client = client_of(transport=http.MockTransport(wire.hook(handler)))
    if not client_of.ours:
        for _ in range(2):
            with pytest.raises(http.ReadError):
                client.get(URL)
    assert client.get(URL).json() == {"path": "/users"}
    assert len(seen) == 3


def test_an_application_as_a_transport(client_of, wire):
    """WSGI for the blocking client, ASGI for the other."""

    def wsgi(environ, start_response):
        start_response("200 OK", [("content-type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    async def asgi(scope, receive, send):
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    http = wire.http
    transport = http.WSGITransport(wsgi) if wire.blocking else http.ASGITransport(asgi)
    client = client_of(transport=transport)
    assert client.get(URL).text == "/users"
    with client.stream("GET", URL) as answer:
        assert b"".join(answer.pieces()) == b"/users"
