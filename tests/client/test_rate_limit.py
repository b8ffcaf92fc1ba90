"""The rate limit of an origin, as a client's calls see it."""

import asyncio
import threading
from itertools import pairwise

import pytest
from tenacity import wait_fixed

import resilient
from resilient import Budget, CircuitBreaker, Policies, Policy, RateLimit, ResponseCache, Retry
from resilient.config import load
from resilient.events import CallEnded, Paused, Rejected
from resilient.outcome import Outcome
from resilient.pipeline.attempt_timeout import AttemptTimeout

from .cancelling import CancelledAt

HOST = "* https://api.test"


def only(rate, burst=None, **more):
    """A policy that has a rate limit, and time enough."""
    return Policy.passthrough().replace(rate_limit=RateLimit(rate, burst=burst), deadline="1h", **more)


def instants(origin):
    """When each request came."""
    return [pytest.approx(received.at, abs=1e-5) for received in origin.requests]


# --- waiting -----------------------------------------------------------------------------------------------------


def test_what_is_too_much_waits_for_its_turn(world, origin):
    """Of ten at once three go; the others follow, two a second, first come, first served."""
    client = world.client(origin, only("2/s", burst=3))
    answers = world.run([lambda path=f"/{number}": client.ask(url=path) for number in range(10)])
    assert [received.path for received in origin.requests] == [f"/{number}" for number in range(10)]
    assert instants(origin) == [0.0] * 3 + [number / 2 for number in range(1, 8)]
    assert [answer.status_code for answer in answers] == [200] * 10


def test_a_wait_is_told(world, origin):
    """In the journey, to listeners, and in words; whoever need not wait has none."""
    events = []
    client = world.client(origin, only("1/s", burst=1), telemetry=[events.append])
    first, second = world.run([client.ask] * 2)
    assert first.extensions["resilient"].events(Paused) == []
    journey = second.extensions["resilient"]
    assert journey.events(Paused) == [Paused(seconds=1.0, by="rate")]
    assert [event for event in events if isinstance(event, Paused)] == [Paused(seconds=1.0, by="rate")]
    assert "waits up to 1 s for its turn under the rate limit" in str(journey)
    assert journey.seconds == pytest.approx(1.0)


def test_a_call_whose_turn_comes_too_late_is_refused_at_once(world, origin):
    """With an error that is the library's own too and says when; nothing is sent, and nobody is to blame."""
    events = []
    policy = Policy(rate_limit=RateLimit("1/10s"), deadline="5s")
    client = world.client(origin, policy, telemetry=[events.append])
    client.get()
    world.clock.advance(1)
    refused = client.outcome()
    assert isinstance(refused, resilient.RateLimitedError)
    assert isinstance(refused, world.http.TransportError)
    assert (refused.origin, refused.retry_in) == ("https://api.test", pytest.approx(9.0))
    assert (origin.sent, world.now) == (1, 1.0)
    assert refused.journey.events(Rejected) == [
        Rejected(by="rate", origin="https://api.test", retry_in=pytest.approx(9.0))
    ]
    assert "refused: the quota of https://api.test is used up for 9 s" in str(refused.journey)
    assert [event.outcome for event in events if isinstance(event, CallEnded)] == [Outcome.OK, Outcome.REJECTED]
    state = client.client.state()[HOST]
    assert (state["circuit"]["calls"], state["circuit"]["failures"], state["circuit"]["state"]) == (1, 0, "closed")
    world.clock.advance(refused.retry_in)
    assert client.get().status_code == 200


def test_a_turn_just_before_the_deadline_leaves_time_to_be_answered(world, origin):
    """An attempt that had less than 50 ms would not be started, so nobody waits for it."""
    client = world.client(origin, only("1/s", burst=1).replace(deadline="1.06s"))
    assert [type(one).__name__ for one in world.run([client.ask] * 2, return_errors=True)] == ["Response"] * 2
    client = world.client(world.origin(), only("1/s", burst=1).replace(deadline="1.04s"))
    outcomes = world.run([client.ask] * 2, return_errors=True)
    assert [type(one).__name__ for one in outcomes] == ["Response", "RateLimitedError"]


