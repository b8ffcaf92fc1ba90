"""The journey: what happened to one call, and only to that one."""

import re

import pytest

import resilient
from resilient import CircuitBreaker, Journey, Policy, ResponseCache, Retry, options
from resilient.events import AttemptEnded, CallEnded
from resilient.outcome import Failure, Outcome
from resilient.testing import Reply


def journey_of(answer):
    return answer.extensions["resilient"]


def test_an_answer_carries_its_journey(world, origin):
    """Attempts with their time, waits, the circuit, the cache, the whole time."""
    caller = world.client(origin, Policy(retry=Retry(jitter="full")))
    origin.answers(503, times=1, latency=0.5)
    origin.fails(times=1, error="read", latency=0.25)
    origin.answers(latency=0.125)
    journey = journey_of(caller.get())
    assert isinstance(journey, Journey)
    assert journey.route == "*"
    assert [(one.number, one.status, one.failure, one.seconds) for one in journey.attempts] == [
        (1, 503, None, 0.5),
        (2, None, Failure.BROKEN, 0.25),
        (3, 200, None, 0.125),
    ]
    assert [one.reason for one in journey.waits] == ["5xx", "protocol"]
    assert journey.seconds == pytest.approx(0.875 + sum(one.delay for one in journey.waits))
    assert journey.circuit == "closed"
    assert (journey.cache.result, journey.cache.detail) == ("miss", "no-validator")
    instants = [at for at, _ in journey.timeline]
    assert instants == sorted(instants)


def test_redirects_share_the_journey_of_their_call(world, origin):
    """Two hops and the end of the way: one journey, three attempts, one deadline, one event at the end."""
    heard = []
    caller = world.client(origin, telemetry=[heard.append])
    origin.at("/a").answers(302, headers={"location": "/b"})
    origin.at("/b").answers(302, headers={"location": "https://other.test/c"})
    answer = caller.get("/a", follow_redirects=True)
    journey = journey_of(answer)
    assert [one.extensions["resilient"] for one in answer.history] == [journey, journey]
    assert [one.origin for one in journey.attempts] == ["https://api.test"] * 2 + ["https://other.test"]
    assert len([event for event in heard if isinstance(event, CallEnded)]) == 1
    assert heard[-1].attempts == 3


def test_redirects_share_the_deadline_of_their_call(world, origin):
    """Five hops of a second each end after three seconds."""
    caller = world.client(origin, Policy(deadline=3))
    origin.answers(302, headers={"location": "/next"}, latency=1)
    error = caller.outcome(follow_redirects=True)
    assert isinstance(error, resilient.DeadlineExceededError)
    assert world.now == 3
    assert error.journey.attempts[0].status == 302


def test_rounds_of_authentication_share_the_journey_of_their_call(world, origin):
    """The challenge and the answer to it."""

    def behave(request, *_):
        if "authorization" in request.headers:
            return resilient.testing.Reply()
        challenge = {"www-authenticate": 'Digest realm="r", nonce="n", qop="auth"'}
        return resilient.testing.Reply(status=401, headers=challenge)

    origin.behaves(behave)
    answer = world.client(origin, auth=world.http.DigestAuth("ann", "secret")).get()
    assert [one.status for one in journey_of(answer).attempts] == [401, 200]
    assert journey_of(answer.history[0]) is journey_of(answer)


class Fetching:
    """Fetches a token before the request, with a request of its own making."""

    def auth_flow(self, request):
        token = yield type(request)("GET", "https://auth.test/token")
        request.headers["authorization"] = f"Bearer {token.status_code}"
        yield request


def fetching(world):
    return type("Fetching", (Fetching, world.http.Auth), {})()


def test_a_request_that_an_authentication_makes_itself_belongs_to_the_call(world, origin):
    """A token fetched on the way, and tried twice: one journey, which holds both, and one event at the end."""
    heard = []
    origin.at("/token").answers(503, times=1)
    answer = world.client(origin, auth=fetching(world), telemetry=[heard.append]).get()
    assert answer.request.headers["authorization"] == "Bearer 200"
    journey = journey_of(answer)
    assert [(one.origin, one.status) for one in journey.attempts] == [
        ("https://auth.test", 503),
        ("https://auth.test", 200),
        ("https://api.test", 200),
    ]
    assert journey_of(answer.history[0]) is journey
    assert [event.attempts for event in heard if isinstance(event, CallEnded)] == [3]


