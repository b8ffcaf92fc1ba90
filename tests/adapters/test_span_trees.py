"""The tree of spans of each thing that can happen to a call: what is below what, how it ended, what it points at.

A line is a span: its name, its status or outcome, what the cache said, and ``->`` what it points at, by the place of
that line, counted from 1.
"""

import asyncio

import pytest

from resilient import Cache, CircuitBreaker, Policy, ResponseCache, Retry, options
from resilient.errors import StoreError
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from resilient.testing import FakeClock, LocalServer
from tests.client.http_caching import fresh, validated
from tests.client.test_response_cache import Bad, BadForTasks
from tests.tracing import STABLE, check_names

KEPT = ResponseCache(ttl=60)


def test_the_conventions_are_there():
    """An empty list of names would allow anything, or nothing."""
    assert {"http.request.method", "http.request.resend_count", "server.address", "url.full", "error.type"} <= STABLE


def miss(world, origin, sink):
    """Asked for the first time."""
    world.client(origin, Policy(cache=KEPT), telemetry=[sink]).get()
    return ["resilient GET ok miss", "  GET 200"]


def hit(world, origin, sink):
    """It says who stored the answer."""
    caller = world.client(origin, Policy(cache=KEPT), telemetry=[sink])
    caller.get()
    caller.get()
    return ["resilient GET ok miss", "  GET 200", "resilient GET ok hit -> filled_by 1"]


def three_tries(world, origin, sink):
    """Two failures, and an answer."""
    origin.answers(503, times=2)
    world.client(origin, Policy(retry=Retry(max_attempts=3)), telemetry=[sink]).get()
    return ["resilient GET ok miss", "  GET 503 503 !", "  GET 503 retry 503 !", "  GET 200 retry"]


def redirect(world, origin, sink):
    """One call of two requests."""
    origin.at("/").answers(302, headers={"location": "/there"})
    world.client(origin, telemetry=[sink]).get(follow_redirects=True)
    return ["resilient GET ok miss", "  GET 302", "  GET 200 redirect"]


def challenge(world, origin, sink):
    """A round of authentication."""
    origin.answers(401, headers={"www-authenticate": 'Digest realm="a", nonce="b", qop="auth"'}, times=1)
    world.client(origin, telemetry=[sink], auth=world.http.DigestAuth("ann", "s3cret")).get()
    return ["resilient GET ok miss", "  GET 401 401 !", "  GET 200 auth"]


def attempt_timeout(world, origin, sink):
    """Of the request and of the call."""
    origin.hangs()
    world.client(origin, Policy(retry=None, attempt_timeout=1), telemetry=[sink]).outcome()
    return ["resilient GET timeout miss attempt_timeout !", "  GET attempt_timeout !"]


def deadline(world, origin, sink):
    """The whole call's."""
    origin.hangs()
    world.client(origin, Policy(retry=None, attempt_timeout=None, deadline=2), telemetry=[sink]).outcome()
    return ["resilient GET timeout miss deadline_exceeded !", "  GET deadline_exceeded !"]


def circuit_open(world, origin, sink):
    """Nothing is sent."""
    caller = world.client(origin, Policy(retry=None, breaker=CircuitBreaker(failures=1)), telemetry=[sink])
    origin.answers(500)
    caller.get()
    caller.outcome()
    return ["resilient GET error miss 500 !", "  GET 500 500 !", "resilient GET rejected miss circuit_open !"]


def collapsed(world, origin, sink):
    """Fifty who miss at once: one request, and all others point at the call that sent it."""
    caller = world.client(origin, Policy(cache=KEPT), telemetry=[sink])
    origin.answers(latency=1, times=1)
    world.run([caller.ask] * 50)
    assert origin.sent == 1
    waiters = ["resilient GET ok collapsed -> collapsed_into 1"] * 49
    return ["resilient GET ok miss", "  GET 200", *waiters]


def soft(world, origin, sink):
    """Served stale, and asked for anew in a trace of its own."""
    caller = world.client(origin, Policy(cache=ResponseCache.soft(ttl=60, soft_ttl=10)), telemetry=[sink])
    twice(world, caller)
    return [
        "resilient GET ok miss",
        "  GET 200",
        "resilient GET stale stale -> filled_by 1",
        "resilient refresh GET ok -> triggered_by 3",
        "  GET 200",
    ]


def early(world, origin, sink):
    """Served fresh, and asked for anew in a trace of its own; what comes then points at that."""
    caller = world.client(origin, Policy(cache=ResponseCache.early(ttl=60, early_ttl=10)), telemetry=[sink])
    twice(world, caller)
    caller.get()
    return [
        "resilient GET ok miss",
        "  GET 200",
        "resilient GET ok hit -> filled_by 1",
        "resilient refresh GET ok -> triggered_by 3",
        "  GET 200",
        "resilient GET ok hit -> filled_by 4",
    ]


