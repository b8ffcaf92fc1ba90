"""Bodies: passed on as they come, read inside the attempt where nobody streams, and always given back."""

import asyncio
import gzip

import pytest

import resilient
from resilient import CircuitBreaker, Fallback, Policy, ResponseCache, Retry
from resilient.events import CacheStored
from resilient.testing import LocalServer, Reply

from .both import Stream, reply_to

SIMPLE = Policy(cache=ResponseCache(ttl="1m"))
POLICIES = {
    "passthrough": Policy.passthrough(),
    "standard": Policy.standard(),
    "cached": SIMPLE,
    "failover": Policy(cache=ResponseCache.failover(ttl="1h")),
}


class Watched(Stream):
    """A body that tells which of its pieces were made, and whether it was closed."""

    def __init__(self, *pieces, error=None):
        self.pieces, self.error = pieces, error
        self.made, self.closed = 0, 0

    def __iter__(self):
        for piece in self.pieces:
            self.made += 1
            yield piece
        if self.error is not None:
            raise self.error

    async def __aiter__(self):
        for piece in self:
            yield piece

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


def answering(world, *bodies, status=200, **more):
    """A transport that answers with ``bodies``, one after the other."""
    left = list(bodies)

    def handler(request):
        body = left.pop(0)
        length = str(sum(map(len, body.pieces)))
        return reply_to(request, status, headers={"content-length": length}, stream=body, **more)

    return world.http.MockTransport(handler)


async def pieces_of(world, response):
    """The raw pieces of a body, in either colour, one at a time."""
    if world.colour == "blocking":
        for piece in response.iter_raw():
            yield piece
    else:
        async for piece in response.aiter_raw():
            yield piece


def details(response):
    return [event.detail for event in response.extensions["resilient"].events(CacheStored)]


# --- passed on as they come --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_each_piece_is_passed_on_before_the_next_one_is_made(world, policy):
    """Nothing reads ahead, the cache's tee neither; the body is closed once, at its end."""
    body = Watched(b"one", b"two", b"three")
    caller = world.client(answering(world, body), POLICIES[policy])

    async def script():
        response = await caller.ask(stream=True)
        assert (body.made, response.is_closed) == (0, False)
        seen = []
        async for piece in pieces_of(world, response):
            seen.append((piece, body.made))
        return seen

    assert world.do(script) == [(b"one", 1), (b"two", 2), (b"three", 3)]
    assert body.closed == 1


def test_a_stream_is_kept_while_it_passes(world):
    """The next call is answered from it, streamed or not, in one piece."""
    body = Watched(b"one", b"two")
    caller = world.client(answering(world, body), SIMPLE)

    async def script():
        first = await caller.ask(stream=True)
        passed = [piece async for piece in pieces_of(world, first)]
        second = await caller.ask(stream=True)
        again = [piece async for piece in pieces_of(world, second)]
        return passed, details(first), again, second.extensions["resilient"].cache.result

    assert world.do(script) == ([b"one", b"two"], [None], [b"onetwo"], "hit")
    assert caller.get().content == b"onetwo"


def test_a_hit_is_streamed_as_it_was_sent(world, origin):
    """Raw pieces are coded, read ones are not."""
    caller = world.client(origin, SIMPLE)
    packed = gzip.compress(b"text")
    origin.answers(body=packed, headers={"content-encoding": "gzip"})
    caller.get()

    async def script():
        raw = [piece async for piece in pieces_of(world, await caller.ask(stream=True))]
        return b"".join(raw), await caller.read(await caller.ask(stream=True))

    assert world.do(script) == (packed, b"text")
    assert origin.sent == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_stream_that_is_left_half_way_is_given_back(world, policy):
    """Nothing of it is kept, and it is no failure of the origin."""
    body, whole = Watched(b"one", b"two", b"three"), Watched(b"all")
    caller = world.client(answering(world, body, whole), POLICIES[policy].replace(breaker=CircuitBreaker(failures=1)))

    async def script():
        response = await caller.ask(stream=True)
        async for _ in pieces_of(world, response):
            break
        await caller.close(response)
        return response

    response = world.do(script)
    assert body.closed == 1
    told = {"passthrough": [], "standard": ["no-validator"]}
    assert details(response) == told.get(policy, ["incomplete"])
    assert caller.circuit() == "closed"
    assert caller.get().content == b"all"


@pytest.mark.parametrize(
    "framing", [{"headers": {"transfer-encoding": "chunked"}}, {"extensions": {"http_version": b"HTTP/2"}}]
)
def test_half_of_a_stream_without_a_length_is_not_kept(world, framing):
    """That its end would have been marked does not make it whole."""
    bodies = [Watched(b"one", b"two"), Watched(b"all")]
    caller = world.client(world.http.MockTransport(lambda r: reply_to(r, stream=bodies.pop(0), **framing)), SIMPLE)

    async def script():
        response = await caller.ask(stream=True)
        async for _ in pieces_of(world, response):
            break
        await caller.close(response)
        return details(response)

    assert world.do(script) == ["incomplete"]
    assert caller.get().content == b"all"


