"""Bodies that flow: piece by piece, in both directions, in little memory, and let go of when nobody reads on."""

import asyncio
import hashlib
import threading
import tracemalloc

import pytest
from tenacity import wait_fixed

import resilient
from resilient import Policy

MIB = 1 << 20
PIECE = 64 * 1024
LARGE = 100 * 1_000_000


@pytest.fixture
def memory():
    """Looks at the most memory that Python objects took since it was asked to start."""

    class Memory:
        def start(self):
            tracemalloc.start()
            tracemalloc.reset_peak()
            self.before = tracemalloc.get_traced_memory()[0]

        @property
        def grown(self):
            return tracemalloc.get_traced_memory()[1] - self.before

    yield Memory()
    tracemalloc.stop()


# --- large bodies ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_large_download_takes_little_memory(wire, streams, memory):
    """A hundred megabytes, read by and by; the server's pieces are counted in."""
    client = wire.client()
    memory.start()
    size = 0
    with client.stream("GET", f"{streams.url}/{LARGE}") as answer:
        for piece in answer.pieces():
            size += len(piece)
    assert size == LARGE
    assert memory.grown < 4 * MIB
    assert client.get(f"{streams.url}/10").content == bytes(10)
    assert streams.accepted == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["generator", "file"])
def test_a_large_upload_takes_little_memory(wire, streams, memory, tmp_path, kind):
    """A hundred megabytes from a generator, or from a file in a multipart body; what arrives is what was sent."""
    client = wire.client()
    piece = bytes(range(256)) * (PIECE // 256)
    count = LARGE // PIECE
    if kind == "file":
        path = tmp_path / "large"
        with path.open("wb") as file:
            for _ in range(count):
                file.write(piece)
        with path.open("rb") as file:
            memory.start()
            assert client.post(streams.url, files={"f": file}).status_code == 200
        assert 0 < streams.received - count * PIECE < 1_000
    else:
        memory.start()
        assert client.post(streams.url, content=wire.one_shot(piece for _ in range(count))).status_code == 200
        digest = hashlib.sha256()
        for _ in range(count):
            digest.update(piece)
        assert streams.digest == digest.hexdigest()
    assert memory.grown < 4 * MIB


# --- piece by piece ----------------------------------------------------------------------------------------------


def test_the_first_piece_arrives_before_the_second_is_sent(client_of, streams):
    """The server sends one when the one before it was read."""
    with client_of().stream("GET", streams.url + "/events") as answer:
        pieces = answer.pieces()
        for piece in (b"one", b"two", b"three"):
            streams.tell(piece)
            assert next(pieces) == piece
        streams.tell(None)
        assert list(pieces) == []


def test_the_first_piece_leaves_before_the_second_is_made(client_of, streams):
    """The generator goes on when the server has what came before."""
    client = client_of()
    arrived = []

    def pieces():
        for number in (1, 2, 3):
            yield b"." * 1_000
            arrived.append(streams.received)
            assert streams.has_received(1_000 * number - 1_000)

    async def in_tasks():
        for number in (1, 2, 3):
            yield b"." * 1_000
            arrived.append(await asyncio.to_thread(streams.has_received, 1_000 * number))

    content = pieces() if client.wire.blocking else in_tasks()
    assert client.post(streams.url, content=content).status_code == 200
    assert streams.received == 3_000


def test_the_headers_come_before_the_body(client_of, streams):
    """And are all that a streamed call waits for."""
    with client_of().stream("GET", streams.url + "/events") as answer:
        assert answer.response.headers["content-type"] == "text/event-stream"
        assert not answer.response.is_closed
        streams.tell(None)
        assert answer.read() == b""


@pytest.mark.parametrize("way", ["bytes", "raw", "text", "lines"])
def test_every_way_to_read(client_of, streams, way):
    """Bytes, as they came, as text, by lines; whole lines even where the pieces cut them."""
    expected = {"lines": ["one", "two", "three"]}.get(way)
    with client_of().stream("GET", streams.url + "/events") as answer:
        for piece in (b"on", b"e\ntwo\nth", b"ree\n"):
            streams.tell(piece)
        streams.tell(None)
        found = list(answer.pieces(way))
    joined = b"".join(found).decode() if way in {"bytes", "raw"} else "".join(found)
    assert found == expected if expected else joined == "one\ntwo\nthree\n"


def test_pieces_of_a_given_size(client_of, streams):
    """All of it, the last one included."""
    with client_of().stream("GET", f"{streams.url}/100000") as answer:
        sizes = [len(piece) for piece in answer.pieces("bytes", 30_000)]
    assert sizes == [30_000, 30_000, 30_000, 10_000]


def test_what_is_not_read_is_let_go_of(client_of, wire, streams):
    """A caller who leaves early takes no connection along; the next request is answered."""
    client = client_of(limits=client_of.http.Limits(max_connections=1), timeout=10.0)
    for _ in range(3):
        with client.stream("GET", f"{streams.url}/{50 * MIB}") as answer:
            next(answer.pieces("raw"))
    assert client.get(f"{streams.url}/10").content == bytes(10)
    assert wire.wait_for(lambda: streams.open == 1)
    assert streams.peak <= 2


def test_a_reader_that_fails_lets_go_too(client_of, wire, streams):
    """By the reader's own error."""
    client = client_of()

    def read():
        with client.stream("GET", f"{streams.url}/{50 * MIB}") as answer:
            for _ in answer.pieces():
                raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        read()
    assert wire.wait_for(lambda: not streams.open)


def test_a_stream_may_be_read_after_the_send(client_of, streams):
    """``send(stream=True)`` leaves the closing to the caller; so does reading it whole."""
    client = client_of()
    request = client.build("GET", f"{streams.url}/1000")
    answer = client.send(request, stream=True)
    assert not answer.is_closed
    content = client.wire.settled(answer.read() if client.wire.blocking else answer.aread())
    assert (len(content), answer.is_closed) == (1_000, True)
    assert client.get(f"{streams.url}/10").status_code == 200
    assert streams.accepted == 1


def test_a_stream_is_read_once(client_of, streams):
    """As the library says it."""
    http = client_of.http
    with client_of().stream("GET", f"{streams.url}/10") as answer:
        list(answer.pieces("raw"))
        with pytest.raises(http.StreamConsumed):
            list(answer.pieces("raw"))


def test_a_stream_that_is_closed_cannot_be_read(client_of, streams):
    """As the library says it."""
    http = client_of.http
    with client_of().stream("GET", f"{streams.url}/10") as answer:
        pass
    with pytest.raises(http.StreamClosed):
        answer.read()


# --- policies ----------------------------------------------------------------------------------------------------


def test_a_stream_outlives_the_attempt(wire, streams):
    """Whose time ends with the headers: a body may take as long as its pieces come."""
    client = wire.client(policies=Policy(attempt_timeout="500ms"))
    with client.stream("GET", streams.url + "/events") as answer:
        pieces = answer.pieces()
        for _ in range(4):
            wire.pause(0.15)
            streams.tell(b".")
            assert next(pieces) == b"."
        streams.tell(None)
        assert list(pieces) == []


def test_each_piece_of_a_stream_has_the_read_phase(wire, streams):
    """A body that stops coming is a timeout of the library's own, while the stream is read."""
    client = wire.client(timeout=wire.http.Timeout(20, read=0.5))
    with client.stream("GET", streams.url + "/events") as answer:
        streams.tell(b"one")
        pieces = answer.pieces()
        assert next(pieces) == b"one"
        with pytest.raises(wire.http.ReadTimeout):
            next(pieces)
    assert wire.wait_for(lambda: not streams.open)


def test_a_streamed_call_is_retried_before_its_headers(wire, origin):
    """The swallowed answers give their connection back, and the body is that of the last one.

    The wait is a long one, since what is left of an answer is read meanwhile, and no longer.
    """
    origin.answers(503, body=b"x" * 1_000, times=2)
    client = wire.client(policies=Policy(retry=resilient.Retry(wait=wait_fixed(0.3))))
    with client.stream("GET", origin.url) as answer:
        assert answer.response.status_code == 200
        assert answer.read()
    assert (origin.sent, origin.connections) == (3, 1)


def test_a_streamed_body_that_breaks_is_never_retried(wire, origin):
    """Part of it is with the caller already; the circuit counts it."""
    origin.answers(body=b"." * 100, drop_after=50)
    client = wire.client(policies=Policy(breaker=resilient.CircuitBreaker(ratio=0.5, min_calls=4)))
    for _ in range(2):
        with client.stream("GET", origin.url) as answer, pytest.raises(wire.http.RemoteProtocolError):
            answer.read()
    assert origin.sent == 2  # each of them good by its headers, and bad by its body
    with pytest.raises(resilient.CircuitOpenError), client.stream("GET", origin.url):
        pass


def test_threads_share_a_client(blocking_wire, streams):
    """Streams of one client side by side, each with bytes of its own."""
    client = blocking_wire.client().client
    sizes = {}

    def read(number):
        with client.stream("GET", f"{streams.url}/{100_000 + number}") as response:
            sizes[number] = sum(map(len, response.iter_bytes()))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == {number: 100_000 + number for number in range(8)}