def refresh_failed(world, origin, sink):
    """What goes wrong in the background is no error of the call that was served."""
    caller = world.client(origin, Policy(cache=ResponseCache.soft(ttl=60, soft_ttl=10), retry=None), telemetry=[sink])
    origin.answers(times=1)
    origin.fails(error="connect")
    twice(world, caller)
    error = f"{world.http.__name__}.ConnectError"
    return [
        "resilient GET ok miss",
        "  GET 200",
        "resilient GET stale stale -> filled_by 1",
        f"resilient refresh GET error {error} ! -> triggered_by 3",
        f"  GET {error} !",
    ]


def failover(world, origin, sink):
    """A stale answer in place of a failure is no error of the call."""
    caller = world.client(origin, Policy(cache=ResponseCache.failover(ttl=60), retry=None), telemetry=[sink])
    origin.answers(times=1)
    origin.answers(500)
    caller.get()
    caller.get()
    return [
        "resilient GET ok miss",
        "  GET 200",
        "resilient GET stale stale -> filled_by 1",
        "  GET 500 500 !",
    ]


def revalidated(world, origin, sink):
    """The origin confirms what is kept; the next one points at who asked for that."""
    origin.behaves(lambda request, *_: validated(request, '"1"', headers=fresh(10)))
    caller = world.client(origin, Policy(cache=ResponseCache()), telemetry=[sink])
    twice(world, caller)
    caller.get()
    return [
        "resilient GET ok miss",
        "  GET 200",
        "resilient GET ok revalidated",
        "  GET 304",
        "resilient GET ok hit -> filled_by 3",
    ]


def store_down(world, origin, sink):
    """The call goes on without it."""

    def fails(*_):
        raise StoreError("no", kind="busy")

    store = StorePair(Bad(fails, "get", "secret"), BadForTasks(fails, "get", "secret"))
    world.client(origin, Policy(cache=KEPT), store=store, telemetry=[sink]).get()
    return ["resilient GET ok bypass", "  resilient.store get store_unavailable !", "  GET 200"]


def streamed(world, origin, sink):
    """The request ends at the header fields; an answer that is read to its end is kept, and points at its call."""
    origin.answers(body=[b"a", b"b"])
    caller = world.client(origin, Policy(cache=KEPT), telemetry=[sink])

    async def script():
        for _ in range(2):
            await caller.read(await caller.ask(stream=True))

    world.do(script)
    return ["resilient GET ok miss", "  GET 200", "resilient GET ok hit -> filled_by 1"]


def named_route(world, origin, sink):
    """The template is in the names."""
    world.client(origin, telemetry=[sink]).get("/users/7", extensions=options(route="/users/{id}"))
    return ["resilient GET /users/{id} ok miss", "  GET /users/{id} 200"]


def fallback(world, origin, sink):
    """It answers in place of the origin."""
    policy = Policy(retry=None, fallback=lambda request, failure: world.http.Response(200))
    origin.answers(500)
    world.client(origin, policy, telemetry=[sink]).get()
    return ["resilient GET ok miss", "  GET 500 500 !"]


def twice(world, caller):
    """Two calls, 20 s apart, and a moment for what goes on behind them."""

    async def script():
        await caller.ask()
        await world.sleep(20)
        await caller.ask()
        await world.sleep(1)

    world.do(script)


