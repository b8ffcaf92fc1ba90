"""The other options of a client and of a request: each with the meaning that it has in the library."""

import pytest

from resilient import options as asked

# --- addresses and fields ----------------------------------------------------------------------------------------


def test_base_url(client_of, origin):
    """Paths are put behind it; a whole address is an address."""
    client = client_of(base_url=origin.url + "/v1")
    assert client.get("users").json()["target"] == "/v1/users"
    assert client.get("/users").json()["target"] == "/v1/users"
    assert client.get(origin.url + "/other").json()["target"] == "/other"
    assert str(client.client.base_url) == origin.url + "/v1/"


def test_params(client_of, origin):
    """Those of the client and those of the request, merged; those of the address are replaced."""
    client = client_of(params={"key": "1", "page": "1"})
    assert client.get(origin.url, params={"page": "2"}).json()["target"] == "/?key=1&page=2"
    assert client.get(origin.url, params=[("a", "1"), ("a", "2")]).json()["target"].endswith("a=1&a=2")
    assert client.get(origin.url + "?a=%2F+b", params={"c": "é"}).json()["target"].count("%C3%A9") == 1


def test_headers(client_of, origin):
    """Those of the client and those of the request; names that the library writes itself can be overridden."""
    client = client_of(headers={"x-a": "1", "user-agent": "mine"})
    headers = client.get(origin.url, headers={"x-a": "2", "accept": "text/plain"}).json()["headers"]
    assert (headers["x-a"], headers["user-agent"], headers["accept"]) == ("2", "mine", "text/plain")


def test_the_origin_sees_the_same_fields_from_both_clients(wire, origin):
    """Names, values and their order: nobody can tell us from the library by what we send."""
    seen = [client.post(origin.url, json={"a": 1}).json()["headers"] for client in (wire.client(), wire.theirs())]
    assert list(seen[0].items()) == list(seen[1].items())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_every_method(client_of, origin, method):
    """Those of the standard and others."""
    answer = client_of()(method, origin.url)
    assert (answer.status_code, origin.requests[0].method) == (200, method)
    assert bool(answer.content) is (method != "HEAD")


# --- answers -----------------------------------------------------------------------------------------------------


def test_default_encoding(client_of, origin):
    """Where the answer does not say: a name, or a function that is shown the bytes."""
    origin.answers(body="häß".encode("latin-1"), headers={"content-type": "text/plain"})
    assert client_of(default_encoding="latin-1").get(origin.url).text == "häß"
    assert client_of(default_encoding=lambda data: "latin-1").get(origin.url).text == "häß"
    assert client_of().get(origin.url).text == "h\ufffd\ufffd"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_content_codings(client_of, origin, coding):
    """Decoded whole and streamed; the raw bytes are there too."""
    text = b"resilient " * 1_000
    packed = PACK[coding](text)
    origin.answers(body=packed, headers={"content-encoding": coding})
    client = client_of()
    assert client.get(origin.url).content == text
    with client.stream("GET", origin.url) as answer:
        assert b"".join(answer.pieces()) == text
        assert answer.response.num_bytes_downloaded == len(packed)
    with client.stream("GET", origin.url) as answer:
        assert b"".join(answer.pieces("raw")) == packed


def _pack():
    import gzip
    import zlib

    import brotli
    import zstandard

    return {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }


PACK = _pack()


def test_what_an_answer_knows(client_of, origin):
    """Status, protocol, time, address, sizes and fields of the same name."""
    origin.answers(201, headers=[("x-a", "1"), ("x-a", "2")], body=b"made")
    answer = client_of().get(origin.url + "/x")
    assert (answer.status_code, answer.reason_phrase, answer.http_version) == (201, "Created", "HTTP/1.1")
    assert answer.elapsed.total_seconds() > 0
    assert (str(answer.url), answer.request.method) == (origin.url + "/x", "GET")
    assert answer.headers.get_list("x-a") == ["1", "2"]
    assert (answer.content, answer.num_bytes_downloaded) == (b"made", 4)
    assert answer.is_closed
    assert answer.is_stream_consumed
    assert answer.extensions["reason_phrase"] == b"Created"
    assert "network_stream" in answer.extensions


# --- hooks -------------------------------------------------------------------------------------------------------


def test_event_hooks(client_of, origin):
    """Called for the request and for the answer, and for each hop; what they change is sent."""
    origin.at("/old").answers(302, headers={"location": "/new"})
    seen = []

    def asking(request):
        seen.append(request.url.path)
        request.headers["x-hook"] = str(len(seen))

    def answered(response):
        seen.append(response.status_code)

    client = client_of(follow_redirects=True)
    hooks = {"request": [client.wire.hook(asking)], "response": [client.wire.hook(answered)]}
    client = client_of(follow_redirects=True, event_hooks=hooks)
    answer = client.get(origin.url + "/old")
    assert seen == ["/old", 302, "/new", 200]
    assert answer.json()["headers"]["x-hook"] == "3"