def test_a_stream_that_is_never_begun_is_given_back(world):
    """Its headers were all that was wanted."""
    body, whole = Watched(b"one"), Watched(b"all")
    caller = world.client(answering(world, body, whole), SIMPLE)

    async def script():
        await caller.close(await caller.ask(stream=True))

    world.do(script)
    assert (body.made, body.closed) == (0, 1)
    assert caller.get().content == b"all"


# --- broken ones -------------------------------------------------------------------------------------------------


def test_a_streamed_body_that_breaks_counts_for_the_circuit_and_is_never_retried(world, origin):
    """Its caller has read a part already: the library's own error is raised, once."""
    caller = world.client(origin, SIMPLE.replace(breaker=CircuitBreaker(failures=1)))
    origin.answers(body=[b"half", b" a body"], drop_after=4)

    async def script():
        response = await caller.ask(stream=True)
        seen = []
        try:
            async for piece in pieces_of(world, response):
                seen.append(piece)
        except world.http.RemoteProtocolError as error:
            seen += [str(error)[:22], error.request is response.request]
        # httpx leaves the answer open until its reader closes it; httpx2 closes it when its body breaks.
        assert (response.is_closed, caller.circuit()) == {"httpx": (False, "closed"), "httpx2": (True, "open")}[
            world.http.__name__
        ]
        await caller.close(response)
        return seen, details(response), len(response.extensions["resilient"].attempts)

    assert world.do(script) == ([b"half", "peer closed connection", True], ["incomplete"], 1)
    assert (origin.sent, origin.open_bodies, caller.circuit()) == (1, 0, "open")


@pytest.mark.parametrize("policy", ["standard", "cached", "failover"])
def test_a_body_that_breaks_while_the_attempt_reads_it_is_retried(world, origin, policy):
    """Nobody streams, so the body is part of the attempt; a broken one was never seen by the caller."""
    caller = world.client(origin, POLICIES[policy])
    origin.answers(body=[b"half", b" a body"], drop_after=4, times=2)
    origin.answers(body=b"whole")
    answer = caller.get()
    assert (answer.content, origin.sent, origin.open_bodies) == (b"whole", 3, 0)
    assert [attempt.failure for attempt in answer.extensions["resilient"].attempts] == [
        resilient.outcome.Failure.BROKEN,
        resilient.outcome.Failure.BROKEN,
        None,
    ]


def test_under_passthrough_a_broken_body_is_the_callers(world, origin):
    """As through the library itself."""
    caller = world.client(origin, Policy.passthrough())
    origin.answers(body=b"half a body", drop_after=4)
    assert isinstance(caller.outcome(), world.http.RemoteProtocolError)
    assert (origin.sent, origin.open_bodies) == (1, 0)


def test_a_body_is_part_of_the_attempts_time_unless_it_is_streamed(world, origin):
    """Five seconds for the headers and for the body each: too long for an attempt, but not for the caller."""
    caller = world.client(origin, Policy(attempt_timeout=7, retry=None))
    origin.answers(latency=5, chunk_latency=5)
    assert isinstance(caller.outcome(), resilient.AttemptTimeoutError)

    async def script():
        return await caller.read(await caller.ask(stream=True))

    assert world.do(script) == b"ok"
    assert origin.open_bodies == 0


def test_a_real_connection_that_breaks_is_retried_unless_the_caller_streams(family):
    """Over a socket: the same, and the pool has its places back."""
    limits = family.http.Limits(max_connections=1)
    with LocalServer() as server, family.door.ResilientClient(base_url=server.url, limits=limits) as client:
        server.answers(body=[b"half", b" a body"], drop_after=4, times=2)
        assert client.get("/").content == b"ok"
        assert server.sent == 3
        server.answers(body=[b"half", b" a body"], drop_after=4, times=1)
        with client.stream("GET", "/") as response, pytest.raises(family.http.RemoteProtocolError):
            response.read()
        assert server.sent == 4
        assert client.get("/").content == b"ok"


# --- answers that are replaced -----------------------------------------------------------------------------------


