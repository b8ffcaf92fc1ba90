"""HTTP/2: chosen by the handshake, streams side by side, and streams that the server refuses."""

import ssl

import pytest

import resilient


@pytest.fixture
def trusting(authority):
    """A context whose protocols the library chooses."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize(
    ("options", "spoken"),
    [({}, "HTTP/1.1"), ({"http2": True}, "HTTP/2"), ({"http1": False, "http2": True}, "HTTP/2")],
)
def test_the_protocol_is_chosen_by_both_sides(client_of, trusting, secure, http2, options, spoken):
    """The answer says which; a client that does not ask for HTTP/2 speaks HTTP/1.1."""
    client = client_of(verify=trusting, **options)
    server = http2 if spoken == "HTTP/2" else secure
    answer = client.get(server.url + "/x")
    assert (answer.http_version, answer.status_code) == (spoken, 200)
    assert answer.extensions["http_version"] == spoken.encode()


def test_a_server_without_http2_is_spoken_to_in_http1(client_of, trusting, secure):
    """Whatever the client would rather have."""
    assert client_of(verify=trusting, http2=True).get(secure.url).http_version == "HTTP/1.1"


def test_requests_share_a_connection(client_of, trusting, http2):
    """Side by side, each with an answer of its own; threads that write at once can break the library's connection."""
    http2.delay = 0.2
    client = client_of(verify=trusting, http2=True)
    client.get(http2.url)
    calls = [lambda path=path: client.client.get(f"{http2.url}/{path}") for path in range(8)]
    answers = client.wire.at_once(*calls)
    for path, answer in enumerate(answers):
        if client_of.ours or not isinstance(answer, client_of.http.RemoteProtocolError):
            assert answer.json()["path"] == f"/{path}"
    assert http2.accepted == 1 or client.wire.blocking
    assert http2.side_by_side >= 4


def test_a_body_over_http2(client_of, trusting, http2):
    """Larger than a window, so that it goes in turns."""
    body = b"0123456789" * 20_000
    answer = client_of(verify=trusting, http2=True).post(http2.url, content=body)
    assert answer.json()["size"] == len(body)
    assert http2.seen == [("POST", "/", body)]


def test_refused_streams_are_sent_again(wire, trusting, http2):
    """A POST too: the server says that it has not looked at them."""
    http2.refusals = 2
    client = wire.client(verify=trusting, http2=True)
    answer = client.post(http2.url + "/orders", content=b"order")
    assert (answer.status_code, answer.json()["size"]) == (200, 5)
    assert http2.seen == [("POST", "/orders", b"order")] * 3
    assert len(answer.extensions["resilient"].attempts) == 3


def test_a_stream_that_is_always_refused_is_an_error_in_the_end(wire, trusting, http2):
    """The library's own, after three attempts."""
    http2.refusals = None
    client = wire.client(verify=trusting, http2=True)
    with pytest.raises(wire.http.RemoteProtocolError) as caught:
        client.post(http2.url, content=b"x")
    assert len(http2.seen) == 3
    assert "3 attempts" in caught.value.__notes__[-1]


def test_the_librarys_own_client_does_not_send_it_again(wire, trusting, http2):
    """What the test above is worth."""
    http2.refusals = 1
    with pytest.raises(wire.http.RemoteProtocolError):
        wire.theirs(verify=trusting, http2=True).post(http2.url, content=b"x")


def test_a_one_shot_body_is_not_sent_again(wire, trusting, http2):
    """There is nothing left of it to send."""
    http2.refusals = 1
    client = wire.client(verify=trusting, http2=True)
    with pytest.raises(wire.http.RemoteProtocolError):
        client.post(http2.url, content=wire.one_shot([b"a", b"b"]))
    assert len(http2.seen) == 1


def test_a_server_that_goes_away_is_found_again(client_of, trusting, http2):
    """GOAWAY after every second answer: the next request takes a new connection."""
    http2.departures = 2
    client = client_of(verify=trusting, http2=True)
    answers = [client.get(f"{http2.url}/{path}") for path in range(6)]
    assert [answer.json()["path"] for answer in answers] == [f"/{path}" for path in range(6)]
    assert http2.accepted == 3


def test_a_stream_ends_at_the_deadline(wire, trusting, http2):
    """And its connection serves others afterwards."""
    http2.delay = 5.0
    client = wire.client(verify=trusting, http2=True)
    with pytest.raises(resilient.DeadlineExceededError):
        client.get(http2.url + "/late", extensions=resilient.options(deadline="300ms"))
    http2.delay = 0.0
    assert client.get(http2.url + "/next").json()["path"] == "/next"
