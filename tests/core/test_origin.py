"""The scripted origin, as both colours of client see it."""

import asyncio
import threading
from collections import Counter

import httpx
import pytest

from resilient import CircuitBreaker, CircuitOpenError, ConfigurationError
from resilient.testing import FakeClock, Origin, Reply, Simulation

URL = "https://api.test"


class Caller:
    """An httpx client of one colour, called in the same words."""

    def __init__(self, colour, origin):
        self.colour = colour
        self.origin = origin

    def __call__(self, method="GET", path="/", *, stream=False, timeout=5.0, **options):
        if self.colour == "blocking":
            client = httpx.Client(transport=self.origin, timeout=timeout)
            return client.send(client.build_request(method, URL + path, **options), stream=stream)
        client = httpx.AsyncClient(transport=self.origin, timeout=timeout)
        return asyncio.run(client.send(client.build_request(method, URL + path, **options), stream=stream))

    def close(self, response):
        response.close() if self.colour == "blocking" else asyncio.run(response.aclose())


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def origin(clock):
    return Origin(clock=clock)


@pytest.fixture(params=["blocking", "async"])
def call(request, origin):
    return Caller(request.param, origin)


def test_without_a_script_it_answers_ok(call):
    """With the fields that every origin with a clock sends (RFC 9110 section 6.6.1)."""
    response = call()
    assert (response.status_code, response.content) == (200, b"ok")
    assert response.headers["content-length"] == "2"
    assert response.headers["date"] == "Wed, 01 Jan 2025 00:00:00 GMT"


def test_what_is_said_with_times_comes_first_then_the_last_word(call, origin):
    """The script of the documentation: ten failures, then 503 with Retry-After."""
    origin.fails(times=3)
    origin.answers(204, times=1)
    origin.answers(503, retry_after=2)
    answers = [call() for _ in range(6)]
    assert [answer.status_code for answer in answers] == [500, 500, 500, 204, 503, 503]
    assert answers[-1].headers["retry-after"] == "2"
    origin.answers(200)
    assert call().status_code == 200


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("connect", httpx.ConnectError),
        ("connect_timeout", httpx.ConnectTimeout),
        ("pool", httpx.PoolTimeout),
        ("read", httpx.ReadError),
        ("read_timeout", httpx.ReadTimeout),
        ("write", httpx.WriteError),
        ("protocol", httpx.RemoteProtocolError),
        ("refused_stream", httpx.RemoteProtocolError),
    ],
)
def test_it_fails_as_a_network_does(call, origin, error, raised):
    """Each error is the library's own, is counted, and leaves nothing in flight."""
    origin.fails(error=error)
    with pytest.raises(raised) as caught:
        call()
    assert caught.type is raised
    assert origin.count(error=error) == 1
    assert origin.in_flight == 0


@pytest.mark.parametrize("error", ["connect", "connect_timeout", "pool", "refused_stream"])
def test_failures_before_the_request_take_nothing_of_it(call, origin, error):
    """So a test can tell what was provably unsent; a failed read has taken the body."""
    origin.fails(error=error, times=1)
    origin.fails(error="read")
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            call("POST", content=b"order")
    assert [request.body for request in origin.requests] == [None, b"order"]


def test_an_answer_slower_than_the_read_phase_is_a_read_timeout(call, origin, clock):
    """This is what bounds a blocking client; the phase passes, and no more."""
    origin.answers(latency=2.0)
    with pytest.raises(httpx.ReadTimeout):
        call(timeout=0.5)
    assert clock.now() == 1_000.5
    assert call(timeout=None).status_code == 200
    assert clock.now() == 1_002.5


def test_it_hangs_in_either_phase(call, origin, clock):
    """Each is ended by the timeout of that phase."""
    origin.hangs(phase="connect", times=1)
    origin.hangs()
    phases = httpx.Timeout(connect=1.0, read=3.0, write=None, pool=None)
    with pytest.raises(httpx.ConnectTimeout):
        call(timeout=phases)
    assert clock.now() == 1_001.0
    with pytest.raises(httpx.ReadTimeout):
        call(timeout=phases)
    assert clock.now() == 1_004.0


