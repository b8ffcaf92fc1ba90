"""Bodies: kept as they came if they are whole, passed on piece by piece, and never held where they are too long."""

import tracemalloc

import pytest

from resilient.testing import LocalServer, Reply

from .both import Stream, reply_to
from .http_caching import CACHED, Desk, fresh, is_hit

MIB = 2**20


class Running(Stream):
    """A long body in pieces; notes how many were taken."""

    def __init__(self, count):
        self.count = count
        self.taken = 0

    def __iter__(self):
        for _ in range(self.count):
            self.taken += 1
            yield bytes(MIB // 16)

    async def __aiter__(self):
        for piece in self:
            yield piece


def streaming(world, body, headers):
    """A caller of an origin that sends that body."""
    handler = world.http.MockTransport(lambda request: reply_to(request, headers=headers, stream=body))
    return world.client(handler, CACHED)


async def pieces_of(world, response):
    """Each piece as it comes, and in the end the answer is closed."""
    if world.colour == "blocking":
        for piece in response.iter_raw():
            yield piece
        response.close()
    else:
        async for piece in response.aiter_raw():
            yield piece
        await response.aclose()


def test_a_body_that_is_too_long_to_keep_costs_no_memory(world):
    """A hundred MiB, whose length is said: not two of them are held."""
    body = Running(100 * 16)
    caller = streaming(world, body, {**fresh(), "content-length": str(100 * MIB)})

    async def script():
        response = await caller.ask(stream=True)
        return sum([len(piece) async for piece in pieces_of(world, response)])

    tracemalloc.start()
    try:
        assert world.do(script) == 100 * MIB
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MIB


def test_each_piece_is_passed_on_before_the_next_is_taken(world):
    """What is kept of a body does not run ahead of who reads it."""
    body = Running(16)
    caller = streaming(world, body, {**fresh(), "content-length": str(MIB)})

    async def script():
        response = await caller.ask(stream=True)
        return [body.taken async for _ in pieces_of(world, response)]

    assert world.do(script) == list(range(1, 17))
    assert is_hit(caller.get())


@pytest.fixture
def server():
    with LocalServer() as server:
        yield server


@pytest.fixture
def desk(colour, family, server):
    """A client with one connection to that server: one that is not given back is missed at the next request."""
    limits = family.http.Limits(max_connections=1)
    with Desk(colour, family, "mem://", CACHED, transport=None, base_url=server.url, limits=limits) as desk:
        yield desk


WRONG = {
    "cut short": Reply(body=b"a whole body", drop_after=4, headers=fresh()),
    "longer by what it says": Reply(body=b"short", content_length=50, headers=fresh()),
    "reset": Reply(error="read"),
    "cut between chunks": Reply(
        body=[b"one", b"two"], drop_after=3, headers={**fresh(), "transfer-encoding": "chunked"}
    ),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_not_whole_is_never_served(desk, server, family, name, streamed):
    """By a real connection; the next call has the only one there is."""
    server.replies(WRONG[name], times=1)
    server.answers(body=b"whole", headers=fresh())
    with pytest.raises(family.http.TransportError):
        desk.stream() if streamed else desk.get()
    assert [desk.get().content for _ in range(2)] == [b"whole"] * 2
    assert server.sent == 2


def test_a_body_that_its_reader_leaves_is_not_kept(desk, server):
    """Closed after the first piece."""
    server.answers(body=[b"x" * 1000] * 100, headers=fresh())
    desk.stream(pieces=1)
    assert not is_hit(desk.get())
    assert is_hit(desk.get())
    assert server.sent == 2


@pytest.mark.parametrize("validator", [{}, {"etag": '"1"'}])
def test_a_body_that_ends_with_its_connection_is_not_kept(world, validator):
    """It cannot be told from one that was cut, and a validator would confirm that for ever (RFC 9112 section 8)."""
    caller = streaming(world, Running(3), {**fresh(), **validator})
    first, second = caller.get(), caller.get()
    assert (len(first.content), is_hit(second)) == (3 * MIB // 16, False)


def test_of_304_and_503_that_are_replaced_nothing_stays_open(desk, server):
    """There is one connection: had one of them kept it, the next call would wait for it in vain."""
    said = {**fresh(0, "stale-if-error=600"), "etag": '"1"'}
    server.answers(times=1, body=b"kept", headers=said)
    for status in (304, 503, 304, 503):
        server.answers(status, times=1, headers=said, body=b"not to be seen")
    assert [desk.get().content for _ in range(5)] == [b"kept"] * 5
    assert server.sent == 5


async def asked(world, caller, auth):
    """The answer to who has that to show."""
    return await world.result_of(caller.client.get("/", auth=auth))


def test_a_refusal_never_answers_who_has_credentials(world, origin):
    """A 401 that may be kept is for those who asked without."""
    caller = world.client(origin, CACHED)
    origin.behaves(
        lambda request, *_: Reply(status=200 if "authorization" in request.headers else 401, headers=fresh(600))
    )
    assert [caller.get().status_code for _ in range(2)] == [401, 401]
    assert caller.get(headers={"authorization": "Bearer x"}).status_code == 200
    assert world.do(lambda: asked(world, caller, ("ann", "secret"))).status_code == 200
    assert caller.get().status_code == 401


def test_a_flow_of_authentication_passes_a_kept_refusal(world, origin):
    """The first request of the flow meets the kept 401, and its second one is sent with credentials."""
    caller = world.client(origin, CACHED)

    def behave(request, *_):
        if "authorization" in request.headers:
            return Reply(headers=fresh(0))
        return Reply(status=401, headers={**fresh(600), "www-authenticate": 'Digest realm="x", nonce="1", qop="auth"'})

    origin.behaves(behave)
    for _ in range(2):
        assert world.do(lambda: asked(world, caller, world.http.DigestAuth("ann", "secret"))).status_code == 200