def test_two_hundred_callers_never_send_more_than_the_limit_says(world, origin):
    """Coming at random for twenty seconds, some with little patience: no window holds more than burst and rate."""
    rate, burst, refused = 12.0, 7, []
    client = world.client(origin, only("12/s", burst=burst))

    async def caller():
        await world.sleep(world.random.random() * 20 if world.random.random() < 0.7 else 5.0)
        for _ in range(world.random.randrange(1, 4)):
            timeout = world.random.choice([0.2, 1.0, 60.0])
            try:
                await client.ask(extensions=resilient.options(deadline=timeout))
            except resilient.RateLimitedError as error:
                refused.append(error.retry_in - (timeout - 0.05))
                await world.sleep(min(error.retry_in, 1.0))

    world.run([caller] * 200)
    sent = [received.at for received in origin.requests]
    assert sent == sorted(sent)
    assert len(sent) > 200
    # Nobody was refused whose turn would have come in time.
    assert refused
    assert min(refused) > -1e-5
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + rate * (sent[last] - sent[first]) + 1e-3
    # And what was allowed was used: while callers queued, twelve a second went.
    assert sum(5 <= at < 15 for at in sent) >= 115


def test_sixty_four_threads_wait_their_turn_on_the_real_clock(family):
    """All are served, and none before the rate allows as many."""
    origin = family.kit.Origin()
    policy = only("400/s", burst=20)
    with family.door.ResilientClient(transport=origin, policies=policy) as client:
        barrier, answered = threading.Barrier(64), []

        def work():
            barrier.wait()
            for _ in range(3):
                answered.append(client.get("https://api.test/").status_code)

        threads = [threading.Thread(target=work) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answered == [200] * 192
    # None was let go before the origin was there, and the last of them waited for all that the burst did not hold.
    assert max(received.at for received in origin.requests) >= (192 - 20) / 400


# --- what counts -------------------------------------------------------------------------------------------------


def test_each_attempt_counts(world, origin):
    """Two retries of one call use as much as two calls."""
    origin.answers(503, times=2)
    client = world.client(origin, only("1/10s", burst=2, retry=Retry(wait=wait_fixed(0))))
    assert client.get().status_code == 200
    assert instants(origin) == [0.0, 0.0, 10.0]


def test_a_retry_that_is_refused_raises_the_refusal(world, origin):
    """With a note that names the last answer; and what was paid for it comes back to the budget."""
    origin.answers(503)
    policy = Policy(rate_limit="2/1h", retry=Retry(wait=wait_fixed(0)), budget=Budget(refill=0))
    client = world.client(origin, policy)
    refused = client.outcome()
    assert isinstance(refused, resilient.RateLimitedError)
    assert refused.__notes__ == ["it refused attempt 3; the last answer was 503"]
    assert origin.sent == 2
    assert client.tokens() == 90


def test_a_hit_uses_nothing(world, origin):
    """A hundred answers from the cache, and the next request goes without a wait."""
    client = world.client(origin, Policy(rate_limit="2/1h", cache=ResponseCache(ttl="1h")))
    for _ in range(100):
        assert client.get("/kept").status_code == 200
    client.get("/other")
    assert (origin.sent, world.now) == (2, 0.0)
    assert isinstance(client.outcome(url="/third"), resilient.RateLimitedError)


def test_a_stale_answer_and_a_fallback_stand_in_for_a_refusal(world, origin):
    """Both are outside of it."""
    kept = Policy(rate_limit="1/1h", cache=ResponseCache.failover(ttl="1h"))
    client = world.client(origin, kept)
    client.get()
    answer = client.get()
    assert (answer.status_code, answer.extensions["resilient"].cache.result, origin.sent) == (200, "stale", 1)
    client = world.client(origin, Policy(rate_limit="1/1h", fallback=world.http.Response(203)))
    assert [client.get().status_code for _ in range(2)] == [200, 203]


def test_an_open_circuit_uses_nothing(world, origin):
    """It is outside of the limit."""
    client = world.client(origin, only("1/1h", breaker=CircuitBreaker()))
    client.client.circuit("https://api.test/").isolate()
    for _ in range(5):
        assert isinstance(client.outcome(), resilient.CircuitOpenError)
    client.client.circuit("https://api.test/").close()
    assert client.get().status_code == 200


def test_waiting_is_no_part_of_the_attempt(world, origin):
    """It neither times out an attempt nor looks like a slow answer to the circuit."""
    breaker = CircuitBreaker(slow="500ms", min_calls=2, window="10m")
    origin.answers(latency=0.3)
    client = world.client(origin, only("1/10s", breaker=breaker, attempt_timeout=AttemptTimeout("1s")))
    answers = world.run([client.ask] * 5)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert world.now == pytest.approx(40.3)
    assert client.client.state()[HOST]["circuit"]["slow"] == 0


def test_a_refused_probe_gives_its_place_back(world, origin):
    """A half-open circuit whose probe the limit refuses stays half-open for the next one."""
    origin.answers(500, times=1)
    client = world.client(origin, Policy(rate_limit="1/1m", breaker=CircuitBreaker(failures=1), retry=None))
    client.get()
    world.clock.advance(1.0)
    assert isinstance(client.outcome(), resilient.RateLimitedError)
    assert client.client.state()[HOST]["circuit"]["probes"] == 0
    assert client.circuit() == "half_open"
    world.clock.advance("1m")
    assert client.get().status_code == 200
    assert client.circuit() == "closed"


# --- whose limit it is -------------------------------------------------------------------------------------------


def test_each_origin_has_its_own(world, origin):
    """A limit of one entry is that of each of its origins."""
    client = world.client(origin, only("1/1h"))
    assert [client.get(f"https://{host}.test/").status_code for host in "abc"] == [200] * 3
    assert isinstance(client.outcome(url="https://b.test/again"), resilient.RateLimitedError)


def test_clients_with_the_same_policies_share_it(world, origin):
    """And those that were given equal ones do not."""
    shared = Policies({"*": Policy(rate_limit="1/1h")})
    one, two = world.client(origin, shared), world.client(origin, shared)
    one.get()
    assert isinstance(two.outcome(), resilient.RateLimitedError)
    assert world.client(origin, {"*": Policy(rate_limit="1/1h")}).get().status_code == 200


def test_a_reload_keeps_what_was_used(world, origin):
    """Ten of ten are used; with twenty an hour there are ten more, and none with five."""
    policies = Policies(Policy(rate_limit="10/1h"))
    client = world.client(origin, policies)
    for _ in range(10):
        client.get()
    policies.reload(Policy(rate_limit="20/1h"))
    assert client.client.state()[HOST]["rate_limit"] == {"used": 10, "burst": 20, "waiting": 0, "retry_in": 0.0}
    for _ in range(10):
        client.get()
    assert isinstance(client.outcome(), resilient.RateLimitedError)
    policies.reload(Policy(rate_limit="5/1h"))
    refused = client.outcome()
    assert refused.retry_in == pytest.approx(3600 / 5)
    policies.reload(Policy(rate_limit=None))
    assert client.get().status_code == 200
    assert "rate_limit" not in client.client.state()[HOST]


def test_without_one_nothing_is_counted(world, origin):
    """It is off by default, and costs nothing then."""
    client = world.client(origin)
    for _ in range(100):
        client.get()
    assert (origin.sent, world.now) == (100, 0.0)
    assert "rate_limit" not in client.client.state()[HOST]
    assert "rate limit" not in client.client.describe("https://api.test/")


def test_it_is_shown(world, origin):
    """By ``describe``, at its place in the order, and by ``state``, with what is used and who waits."""
    client = world.client(origin, Policy(rate_limit=RateLimit("2/1m", burst=1)))
    lines = client.client.describe("https://api.test/").splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("  rate limit ")]
    assert lines[place].split(maxsplit=2)[2] == "2/1m, 1 at once"
    assert lines[place - 1].startswith("  circuit breaker")
    assert lines[place + 1].startswith("  attempt timeout")
    client.get()
    world.clock.advance(15)
    assert client.client.state()[HOST]["rate_limit"] == {"used": 0.5, "burst": 1, "waiting": 0, "retry_in": 15.0}