REPLACED = {
    "retried": Policy(retry=Retry(max_attempts=2)),
    "failover": Policy(cache=ResponseCache.failover(ttl="1h"), retry=None),
    "failover after retries": Policy(cache=ResponseCache.failover(ttl="1h")),
    "fallback": lambda http: Policy(fallback=http.Response(200, text="ok"), retry=None),
    "fallback to an address": Policy(fallback=Fallback("https://spare.test/"), retry=None),
    "fallback by a function": Policy(fallback=lambda request, failure: reply_to(request, text="ok"), retry=None),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", REPLACED)
def test_who_replaces_an_answer_gives_its_body_back(world, origin, name, stream):
    """Or the pool would lose a connection with each."""
    policy = REPLACED[name]
    caller = world.client(origin, policy(world.http) if callable(policy) else policy)

    async def script():
        return await caller.read(await caller.ask(stream=stream))

    def behave(request, number, now):
        fails = number == 2 if name == "retried" else number > 1 and request.url.host != "spare.test"
        return Reply(status=503, body=b"later") if fails else Reply()

    origin.behaves(behave)
    assert world.do(script) == b"ok"
    assert world.do(script) == b"ok"
    assert origin.open_bodies == 0


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("stream", [False, True])
def test_the_bodies_of_hops_are_given_back(world, origin, policy, stream):
    """Redirects on the way to a streamed answer too."""
    caller = world.client(origin, POLICIES[policy])
    origin.at("/old").answers(302, headers={"location": "/new"}, body=b"moved")

    async def script():
        return await caller.read(await caller.ask("GET", "/old", stream=stream, follow_redirects=True))

    assert world.do(script) == b"ok"
    assert (origin.sent, origin.open_bodies) == (2, 0)


# --- special answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_a_switch_of_protocols_is_left_alone(world, policy):
    """A 101 is not read: whoever asked for it goes on with the connection, which is in its extensions."""
    body, connection = Watched(b"frames"), object()

    def handler(request):
        return reply_to(request, 101, stream=body, extensions={"network_stream": connection})

    caller = world.client(world.http.MockTransport(handler), POLICIES[policy])

    async def script():
        response = await caller.ask(headers={"upgrade": "websocket"}, stream=True)
        assert response.status_code == 101
        assert response.extensions["network_stream"] is connection
        assert (body.made, body.closed) == (0, 0)
        await caller.close(response)

    world.do(script)
    assert body.closed == 1


def test_the_attempt_does_not_read_a_switch_of_protocols(world):
    """Nor where nobody streams: it would wait for frames for ever. The client itself reads then, as httpx does."""
    made = []

    class Endless(Watched):
        def __iter__(self):
            made.append(len(seen))
            yield b""

    seen = []
    body = Endless()
    handler = world.http.MockTransport(lambda request: reply_to(request, 101, stream=body))
    caller = world.client(handler, telemetry=[seen.append])
    caller.get()
    # The attempt had ended before the first piece was made, and the cache had found that it is no answer.
    assert made == [3]
    assert isinstance(seen[0], resilient.events.AttemptEnded)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_is_whole(world, origin, policy, status):
    """Also where it says nothing of its length."""
    caller = world.client(origin, POLICIES[policy])
    origin.answers(status)
    answers = [caller.get() for _ in range(2)]
    assert [(one.status_code, one.content) for one in answers] == [(status, b"")] * 2
    assert origin.sent == (1 if policy == "cached" and status == 204 else 2)
    assert origin.open_bodies == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_a_long_stream_passes_through_whole(world, origin, policy):
    """Twenty megabytes, more than is kept."""
    caller = world.client(origin, POLICIES[policy])
    origin.answers(body=[b"x" * 2**20] * 20)

    async def script():
        total = 0
        async for piece in pieces_of(world, await caller.ask(stream=True)):
            total += len(piece)
        return total

    assert world.do(script) == 20 * 2**20
    assert origin.open_bodies == 0


# --- callers that give up ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["async"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("after", [0, 0.5, 1.5, 2.5, 3.5])
def test_a_caller_that_is_cancelled_leaves_nothing_open(world, origin, policy, stream, after):
    """Before the headers, between the pieces of the body, at its end: every body is closed, every task is gone."""
    caller = world.client(origin, POLICIES[policy])
    origin.answers(latency=1, body=[b"a", b"b"], chunk_latency=1)

    async def script():
        response = await caller.ask(stream=stream)
        try:
            return await caller.read(response)
        finally:
            await caller.close(response)

    async def main():
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(script())
        await world.sleep(after)
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        await world.sleep(1)
        return result, asyncio.all_tasks() - before

    result, tasks = world.do(main)
    assert result == b"ab" if after == 3.5 else isinstance(result, asyncio.CancelledError)
    assert tasks == set()
    assert (origin.in_flight, origin.open_bodies) == (0, 0)


@pytest.mark.parametrize("colour", ["async"])
@pytest.mark.parametrize("steps", range(1, 40))
def test_a_cancellation_at_any_await_leaves_nothing_open(world, origin, steps):
    """One step of the loop later each time; the circuit, the budget and the next caller notice nothing."""
    caller = world.client(origin, SIMPLE.replace(breaker=CircuitBreaker(failures=1)))
    origin.answers(body=[b"a", b"b"], chunk_latency=0.001)

    async def main():
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(caller.ask())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.sleep(1)
        return asyncio.all_tasks() - before

    assert world.do(main) == set()
    assert (origin.in_flight, origin.open_bodies) == (0, 0)
    assert caller.circuit() == "closed"
    assert caller.get().content == b"ab"