SCENARIOS = [
    miss, hit, three_tries, redirect, challenge, attempt_timeout, deadline, circuit_open, collapsed, soft, early,
    refresh_failed, failover, revalidated, store_down, streamed, named_route, fallback,
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_a_call_has_this_tree(world, origin, spans, scenario):
    """In both colours and in every HTTP library; and all that is said has a name that somebody has defined."""
    expected = scenario(world, origin, spans.sink())
    assert spans.lines() == expected
    check_names(spans)


@pytest.mark.parametrize("colour", ["async"])
def test_a_call_that_is_cancelled_has_this_tree(world, origin, spans):
    """Neither span is an error."""
    origin.hangs()
    caller = world.client(origin, telemetry=[spans.sink()])

    async def main():
        task = asyncio.ensure_future(caller.ask())
        await world.sleep(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    world.do(main)
    assert spans.lines() == ["resilient GET cancelled miss", "  GET"]
    check_names(spans)


# --- on the wire ---


class Wire:
    """Real clients of one colour and library, in front of a real server."""

    def __init__(self, colour, family, sink):
        self.colour = colour
        self.door = family.door
        self.sink = sink

    def calls(self, policy, *calls):
        """Each call in turn by one client; an answer that is streamed is read."""
        given = {"policies": policy, "telemetry": [self.sink]}
        if self.colour == "blocking":
            with self.door.ResilientClient(**given) as client:
                for url, options in calls:
                    with client.stream("GET", url, **options) as response:
                        response.read()
            return

        async def main():
            async with self.door.AsyncResilientClient(**given) as client:
                for url, options in calls:
                    async with client.stream("GET", url, **options) as response:
                        await response.aread()

        asyncio.run(main())


QUICK = Retry(base="1ms", cap="1ms", max_attempts=3)


def test_three_tries_and_a_redirect_have_this_tree_on_the_wire(colour, family, spans):
    """One call of five requests; the server finds in each the mark of that request's span, and of no other."""
    with LocalServer() as server:
        server.at("/").answers(503, times=2)
        server.at("/").answers(302, headers={"location": "/there"})
        server.at("/there").answers(200, body=[b"a", b"b"])
        Wire(colour, family, spans.sink()).calls(Policy(retry=QUICK), (server.url, {"follow_redirects": True}))
        sent = [request.headers["traceparent"].rpartition("-")[0] for request in server.requests]
    assert spans.lines() == [
        "resilient GET ok miss", "  GET 503 503 !", "  GET 503 retry 503 !", "  GET 302 retry", "  GET 200 redirect"
    ]  # fmt: skip
    wire = spans.named("GET")
    assert sent == [f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}" for span in wire]
    assert {span.attributes["network.peer.port"] for span in wire} == {server.port}
    assert [span.attributes.get("http.request.resend_count") for span in wire] == [None, 1, 2, 3]
    check_names(spans)


def test_an_answer_that_is_kept_and_confirmed_has_this_tree_on_the_wire(colour, family, spans):
    """Stale at once, so that the origin is asked; it says that nothing has changed."""
    with LocalServer() as server:
        server.behaves(lambda request, *_: validated(request, '"1"', headers=fresh(0)))
        Wire(colour, family, spans.sink()).calls(Policy(cache=ResponseCache()), (server.url, {}), (server.url, {}))
    assert spans.lines() == ["resilient GET ok miss", "  GET 200", "resilient GET ok revalidated", "  GET 304"]
    check_names(spans)


def test_a_connection_that_is_refused_has_this_tree_on_the_wire(colour, family, spans):
    """By the name of the library's class; where it would have gone is said all the same."""
    with LocalServer() as server:
        url = server.url
    with pytest.raises(family.http.ConnectError):
        Wire(colour, family, spans.sink()).calls(Policy(retry=None), (url, {}))
    error = f"{family.http.__name__}.ConnectError"
    assert spans.lines() == [f"resilient GET error miss {error} !", f"  GET {error} !"]
    assert spans.named("GET")[0].attributes["server.port"] == server.port
    check_names(spans)


# --- stores ---


class Slow(MemoryStore):
    """Takes 20 ms for each ``get``."""

    name = "slow"

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.clock = clock

    def get(self, key):
        self.clock.advance(0.02)
        return super().get(key)


def asked_slowly(colour, sink):
    """A call of a function whose values lie in a slow store, and a command outside of any call."""
    clock = FakeClock()
    store = Slow(clock)
    cache = Cache(StorePair(store, Lifted(store)), clock=clock, telemetry=[sink])
    if colour == "blocking":
        cache(ttl=60, key="k")(lambda: [1])()
        cache.blocking.get("k")
        return

    async def main():
        @cache(ttl=60, key="k")
        async def function():
            return [1]

        await function()
        await cache.get("k")

    asyncio.run(main())


def test_a_store_that_takes_long_has_a_span_below_the_call(colour, spans):
    """It began so long ago; writing, which was quick, has none, nor has a command that belongs to no trace."""
    asked_slowly(colour, spans.sink())
    (store,) = spans.named("resilient.store get")
    (call,) = [span for span in spans.spans if span.name != store.name]
    assert [line.split(" ok ")[-1] for line in spans.lines()] == ["miss", "  resilient.store get"]
    assert store.parent.span_id == call.context.span_id
    assert (store.end_time - store.start_time) / 1e9 == pytest.approx(0.02)
    assert dict(store.attributes) == {"resilient.store.name": "slow"}
    check_names(spans)


def test_what_is_long_may_be_said(colour, spans):
    """Here it is a second."""
    asked_slowly(colour, spans.sink(store_span_min="1s"))
    assert len(spans.spans) == 1