def test_a_hang_that_no_timeout_ends_is_a_clear_error(origin):
    """On a clock that nobody else moves, instead of a test that hangs."""
    origin.hangs()
    with pytest.raises(RuntimeError, match="would never end"):
        Caller("blocking", origin)(timeout=None)


def test_it_goes_away_and_returns(call, origin):
    """What is away refuses connections, whatever the script says."""
    origin.answers(201)
    origin.goes_away()
    with pytest.raises(httpx.ConnectError):
        call()
    origin.returns()
    assert call().status_code == 201


def test_spans_of_time_begin_and_end_by_the_clock(call, origin, clock):
    """Start included, end not; seconds count from the birth of the origin."""
    origin.during(10, 20).answers(503)
    statuses = []
    for _ in range(5):
        statuses.append(call().status_code)
        clock.advance(5)
    assert statuses == [200, 200, 503, 503, 200]


def test_paths_have_scripts_of_their_own(call, origin):
    """A sentence about a path comes before those about all; other paths do not count against its times."""
    origin.at("/slow/*").fails(status=504, times=1)
    origin.answers(202)
    assert [call(path=path).status_code for path in ("/", "/slow/a", "/slow/b")] == [202, 504, 202]


def test_a_rate_of_failures_is_kept_and_repeatable(call, clock):
    """A tenth of the requests fails, the same ones with the same seed."""

    def failed(seed):
        origin = Origin(clock=clock, seed=seed)
        origin.fails(rate=0.1, status=503)
        call.origin = origin
        return [number for number in range(300) if call().status_code == 503]

    assert failed(1) == failed(1) != failed(2)
    assert 15 <= len(failed(1)) <= 45


def test_a_function_decides(call, origin, clock):
    """By the request, its number and the time: a status, a reply, an error, or nothing to pass."""

    def behaviour(request, number, now):
        if request.method == "DELETE":
            return httpx.ReadError("gone")
        return {1: 429, 2: Reply(status=418, body=b"tea")}.get(number) or (None if now < 5 else 410)

    origin.behaves(behaviour)
    first, second, third = call(), call(), call()
    assert [first.status_code, second.content, third.status_code] == [429, b"tea", 200]
    clock.advance(5)
    assert call().status_code == 410
    with pytest.raises(httpx.ReadError, match="gone"):
        call("DELETE")


def test_it_remembers_what_it_received(call, origin, clock):
    """Method, address, fields, body and time of every request, in order."""
    clock.advance(1.5)
    call("POST", "/orders?x=1", content=b"one", headers={"X-Key": "k"})
    call("GET", "/orders")
    first, second = origin.requests
    assert (first.number, first.method, first.path, first.body, first.at) == (1, "POST", "/orders", b"one", 1.5)
    assert first.url == f"{URL}/orders?x=1"
    assert first.headers["x-key"] == "k"
    assert (second.number, second.status, origin.sent) == (2, 200, 2)
    assert (origin.count(method="POST"), origin.count(path="/ord*", status=200)) == (1, 2)
    assert origin.count(until=1.0) == 0


def test_an_open_body_is_seen_until_it_is_closed(call, origin):
    """So a test can prove that no answer that was swallowed leaks its connection."""
    origin.answers(503)
    response = call(stream=True)
    assert (origin.open_bodies, origin.in_flight, origin.peak) == (1, 1, 1)
    call.close(response)
    call.close(response)
    assert (origin.open_bodies, origin.in_flight, origin.peak) == (0, 0, 1)


def test_pieces_of_a_body_come_with_their_latency(call, origin, clock):
    """Each piece is a read of its own, with the read phase for itself."""
    origin.answers(body=[b"a", b"b", b"c"], chunk_latency=0.4, times=1)
    assert call(timeout=0.5).content == b"abc"
    assert clock.now() == 1_001.2
    origin.answers(body=[b"a", b"b"], chunk_latency="600ms")
    with pytest.raises(httpx.ReadTimeout):
        call(timeout=0.5)
    assert origin.open_bodies == 0