@pytest.mark.parametrize("said", ["policy", "options", "default"])
def test_a_request_that_an_authentication_makes_itself_ends_with_the_call(world, origin, said):
    """By what holds for the caller's request, wherever that is said; the token's own policy allows a minute."""
    deadlines = {"policy": {"deadline": 2}, "options": {"deadline": 20}, "default": {}}
    policies = {"api.test": Policy(**deadlines[said]), "auth.test": Policy(deadline="1m", attempt_timeout=None)}
    origin.at("/token").hangs()
    given = options(deadline=2) if said == "options" else {}
    error = world.client(origin, policies, auth=fetching(world)).outcome(extensions=given)
    assert isinstance(error, resilient.DeadlineExceededError)
    assert world.now == pytest.approx(30 if said == "default" else 2)
    assert [one.origin for one in error.journey.attempts] == ["https://auth.test"]


def test_the_policy_of_a_token_may_be_shorter_than_the_call(world, origin):
    """It is a pass through the policy of its own host."""
    policies = {"auth.test": Policy(deadline=1)}
    origin.at("/token").hangs()
    error = world.client(origin, policies, auth=fetching(world)).outcome()
    assert isinstance(error, resilient.DeadlineExceededError)
    assert world.now == pytest.approx(1)


def test_a_redirect_ends_with_the_call_too(world, origin):
    """The policy of the host that it leads to cannot make the call longer."""
    policies = {"api.test": Policy(deadline=2), "other.test": Policy(deadline="1m", attempt_timeout=None)}
    origin.at("/").answers(302, headers={"location": "https://other.test/slow"})
    origin.at("/slow").hangs()
    error = world.client(origin, policies).outcome(follow_redirects=True)
    assert isinstance(error, resilient.DeadlineExceededError)
    assert world.now == pytest.approx(2)


def test_a_call_within_a_call_is_one_of_its_own(world, origin):
    """An authentication that fetches its token by a call of the same client, or by a transport of ours elsewhere."""
    calls, client = [], world.client(origin)
    other = world.choose(world.family.door.ResilientTransport, world.family.door.AsyncResilientTransport)
    beside = other(origin, clock=world.clock)

    class Calling(world.http.Auth):
        def sync_auth_flow(self, request):
            calls.append(client.client.get("/token", auth=None))
            calls.append(beside.handle_request(world.http.Request("GET", "https://auth.test/token")))
            yield request

        async def async_auth_flow(self, request):
            calls.append(await client.client.get("/token", auth=None))
            calls.append(await beside.handle_async_request(world.http.Request("GET", "https://auth.test/token")))
            yield request

    client.client.auth = Calling()
    calls.append(client.get())
    journeys = [journey_of(answer) for answer in calls]
    assert len({id(journey) for journey in journeys}) == 3
    assert [len(journey.attempts) for journey in journeys] == [1, 1, 1]


def test_each_call_has_a_journey_of_its_own(world, origin):
    """Also those of one request object, and of one mocked answer."""
    client = world.client(origin).client
    request = client.build_request("GET", "/")

    async def script():
        return await world.result_of(client.send(request))

    first, second = world.run([script, script], every=1)
    assert journey_of(first) is not journey_of(second)
    assert [len(journey_of(one).attempts) for one in (first, second)] == [1, 1]


def test_an_error_carries_the_journey_too(world, origin):
    """Ours and the library's own."""
    origin.fails(error="connect")
    error = world.client(origin).outcome()
    assert [one.failure for one in error.journey.attempts] == [Failure.UNSENT] * 3
    assert error.journey.seconds == pytest.approx(world.now)
    caller = world.client(origin, Policy(breaker=CircuitBreaker(failures=1), retry=None))
    caller.outcome()
    refused = caller.outcome()
    assert (refused.journey.attempts, refused.journey.circuit) == ([], "open")


def test_the_route_may_be_named(world, origin):
    """A name for telemetry in place of the pattern."""
    caller = world.client(origin, {"api.test/v1/*": Policy()})
    assert journey_of(caller.get("/v1/x")).route == "api.test/v1/*"
    assert journey_of(caller.get("/v1/x", extensions=options(route="items"))).route == "items"