def test_those_who_wait_are_counted(world, origin):
    """While they wait."""
    client = world.client(origin, only("1/s", burst=1))

    async def look():
        await world.sleep(0.5)
        return client.client.state()[HOST]["rate_limit"]

    async def ask():
        await client.ask()

    *_, seen = world.run([ask, ask, ask, look])
    assert seen == {"used": 0.5, "burst": 1, "waiting": 2, "retry_in": 2.5}


# --- giving up ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("victim", [1, 2, 3])
def test_a_call_that_is_cancelled_lets_the_others_move_on(async_world, victim, more):
    """At its first wait, once and twice in a row: the others go as if it had never come."""
    origin = async_world.origin()
    client = async_world.client(origin, only("1/s", burst=1))

    async def caller(number):
        job = client.ask(url=f"/{number}")
        return await (CancelledAt(job, 1, more) if number == victim else job)

    async def script():
        tasks = [asyncio.create_task(caller(number)) for number in range(4)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = async_world.do(script)
    assert isinstance(outcomes[victim], asyncio.CancelledError)
    assert [received.path for received in origin.requests] == [f"/{one}" for one in range(4) if one != victim]
    assert instants(origin) == [0.0, 1.0, 2.0]
    assert client.client.state()[HOST]["rate_limit"]["waiting"] == 0


@pytest.mark.parametrize("more", [0, 1, 3])
def test_at_every_wait_of_a_call_a_cancellation_leaves_nothing_behind(world_of, more):
    """No place in the line, no probe, no task; the next call goes when the rate allows it."""
    step, reached = 1, True
    while reached:
        world = world_of("async")
        origin = world.origin().answers(503, latency=0.1, times=1)
        origin.answers(latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)
        client = world.client(origin, Policy(rate_limit=RateLimit("1/s", burst=1), retry=Retry(wait=wait_fixed(0.1))))

        async def script(world=world, client=client, step=step):
            before = asyncio.all_tasks()
            await client.ask(method="POST")
            others = [asyncio.create_task(client.ask()) for _ in range(2)]
            await world.sleep(0.01)
            victim = CancelledAt(client.ask(), step, more)
            outcome = "answered"
            try:
                await victim
            except asyncio.CancelledError:
                outcome = "cancelled"
            task = asyncio.current_task()
            while task.cancelling():
                task.uncancel()
            await asyncio.gather(*others)
            await client.ask()
            return outcome, victim.taken >= step, asyncio.all_tasks() - before

        outcome, reached, left = world.do(script)
        assert (outcome == "cancelled") is reached
        assert left == set()
        assert client.client.state()[HOST]["rate_limit"]["waiting"] == 0
        assert origin.open_bodies == 0
        sent = [received.at for received in origin.requests]
        assert all(later - earlier > 1 - 1e-5 for earlier, later in pairwise(sent))
        step += 1
    assert step > 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_thread_that_is_interrupted_gives_up_its_place(blocking_world, monkeypatch, error):
    """In the midst of its wait."""
    world = blocking_world
    origin = world.origin()
    client = world.client(origin, only("1/s", burst=1))
    client.get()

    def interrupted(seconds):
        assert client.client.state()[HOST]["rate_limit"]["waiting"] == 1
        raise error

    monkeypatch.setattr(world.clock, "sleep", interrupted)
    with pytest.raises(error):
        client.client.get("https://api.test/")
    assert client.client.state()[HOST]["rate_limit"]["waiting"] == 0


# --- options -----------------------------------------------------------------------------------------------------


def test_a_policy_takes_text_for_it():
    """Which means the same."""
    assert Policy(rate_limit="60/1m") == Policy(rate_limit=RateLimit("60/1m"))
    assert Policy(rate_limit="60/1m") | Policy(rate_limit=None) == Policy(rate_limit=None)
    assert Policy.passthrough().rate_limit is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RateLimit("60 per minute"), "rate='60 per minute' is not right; give '60/1m'"),
        (lambda: RateLimit(60), "rate=60 is not right; give a whole number per time, such as '60/1m'"),
        (lambda: RateLimit("60/1m", burst=0), "burst=0 is not right; give a whole number of at least 1"),
        (lambda: RateLimit("60/1m", bursts=5), "RateLimit has no option 'bursts' (given 5); did you mean 'burst'?"),
        (lambda: Policy(rate_limit="60/min"), "rate='60/min' is not right; give '60/1m'"),
        (lambda: Policy(rate_limit=60), "rate_limit=60 is not right; give a RateLimit, or None for off"),
    ],
)
def test_a_wrong_option_is_refused_with_the_right_one(make, message):
    """At construction."""
    with pytest.raises(resilient.ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("table", "limit"),
    [
        ('rate_limit = "60/1m"', RateLimit("60/1m")),
        ('rate_limit = { rate = "60/1m", burst = 5 }', RateLimit("60/1m", burst=5)),
        ("rate_limit = false", None),
    ],
)
def test_a_file_may_say_it(tmp_path, table, limit):
    """As text, as a table, or as off."""
    file = tmp_path / "resilient.toml"
    file.write_text(f'[policies."api.test"]\n{table}')
    assert load(file).policies["api.test"] == Policy(rate_limit=limit)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('rate_limit = "60/min"', "rate='60/min' is not right; give '60/1m'"),
        (
            'rate_limit = { rate = "60/1m", burts = 5 }',
            "no option of rate_limit 'burts' (given 5); did you mean 'burst'?",
        ),
        ("rate_limit = { burst = 5 }", "rate_limit: 'rate' is missing"),
        ("rate_limit = 60", "rate_limit=60 is not right; give a"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path, table, message):
    """With the file, the entry, and what would be right."""
    file = tmp_path / "resilient.toml"
    file.write_text(f'[policies."api.test"]\n{table}')
    with pytest.raises(resilient.ConfigurationError) as caught:
        load(file)
    assert str(caught.value).startswith(f'{file}: [policies."api.test"]: ')
    assert message in str(caught.value)