@pytest.mark.parametrize("details", [{"drop_after": 3}, {"content_length": 9}])
def test_a_body_breaks_midway_or_ends_early(call, origin, details):
    """A dropped connection and a lie about the length look the same, as they do to h11."""
    origin.answers(body=[b"ab", b"cdef"], **details)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        call()
    assert origin.requests[0].error == "protocol"
    assert origin.in_flight == 0


def test_a_length_that_is_too_short_cuts_the_body(call, origin):
    """A client reads no more than was announced."""
    origin.answers(body=b"abcdef", content_length=4)
    assert call().content == b"abcd"


def test_some_answers_have_no_body(call, origin):
    """HEAD tells the length of what it does not send; 204 and 304 send nothing (RFC 9110 section 8.6)."""
    head = call("HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "2")
    for status in (204, 304):
        origin.answers(status)
        response = call()
        assert response.content == b""
        assert "content-length" not in response.headers


def test_a_one_shot_body_is_really_read(origin):
    """Who sends it again is found out."""

    def parts():
        yield b"one"
        yield b"shot"

    with httpx.Client(transport=origin) as client:
        request = client.build_request("POST", URL, content=parts())
        client.send(request)
        with pytest.raises(httpx.StreamConsumed):
            client.send(request)
    assert [received.body for received in origin.requests] == [b"oneshot", None]


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_an_overloaded_origin_queues_and_works_for_those_who_hung_up(colour):
    """Two workers of one second each and a request every 0.25 s, twice what they can do: in the end all time out."""
    world = Simulation(colour)
    origin = Origin(clock=world.clock, capacity=2)
    origin.answers(latency=1.0)
    client = world.choose(httpx.Client, httpx.AsyncClient)(transport=origin, timeout=3.0)

    async def caller():
        try:
            await world.result_of(client.get(URL))
        except httpx.ReadTimeout:
            return "late"
        return "served"

    outcomes = world.run([caller] * 60, every=0.25)
    assert set(outcomes[:8]) == {"served"}
    assert set(outcomes[30:]) == {"late"}
    assert origin.peak == 12


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (lambda origin: origin.answers(99), "status=99"),
        (lambda origin: origin.answers(latency=-1), "latency=-1"),
        (lambda origin: origin.answers(times=-1), "times=-1"),
        (lambda origin: origin.fails(rate=1.1), "rate=1.1"),
        (lambda origin: origin.fails(error="conect"), "error='conect'.*'connect'"),
        (lambda origin: origin.fails(error="read", status=500), "one of the two"),
        (lambda origin: origin.hangs(phase="body"), "hangs='body'"),
        (lambda origin: origin.during(2, 1), "end=1"),
        (lambda origin: origin.has_capacity(0), "capacity=0"),
        (lambda origin: origin.answers(drop_after=-1), "drop_after=-1"),
    ],
)
def test_nonsense_in_a_script_is_refused_when_it_is_said(origin, said, named):
    """The error names the option and its value."""
    with pytest.raises(ConfigurationError, match=named):
        said(origin)


def test_a_script_can_be_taken_back(call, origin):
    """All of it, or what was said about a path."""
    origin.at("/a").answers(503)
    origin.fails(times=5)
    origin.at("/a").forgets()
    assert call(path="/a").status_code == 500
    origin.forgets()
    assert call().status_code == 200


def test_many_threads_share_its_count():
    """Exactly the first hundred of a thousand requests fail, whoever sends them."""
    origin = Origin()
    origin.fails(times=100)
    client = httpx.Client(transport=origin)
    statuses = Counter()

    def work():
        for _ in range(125):
            statuses[client.get(URL).status_code] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {500: 100, 200: 900}
    assert (origin.in_flight, origin.open_bodies, origin.sent) == (0, 0, 1_000)


def test_it_is_called_through_a_middleware(origin, clock):
    """The circuit opens after ten failures, and lets a probe through when its time has come."""
    breaker = CircuitBreaker()
    origin.fails(times=10)
    with pytest.raises(CircuitOpenError, match=r"next probe in \d\.\d s"):
        origin.called_through(breaker, times=11)
    assert origin.sent == 10
    clock.advance(1.2)
    assert origin.called_through(breaker).status_code == 200
    assert origin.sent == 11