def test_a_journey_reads_as_a_story(world, origin):
    """Line by line, in words; what a person asks first is in the first line."""
    caller = world.client(origin, Policy(cache=ResponseCache.failover(ttl="1h"), deadline="5s"))
    caller.get()
    origin.answers(503, retry_after=1)
    world.clock.advance(90)
    lines = str(journey_of(caller.get())).splitlines()
    assert lines[0].startswith("policy '*': 3 attempts, answered from the cache (stale, mem)")
    assert "attempt 1: answered 503" in lines[1]
    assert "the origin asked for 1 s" in lines[2]
    assert "1 min 32 s old" in lines[-1]
    assert repr(journey_of(caller.get())) == "<Journey '*': 3 attempts>"


TOLD = {
    "hit": (
        ResponseCache(ttl=60),
        "nothing sent, answered from the cache (hit, mem)",
        ["cache: fresh answer served, 30 s old, fresh for 30 s (ttl)"],
    ),
    "stale": (
        ResponseCache.soft(ttl=60, soft_ttl=10),
        "nothing sent, answered from the cache (stale, mem)",
        ["cache: stale answer served, 30 s old, stale for 20 s (soft)"],
    ),
    "revalidated": (
        ResponseCache(),
        "1 attempt, answered from the cache (revalidated, mem)",
        [
            "attempt 1: answered 304 after 0 ms",
            "cache: the answer is kept (standard)",
            "cache: kept answer confirmed by the origin, fresh for 10 s (standard)",
        ],
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_cache_said_reads_as_a_story(world, origin, name):
    """Which answer, how old it is, how long it is good, and where it was kept."""
    cache, head, lines = TOLD[name]
    said = {"etag": '"1"', "cache-control": "max-age=10"} if name == "revalidated" else {}
    origin.behaves(lambda request, *_: Reply(status=304 if "if-none-match" in request.headers else 200, headers=said))
    caller = world.client(origin, Policy(cache=cache))
    caller.get("/?key=s3cret")
    world.run([lambda: world.sleep(30)])
    journey = journey_of(caller.get("/?key=s3cret"))
    assert str(journey).splitlines()[0] == f"policy '*': {head}, 0 ms in all"
    assert [line.partition(" s  ")[2] for line in str(journey).splitlines()[1:]] == lines
    assert journey.store == "mem"
    assert re.fullmatch("[0-9a-f]{8}", journey.key_hash)


def test_who_waited_for_another_call_reads_so(world, origin):
    """Nothing was sent for it."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl=60)))
    origin.answers(latency=1)
    first, second = map(journey_of, world.run([caller.ask] * 2))
    (line,) = [str(one) for one in (first, second) if "collapsed" in str(one)]
    assert line.splitlines() == [
        "policy '*': nothing sent, answered from the cache (collapsed, mem), 1 s in all",
        "    1.000 s  cache: shared with a call under way, 1 s old, fresh for 1 min (ttl)",
    ]
    assert first.key_hash == second.key_hash


def test_a_call_that_asks_no_cache_has_no_key(world, origin):
    """Nor a store."""
    journey = journey_of(world.client(origin, Policy(cache=None)).get())
    assert (journey.store, journey.key_hash) == ("", "")


def test_every_kind_of_event_reads_as_words():
    """Also one that the story-teller does not know."""
    from resilient import events
    from resilient.journey import describe

    samples = {"float": 1.5, "int": 2, "str": "x", "Outcome": Outcome.OK, "Failure": Failure.TIMEOUT}
    literals = {"result": "hit", "stop": "budget", "what": "attempt", "by": "circuit", "cause": "run", "to": "url"}
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
    kinds.remove(events.Event)
    assert len(kinds) > 12
    for kind in kinds:
        given = {
            name: literals.get(name, samples.get(kind.__annotations__[name].partition(" ")[0], "x"))
            for name in kind.__struct_fields__
        }
        text = describe(kind(**given))
        assert text
        assert "\n" not in text
        assert "object at" not in text


def test_a_transport_without_a_client_makes_a_journey_for_each_request(world, family, origin):
    """It knows no calls: a redirect's hops are calls of their own."""
    door = family.door
    outer = world.choose(door.ResilientTransport, door.AsyncResilientTransport)(origin, clock=world.clock)
    client = world.choose(world.http.Client, world.http.AsyncClient)(transport=outer, follow_redirects=True)
    origin.at("/a").answers(302, headers={"location": "/b"})

    async def script():
        return await world.result_of(client.get("https://api.test/a"))

    answer = world.do(script)
    assert journey_of(answer) is not journey_of(answer.history[0])
    assert [len(journey_of(one).events(AttemptEnded)) for one in (answer, *answer.history)] == [1, 1]
