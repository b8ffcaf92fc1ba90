"""Stale answers: where they stand in for a failure, are served while the next one is fetched, and where never."""

import pytest

from resilient import ResponseCache

from .http_caching import BARE, CACHED, fresh, is_hit, status_of

FAILURES = {
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "504": {"status": 504},
    "no connection": {"error": "connect"},
    "a reset": {"error": "read"},
    "a timeout": {"error": "read_timeout"},
    "half a body": {"status": 200, "body": b"half a body", "drop_after": 4},
}
FAILOVER = BARE.replace(cache=ResponseCache.failover(ttl="6h"))


def failed(outcome):
    """Whether a call ended in an error, or in an answer that says so."""
    return isinstance(outcome, Exception) or outcome.status_code >= 500


@pytest.mark.parametrize("name", FAILURES)
def test_an_answer_stands_in_as_long_as_it_says(world, origin, name):
    """``stale-if-error=60``: at once when the origin has failed, and not after a minute (RFC 5861 section 4)."""
    caller = world.client(origin, CACHED)
    origin.answers(body=b"good", headers=fresh(10, "stale-if-error=60"))
    caller.get()
    origin.fails(**FAILURES[name])
    world.clock.advance(50)
    before = world.now
    answer = caller.get()
    assert (answer.status_code, answer.content, answer.headers["age"]) == (200, b"good", "50")
    assert float(status_of(answer)["ttl"]) == -40
    assert world.now == before
    assert origin.open_bodies == 0
    world.clock.advance(21)
    assert failed(caller.outcome())
    assert origin.sent == 3


@pytest.mark.parametrize("name", FAILURES)
def test_with_failover_an_answer_stands_in_for_its_window(world, origin, name):
    """Whatever the answer says of errors; for six hours, and no longer."""
    caller = world.client(origin, FAILOVER)
    origin.answers(body=b"good", headers=fresh(10))
    caller.get()
    origin.fails(**FAILURES[name])
    world.clock.advance("5h")
    assert caller.get().content == b"good"
    world.clock.advance("1h10s")
    assert failed(caller.outcome())


def test_failover_serves_what_is_fresh_without_asking(world, origin):
    """It asks only where the answer has become stale."""
    caller = world.client(origin, FAILOVER)
    origin.answers(headers=fresh(10))
    assert [is_hit(caller.get()) for _ in range(2)] == [False, True]
    world.clock.advance(10)
    assert not is_hit(caller.get())
    assert origin.sent == 2


@pytest.mark.parametrize("said", ["must-revalidate", "no-cache"])
@pytest.mark.parametrize("policy", [CACHED, FAILOVER], ids=["stale-if-error", "failover"])
@pytest.mark.parametrize("name", FAILURES)
def test_what_forbids_it_never_stands_in(world, origin, said, policy, name):
    """An error rather than this (RFC 9111 section 5.2.2.2), even where it permits stale answers as well."""
    caller = world.client(origin, policy)
    origin.answers(headers={**fresh(1, said, "stale-if-error=600", "stale-while-revalidate=600"), "etag": '"1"'})
    caller.get()
    world.clock.advance(10)
    origin.fails(**FAILURES[name])
    assert failed(caller.outcome())


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_answer_of_the_origin_is_no_failure(world, origin, status):
    """What it says of the request is handed on."""
    caller = world.client(origin, FAILOVER)
    origin.answers(headers=fresh(1, "stale-if-error=600"))
    caller.get()
    world.clock.advance(10)
    origin.answers(status)
    assert caller.get().status_code == status


def test_a_failure_leaves_what_is_kept(world, origin):
    """It is confirmed as soon as the origin is back."""
    caller = world.client(origin, CACHED)
    said = {**fresh(1, "stale-if-error=600"), "etag": '"1"'}
    origin.answers(body=b"good", headers=said)
    caller.get()
    world.clock.advance(10)
    origin.answers(503, headers=fresh(600))
    assert [caller.get().content for _ in range(3)] == [b"good"] * 3
    origin.answers(304, headers=said)
    assert caller.get().content == b"good"
    assert origin.requests[-1].headers["if-none-match"] == '"1"'


def test_while_an_answer_is_fetched_the_stale_one_is_served(world, origin):
    """A hundred callers wait for nothing, and one question is asked for all (RFC 5861 section 3)."""
    caller = world.client(origin, CACHED)
    origin.answers(body=b"old", headers=fresh(10, "stale-while-revalidate=60"))
    caller.get()
    world.clock.advance(50)
    origin.answers(body=b"new", headers=fresh(10), latency=2)

    async def visitor():
        began = world.now
        seen, waited = (await caller.ask()).content, world.now - began
        await world.sleep(3)
        return seen, waited, (await caller.ask()).content

    assert world.run([visitor] * 100) == [(b"old", 0, b"new")] * 100
    assert origin.sent == 2


def test_past_its_window_a_caller_waits(world, origin):
    """A minute and ten seconds after it came, the old answer is worth nothing."""
    caller = world.client(origin, CACHED)
    origin.answers(body=b"old", headers=fresh(10, "stale-while-revalidate=60"))
    caller.get()
    world.clock.advance(70.5)
    origin.answers(body=b"new", headers=fresh(10), latency=2)
    began = world.now
    assert (caller.get().content, world.now - began) == (b"new", 2)


@pytest.mark.parametrize("asked", ["no-cache", "max-age=10"])
def test_a_caller_who_wants_a_fresh_answer_waits_for_it(world, origin, asked):
    """What the answer permits, the request may refuse."""
    caller = world.client(origin, CACHED)
    origin.answers(body=b"old", headers=fresh(10, "stale-while-revalidate=60"))
    caller.get()
    world.clock.advance(50)
    origin.answers(body=b"new", headers=fresh(10))
    assert caller.get(headers={"cache-control": asked}).content == b"new"


def test_closing_a_client_loses_no_refresh(world, origin):
    """It waits for what is asked in the background, and leaves nothing open."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(10, "stale-while-revalidate=60"))
    caller.get()
    world.clock.advance(50)
    origin.answers(headers=fresh(10), latency=1)

    async def script():
        await caller.ask()
        await world.result_of(caller.client.close() if world.colour == "blocking" else caller.client.aclose())

    world.do(script)
    assert [request.status for request in origin.requests] == [200, 200]
    assert (origin.in_flight, origin.open_bodies) == (0, 0)
