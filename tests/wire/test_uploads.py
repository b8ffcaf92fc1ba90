"""Bodies on their way out: what may be sent again is sent again, byte for byte, and what may not is sent once."""

import hashlib
import io
import json
import tempfile

import pytest

from resilient import options

from .servers.wayward import Early


def bodies(origin):
    return [received.body for received in origin.requests]


KINDS = {
    "bytes": {"content": b"\x00\xffbody"},
    "text": {"content": "grüß"},
    "json": {"json": {"a": [1, None, "é"]}},
    "form": {"data": {"a": "1", "b": ["2", "3"]}},
    "multipart": {"data": {"a": "1"}, "files": {"f": ("f.txt", b"file", "text/plain")}},
    "files": {"files": [("f", ("1.txt", b"one")), ("f", ("2.txt", b"two"))]},
    "nothing": {},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_origin_receives_the_same(wire, origin, kind):
    """From our client and from the library's own: body and header fields."""
    boundary = {"headers": {"content-type": "multipart/form-data; boundary=xyz"}} if "files" in KINDS[kind] else {}
    said = [client.post(origin.url, **KINDS[kind], **boundary).json() for client in (wire.client(), wire.theirs())]
    assert said[0] == said[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_in_memory_is_sent_again(wire, origin, kind):
    """The same bytes each time, the boundary of a multipart body included."""
    origin.answers(503, times=2)
    answer = wire.client().put(origin.url, **KINDS[kind])
    assert answer.status_code == 200
    assert len(bodies(origin)) == 3
    assert len(set(bodies(origin))) == 1
    assert {received.headers.get("content-length") for received in origin.requests} == {str(len(bodies(origin)[0]))}


class Unseekable(io.BytesIO):
    """As a pipe or a socket is."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation("seek")

    def tell(self):
        raise io.UnsupportedOperation("tell")


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "file.bin"
    made.write_bytes(bytes(range(256)) * 1_000)
    return made


@pytest.mark.parametrize("way", ["file", "spooled", "memory"])
def test_files_in_multipart_are_rewound(wire, origin, path, way):
    """Large ones, which the library reads as it sends."""
    origin.answers(503, times=2)
    content = path.read_bytes()
    makes = {"file": lambda: path.open("rb"), "memory": io.BytesIO, "spooled": tempfile.SpooledTemporaryFile}
    with makes[way]() as file:
        if way != "file":
            file.write(content)
            file.seek(0)
        answer = wire.client().put(origin.url, files={"f": ("f.bin", file)}, data={"a": "1"})
    assert answer.status_code == 200
    assert len(bodies(origin)) == 3
    assert len(set(bodies(origin))) == 1
    assert content in bodies(origin)[0]


def test_a_multipart_file_that_cannot_be_rewound_is_sent_once(wire, origin):
    """The failure is the answer."""
    origin.answers(503, times=1)
    answer = wire.client().put(origin.url, files={"f": ("f.bin", Unseekable(b"file"))})
    assert (answer.status_code, origin.sent) == (503, 1)
    assert b"file" in bodies(origin)[0]


def test_a_file_as_a_body_is_rewound(blocking_wire, origin, path):
    """The blocking client takes a file as it is."""
    origin.answers(503, times=2)
    with path.open("rb") as file:
        answer = blocking_wire.client().put(origin.url, content=file)
    assert answer.status_code == 200
    assert bodies(origin) == [path.read_bytes()] * 3


@pytest.mark.parametrize("failure", [{"status": 503}, {"error": "read"}])
def test_a_generator_is_sent_once(wire, origin, failure):
    """Nothing is left of it to send: the failure is what the caller gets."""
    origin.fails(times=1, **failure)
    outcome = wire.client().outcome("PUT", origin.url, content=wire.one_shot([b"a", b"b"]))
    assert bodies(origin) == [b"ab"]
    if "status" in failure:
        assert outcome.status_code == 503
    else:
        assert isinstance(outcome, wire.http.ReadError)
    assert origin.requests[0].headers["transfer-encoding"] == "chunked"


def test_a_generator_that_fails_is_the_callers_affair(client_of, origin):
    """Its error comes through as it is, and nothing is tried again."""

    def pieces():
        yield b"a"
        raise LookupError("no more")

    client = client_of()
    with pytest.raises(LookupError, match="no more"):
        client.put(origin.url, content=client.wire.one_shot(pieces()))
    assert client.wire.wait_for(lambda: not origin.open_connections)
    assert client.get(origin.url).status_code == 200


def test_a_body_of_the_wrong_colour_is_an_error(client_of, origin):
    """As in the library, and of its type."""
    client = client_of()
    wire = client.wire

    async def tasks():
        yield b"a"

    body = tasks() if wire.blocking else iter([b"a"])
    with pytest.raises(RuntimeError, match="Attempted to send"):
        client.put(origin.url, content=body)
    assert origin.sent == 0


def test_a_post_is_sent_once(wire, origin):
    """Unless the caller says that twice does no harm."""
    origin.answers(503)
    client = wire.client()
    assert client.post(origin.url, json={"a": 1}).status_code == 503
    assert origin.sent == 1
    client.post(origin.url, json={"a": 1}, extensions=options(idempotent=True))
    assert [json.loads(body) for body in bodies(origin)] == [{"a": 1}] * 4


def test_a_key_makes_a_post_safe(wire, origin):
    """The same key in each attempt."""
    origin.answers(503, times=2)
    wire.client().post(origin.url, content=b"x", extensions=options(idempotency_key=True))
    keys = {received.headers["idempotency-key"] for received in origin.requests}
    assert (origin.sent, len(keys)) == (3, 1)


def test_a_custom_stream_class_is_sent_once(wire, origin):
    """Nobody knows whether it can be read twice."""
    base = wire.choose(wire.http.SyncByteStream, wire.http.AsyncByteStream)

    class Stream(base):
        def __iter__(self):
            yield b"ab"

        async def __aiter__(self):
            yield b"ab"

    origin.answers(503, times=1)
    request = wire.http.Request("PUT", origin.url, stream=Stream(), headers={"host": "api.test", "content-length": "2"})
    assert wire.client().send(request).status_code == 503
    assert bodies(origin) == [b"ab"]


def test_a_large_body_is_received_whole(client_of, streams):
    """Twenty megabytes in one piece."""
    body = bytes(range(250)) * 80_000
    assert client_of().post(streams.url, content=body).status_code == 200
    assert streams.received == len(body)
    assert streams.digest == hashlib.sha256(body).hexdigest()


def test_a_refusal_before_the_whole_body_is_read(client_of, wire):
    """An origin that answers early, 413 say, and closes: the answer is the answer, or the connection broke."""
    with Early() as server:
        outcome = client_of().outcome("POST", server.url, content=bytes(50_000_000))
        if isinstance(outcome, Exception):
            assert isinstance(outcome, wire.http.TransportError)
        else:
            assert outcome.status_code == 413
        assert server.accepted == 1
