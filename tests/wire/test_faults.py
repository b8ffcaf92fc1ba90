"""Origins that drip, drop, lie about length or never end: the right error, in time, and the connection is closed."""

import gc
import time

import pytest

import resilient
from resilient import Policy, Retry, options
from resilient.errors import DeadlineExceededError
from resilient.testing import Reply

from .servers.wayward import Mute

SANE = 30.0
"""Seconds within which anything here has to be over, however busy the machine is."""

SOON = options(deadline="350ms")
ONCE = Policy(retry=None)


@pytest.fixture(autouse=True)
def in_time():
    """Each of these tests ends, and not by its server."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SANE


def is_let_go(wire, server):
    """Whether the server sees every connection closed."""
    return wire.wait_for(lambda: not server.open)


# --- an end in time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["drips", "never-ends", "says-too-little", "says-nothing", "stops-in-its-headers"])
def test_the_deadline_ends_it(wire, wayward, way):
    """No piece is late for a read phase where it drips or never ends: only the whole is late."""
    client = wire.client(policies=ONCE)
    with pytest.raises(DeadlineExceededError) as caught:
        client.get(f"{wayward.url}/{way}", extensions=SOON)
    assert isinstance(caught.value, wire.http.TimeoutException)
    assert caught.value.timeout == pytest.approx(0.35)
    assert wayward.seen == [f"/{way}"]
    assert is_let_go(wire, wayward)
    assert client.get(wayward.url).content == b"ok"


@pytest.mark.parametrize("way", ["drips", "never-ends", "says-nothing"])
def test_the_attempt_timeout_ends_it_and_another_attempt_follows(wire, wayward, way):
    """Each attempt has a connection of its own, and all of them are closed."""
    client = wire.client(policies=Policy(attempt_timeout="250ms", retry=Retry(max_attempts=2)))
    with pytest.raises(resilient.AttemptTimeoutError):
        client.get(f"{wayward.url}/{way}")
    assert wayward.seen == [f"/{way}"] * 2
    assert is_let_go(wire, wayward)


def test_a_body_without_an_end_takes_no_more_than_it_had_time_for(wire, wayward):
    """The server stops when the client leaves."""
    with pytest.raises(DeadlineExceededError):
        wire.client(policies=ONCE).get(wayward.url + "/never-ends", extensions=SOON)
    assert is_let_go(wire, wayward)
    written = wayward.written
    wire.pause(0.1)
    assert wayward.written == written > 0


def test_an_origin_that_accepts_and_is_mute(wire):
    """It has our request and never answers."""
    with Mute() as server:
        with pytest.raises(DeadlineExceededError):
            wire.client(policies=ONCE).post(server.address("http"), content=b"x", extensions=SOON)
        assert server.accepted == 1
        assert is_let_go(wire, server)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_handshake_without_an_end(wire):
    """Nothing was sent yet, and the deadline counts all the same.

    A library whose handshake is cancelled leaves the socket to the garbage collector.
    """
    with Mute() as server:
        with pytest.raises(DeadlineExceededError):
            wire.client(policies=ONCE).get(server.address("https"), extensions=SOON)
        assert wire.wait_for(lambda: gc.collect() >= 0 and not server.open)


def test_a_head_without_an_end(client_of, wayward):
    """The library stops reading it at some size; an answer it is not."""
    client = client_of()
    with pytest.raises(client.wire.http.RemoteProtocolError):
        client.post(wayward.url + "/floods-its-headers")
    assert is_let_go(client.wire, wayward)


# --- broken answers ----------------------------------------------------------------------------------------------

BROKEN = {
    "drops": "RemoteProtocolError",
    "drops-a-chunk": "RemoteProtocolError",
    "resets": "ReadError",
    "hangs-up": "RemoteProtocolError",
    "talks-nonsense": "RemoteProtocolError",
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_answer_is_the_librarys_own_error(client_of, wayward, way):
    """Sent once, since a POST may have been heard."""
    client = client_of()
    with pytest.raises(getattr(client.wire.http, BROKEN[way])) as caught:
        client.post(f"{wayward.url}/{way}", content=b"x")
    assert str(caught.value.request.url) == f"{wayward.url}/{way}"
    assert wayward.seen == [f"/{way}"]
    assert is_let_go(client.wire, wayward)


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_answer_to_a_get_is_asked_for_again(wire, wayward, way):
    """Three times in all; half a body is no answer."""
    with pytest.raises(getattr(wire.http, BROKEN[way])) as caught:
        wire.client().get(f"{wayward.url}/{way}")
    assert wayward.seen == [f"/{way}"] * 3
    assert "3 attempts" in caught.value.__notes__[-1]
    assert is_let_go(wire, wayward)


def test_a_body_that_broke_comes_whole_the_second_time(wire, origin):
    """The caller sees one answer, and nothing of the first one's."""
    origin.replies(Reply(body=b"first" * 20, drop_after=50), times=1)
    origin.replies(Reply(body=b"second"))
    answer = wire.client().get(origin.url)
    assert (answer.content, origin.sent) == (b"second", 2)


@pytest.mark.parametrize("way", ["drops", "drops-a-chunk", "resets"])
def test_a_streamed_body_that_breaks_is_an_error_where_it_is_read(client_of, wayward, way):
    """What came before it can be read."""
    client = client_of()
    http = client.wire.http
    with client.stream("GET", f"{wayward.url}/{way}") as answer:
        pieces = answer.pieces()
        assert next(pieces)
        with pytest.raises(getattr(http, BROKEN[way])):
            list(pieces)
    assert wayward.seen == [f"/{way}"]
    assert is_let_go(client.wire, wayward)


def test_too_long_a_body_is_cut_where_it_said(client_of, wayward):
    """What follows is none of the answer."""
    client = client_of()
    assert client.get(wayward.url + "/says-too-much").content == b"ok"


def test_what_follows_a_body_does_not_spoil_the_next_answer(wire, wayward):
    """Nor is it an error: another attempt takes another connection."""
    client = wire.client()
    assert client.get(wayward.url + "/says-too-much").content == b"ok"
    assert client.get(wayward.url + "/").content == b"ok"
    assert wayward.accepted == 2


def test_too_short_a_body_is_a_timeout_of_the_read(client_of, wayward):
    """Where somebody gave one."""
    client = client_of(timeout=client_of.http.Timeout(20, read=0.2))
    with pytest.raises(client.wire.http.ReadTimeout):
        client.post(wayward.url + "/says-too-little")
    assert is_let_go(client.wire, wayward)


def test_nobody_there(client_of, origin):
    """A refused connection is the library's own error; ours tried three times, a POST too."""
    client = client_of()
    origin.goes_away()
    error = client.outcome("POST", origin.url, content=b"x")
    assert isinstance(error, client.wire.http.ConnectError)
    assert client_of.ours is bool(getattr(error, "__notes__", None))


def test_an_origin_that_comes_back(wire, origin):
    """A kept connection that the origin closed meanwhile is not the caller's trouble."""
    client = wire.client()
    client.get(origin.url)
    origin.goes_away()
    origin.returns()
    assert client.get(origin.url).status_code == 200