def test_a_hook_may_raise(client_of, origin):
    """``raise_for_status`` in a hook is how many people use it; the error comes through as it is."""
    origin.answers(404)
    hook = client_of().wire.hook(lambda response: response.raise_for_status())
    client = client_of(event_hooks={"response": [hook]})
    with pytest.raises(client.wire.http.HTTPStatusError) as caught:
        client.get(origin.url)
    assert caught.value.response.status_code == 404
    assert origin.sent == 1


def test_hooks_see_calls_and_not_attempts(wire, origin):
    """They stand outside of the pipeline: one request and one answer, however many were sent."""
    origin.answers(503, times=2)
    seen = []
    hooks = {"request": [wire.hook(seen.append)], "response": [wire.hook(seen.append)]}
    wire.client(event_hooks=hooks).get(origin.url)
    assert (len(seen), origin.sent) == (2, 3)
    assert seen[1].status_code == 200


# --- extensions and parts ----------------------------------------------------------------------------------------


def test_trace(client_of, origin):
    """Each step of the connection is told, in both colours of its own."""
    names = []
    client = client_of()
    client.get(origin.url, extensions={"trace": client.wire.hook(lambda name, info: names.append(name))})
    assert names[:2] == ["connection.connect_tcp.started", "connection.connect_tcp.complete"]
    assert names[-1] == "http11.response_closed.complete"
    assert "http11.receive_response_body.complete" in names


def test_trace_sees_every_attempt(wire, origin):
    """It stands inside of the pipeline."""
    origin.answers(503, times=2)
    names = []
    wire.client().get(origin.url, extensions={"trace": wire.hook(lambda name, info: names.append(name))})
    assert names.count("http11.send_request_headers.started") == 3


def test_other_extensions_reach_the_transport(client_of, wire, origin):
    """Ours beside those of others; the target as it is to be written is one that httpcore knows."""
    extensions = {"target": b"/as?written", **asked(deadline="5s")}
    assert client_of().get(origin.url, extensions=extensions).json()["target"] == "/as?written"


def test_build_request_and_send(client_of, origin):
    """In two steps, and the request can be looked at and changed in between; it may be sent again."""
    client = client_of(base_url=origin.url, headers={"x-a": "1"}, params={"p": "1"}, cookies={"c": "1"})
    request = client.build("POST", "/x", json={"b": 2})
    request.headers["x-late"] = "1"
    first, again = client.send(request), client.send(request)
    said = first.json()
    assert (said["target"], said["body"]) in {("/x?p=1", '{"b":2}'), ("/x?p=1", '{"b": 2}')}
    assert (said["headers"]["x-late"], said["headers"]["x-a"], said["headers"]["cookie"]) == ("1", "1", "c=1")
    assert again.json() == said
    assert first.request is request


def test_a_request_made_by_hand(client_of, origin):
    """Without the client's headers and params: it is sent as it is."""
    http = client_of.http
    answer = client_of(headers={"x-a": "1"}).send(http.Request("PUT", origin.url + "/x", content=b"body"))
    assert (answer.json()["method"], answer.json()["body"]) == ("PUT", "body")
    assert "x-a" not in answer.json()["headers"]


def test_a_request_of_a_client_knows_what_a_send_changed(client_of, origin):
    """Auth and hooks work on the request that the caller holds."""
    client = client_of(auth=("ann", "secret"))
    request = client.build("GET", origin.url)
    client.send(request)
    assert request.headers["authorization"].startswith("Basic ")


def test_properties_can_be_changed(client_of, origin):
    """A client is as its properties say, from the next request on."""
    client = client_of()
    made = client.client
    made.headers = {"x-a": "1"}
    made.base_url = origin.url
    made.params = {"p": "1"}
    made.cookies = {"c": "1"}
    made.auth = ("ann", "secret")
    made.timeout = 7.0
    made.event_hooks = {"request": [client.wire.hook(lambda request: request.headers.update({"x-hook": "1"}))]}
    said = client.get("/x").json()
    assert said["target"] == "/x?p=1"
    assert {"x-a": "1", "cookie": "c=1", "x-hook": "1"}.items() <= said["headers"].items()
    assert said["headers"]["authorization"].startswith("Basic ")
    assert (made.timeout.read, made.trust_env) == (7.0, True)


def test_a_closed_client_says_so(client_of, origin):
    """And it can be used as a context, once."""
    client = client_of()
    wire = client.wire
    if wire.blocking:
        with client.client:
            client.get(origin.url)
    else:
        wire.run(client.client.__aenter__())
        client.get(origin.url)
        wire.run(client.client.__aexit__(None, None, None))
    assert client.client.is_closed
    assert wire.wait_for(lambda: not origin.open_connections)
    with pytest.raises(RuntimeError, match="has been closed"):
        client.get(origin.url)


def test_is_what_it_says(wire):
    """Code that asks for the library's client is content with ours."""
    client = wire.client().client
    assert isinstance(client, wire.choose(wire.http.Client, wire.http.AsyncClient))
