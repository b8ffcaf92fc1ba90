"""The order of the stages, and what would break in another one."""

import pytest
from tenacity import wait_fixed

import resilient
from resilient import AttemptTimeout, Budget, CircuitBreaker, Deadline, Policy, ResponseCache, Retry, options
from resilient.events import AttemptEnded, CallEnded, CircuitOpened, FellBack, Retried
from resilient.outcome import Outcome
from resilient.pipeline.compose import compose

FULL = Policy(deadline="30s", fallback="https://spare.test/rates", cache=ResponseCache.failover(ttl="1h"))
ORDER = ["deadline", "fallback", "response cache", "retry", "budget", "circuit breaker", "attempt timeout", "send"]


def test_the_first_of_a_pipeline_is_the_outermost(world):
    """``compose`` puts each around what follows it."""
    trace = []

    def stage(name):
        async def middleware(call, proceed):
            trace.append(f"{name} begins")
            response = await proceed(call)
            trace.append(f"{name} ends")
            return response

        return middleware

    async def origin(call):
        trace.append("sent")
        return call

    assert world.do(lambda: compose([stage("one"), stage("two")], origin)("call")) == "call"
    assert trace == ["one begins", "two begins", "sent", "two ends", "one ends"]


def test_describe_tells_the_order_that_applies(world, origin):
    """The outermost stage first; a stage that is off is not among them."""
    text = world.client(origin, FULL).client.describe("https://api.test/rates").lower()
    places = [text.find(f"\n  {word}") for word in ORDER]
    assert -1 not in places
    assert places == sorted(places)
    assert "\n  fallback" not in world.client(origin).client.describe("https://api.test/rates").lower()


def test_the_events_of_a_call_come_in_that_order(world, origin):
    """Attempts with their back-offs, the circuit that they open, the fallback, and the end of the call."""
    events = []
    origin.at("/").answers(503)
    policy = FULL.replace(breaker=CircuitBreaker(failures=3), cache=None)
    answer = world.client(origin, policy, telemetry=[events.append]).get()
    assert (answer.status_code, origin.requests[-1].url) == (200, "https://spare.test/rates")
    kinds = [type(event) for event in events]
    assert kinds == [
        *[AttemptEnded, Retried] * 2,
        AttemptEnded,
        CircuitOpened,
        resilient.events.RetryExhausted,
        FellBack,
        CallEnded,
    ]
    assert [event for _, event in answer.extensions["resilient"].timeline] == events[:-1]


def test_with_the_breaker_outside_of_retry_an_origin_is_hammered(world):
    """The swap that breaks it: three attempts count as one, so thirty requests are sent instead of ten."""
    retry, breaker = Retry(wait=wait_fixed(0)), CircuitBreaker()
    sent = {}
    for name, pipeline in {"right": [retry, breaker], "wrong": [breaker, retry]}.items():
        origin = world.origin().answers(503)
        client = world.client(origin, Policy(pipeline=pipeline, budget=None))
        for _ in range(20):
            client.outcome()
        sent[name] = origin.sent
    assert sent == {"right": 10, "wrong": 30}


def test_a_hit_costs_nothing(world, origin):
    """No token, no signal to the circuit, no attempt; not even an isolated circuit is in its way."""
    client = world.client(origin, Policy(cache=ResponseCache(ttl="1h")))
    client.get()
    before = client.client.state()
    client.client.circuit("https://api.test/").isolate()
    answer = client.get()
    assert (answer.status_code, origin.sent) == (200, 1)
    assert answer.extensions["resilient"].cache.result == "hit"
    assert answer.extensions["resilient"].attempts == []
    after = client.client.state()
    (host,) = before
    assert after[host].get("budget") == before[host].get("budget")
    assert [state[host]["circuit"]["calls"] for state in (before, after)] == [1, 1]


OUTAGES = {
    "open circuit": (Policy(), lambda client, origin: client.client.circuit("https://api.test/").isolate()),
    "spent budget": (
        Policy(budget=Budget(tokens=10, refill=0)),
        lambda client, origin: [origin.answers(503), client.get("/drain")],
    ),
    "attempt timeout": (Policy(attempt_timeout="1s", retry=None), lambda client, origin: origin.hangs()),
    "deadline": (Policy(deadline="1s"), lambda client, origin: origin.hangs()),
    "no connection": (Policy(), lambda client, origin: origin.goes_away()),
    "last answer": (Policy(), lambda client, origin: origin.answers(503)),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_stale_answer_stands_in_whatever_went_wrong_behind_it(world, origin, outage):
    """The cache is outside of everything that can refuse, fail or run out; nothing is left open."""
    policy, breaks = OUTAGES[outage]
    client = world.client(origin, policy | Policy(cache=ResponseCache.failover(ttl="1h")))
    assert client.get("/kept").status_code == 200
    breaks(client, origin)

    async def script():
        answer = await client.ask(url="/kept", stream=True)
        await client.read(answer)
        return answer

    answer = world.do(script)
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert answer.extensions["resilient"].cache.result == "stale"
    assert origin.open_bodies == 0


def test_the_deadline_is_set_before_anything_waits(world, origin):
    """Every stage behind it can ask for the time that is left."""
    seen = []

    async def look(call, proceed):
        seen.append((call.time_left, call.attempt))
        return await proceed(call)

    origin.answers(503, latency=0.5)
    pipeline = [Deadline("5s"), Retry(wait=wait_fixed(1)), look, AttemptTimeout("2s")]
    world.client(origin, Policy(pipeline=pipeline)).get()
    assert [(pytest.approx(left), number) for left, number in seen] == [(5.0, 1), (3.5, 2), (2.0, 3)]


def test_each_hop_is_a_pass_of_its_own_under_one_call(world, origin):
    """A redirect to another origin: two policies, two circuits, one journey, one ended call."""
    events = []
    origin.at("/old").answers(302, headers={"location": "https://other.test/new"})
    client = world.client(origin, {"other.test": Policy(deadline="5s"), "*": Policy()}, telemetry=[events.append])
    answer = client.get("/old", follow_redirects=True)
    journey = answer.extensions["resilient"]
    assert [attempt.origin for attempt in journey.attempts] == ["https://api.test", "https://other.test"]
    assert journey.route == "other.test"
    assert answer.history[0].extensions["resilient"] is journey
    (ended,) = [event for event in events if isinstance(event, CallEnded)]
    assert (ended.attempts, ended.status, ended.origin) == (2, 200, "https://api.test")


@pytest.mark.parametrize(
    ("script", "policy", "outcome", "status"),
    [
        (lambda origin: origin.answers(200), None, Outcome.OK, 200),
        (lambda origin: origin.answers(404), None, Outcome.OK, 404),
        (lambda origin: origin.answers(503), None, Outcome.ERROR, 503),
        (lambda origin: origin.fails(error="read"), None, Outcome.ERROR, None),
        (lambda origin: origin.hangs(), Policy(deadline="1s"), Outcome.TIMEOUT, None),
        (lambda origin: origin.hangs(), Policy(attempt_timeout="1s", retry=None), Outcome.TIMEOUT, None),
    ],
)
def test_a_call_ends_once_with_its_outcome(world, origin, script, policy, outcome, status):
    """As its caller sees it."""
    events = []
    script(origin)
    client = world.client(origin, policy, telemetry=[events.append], name="checkout")
    client.outcome(extensions=options(route="rates"))
    (ended,) = [event for event in events if isinstance(event, CallEnded)]
    assert (ended.outcome, ended.status, ended.client, ended.route) == (outcome, status, "checkout", "rates")
    assert ended.seconds == pytest.approx(world.now)


def test_a_refused_call_ends_as_rejected(world, origin):
    """Nothing was sent."""
    events = []
    client = world.client(origin, telemetry=[events.append])
    client.client.circuit("https://api.test/").isolate()
    client.outcome()
    assert events[-1].outcome is Outcome.REJECTED
    assert events[-1].attempts == 0


def test_on_a_bare_transport_a_call_is_one_pass(world, origin):
    """An attempt ends at the headers there, since the transport cannot know who reads the body."""
    door = world.family.door
    transport = world.choose(door.ResilientTransport, door.AsyncResilientTransport)(
        origin, policies=Policy(attempt_timeout="1s"), clock=world.clock
    )
    client = world.choose(world.http.Client, world.http.AsyncClient)(transport=transport)
    origin.answers(503, times=2)
    origin.answers(200, body=[b"."] * 4, chunk_latency=0.9)

    async def script():
        return await world.result_of(client.get("https://api.test/"))

    answer = world.do(script)
    assert (answer.content, origin.sent) == (b"....", 3)
    assert len(answer.extensions["resilient"].attempts) == 3
    assert 3.6 <= world.now < 4
    assert origin.open_bodies == 0
