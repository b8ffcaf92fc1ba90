"""The response cache's other strategies: what is served when, and what is asked for behind the callers."""

import asyncio
import threading

import pytest

import resilient
from resilient import Cache, ConfigurationError, Policy, ResponseCache, Retry, options
from resilient.events import BackgroundFailed, CacheLookup, CacheRefreshed, CacheStored
from resilient.testing import Reply

from .test_response_cache import cache_of, personal, store_behind, why_not_kept

AHEAD = {
    "soft": (ResponseCache.soft(ttl="10m", soft_ttl="1m"), "stale"),
    "early": (ResponseCache.early(ttl="10m", early_ttl="1m"), "hit"),
}
"""The strategies that ask in the background, and what a journey says of an answer that has passed its first time."""


def policy(cache, **more):
    return Policy(**{"cache": cache, "retry": None, "breaker": None, **more})


@pytest.fixture(params=AHEAD)
def ahead(request):
    return AHEAD[request.param][0]


# --- soft and early ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AHEAD)
def test_before_its_first_time_an_answer_is_a_hit_and_nothing_is_asked(world, origin, name):
    """Up to the minute; on the minute it is asked for behind the caller, once."""
    cache, result = AHEAD[name]
    caller = world.client(origin, policy(cache))

    async def script():
        told = []
        for pause in (0, 59.9, 0.1):
            await world.sleep(pause)
            told.append(cache_of(await caller.ask()))
        return told

    assert world.do(script) == ["miss", "hit", result]
    assert [round(one.at, 1) for one in origin.requests] == [0, 60]


def test_past_its_first_time_nobody_waits_and_one_asks(world, origin, ahead):
    """Twenty callers at once get the old answer in no time; the origin is asked once; then the new one is there."""
    caller = world.client(origin, policy(ahead))
    origin.behaves(lambda *asked: Reply(body=personal(*asked).body, latency=2))

    async def impatient():
        began = world.now
        return (await caller.ask()).text, world.now - began

    assert world.run([impatient]) == [("for 1", 2)]
    world.clock.advance(60)

    async def script():
        started = [world.start(impatient) for _ in range(20)]
        outcomes = [await one.outcome() for one in started]
        await world.sleep(2.1)
        return outcomes, await impatient()

    outcomes, after = world.do(script)
    assert outcomes == [("for 1", 0)] * 20
    assert after == ("for 2", 0)
    assert origin.sent == 2


def test_an_answer_that_was_asked_for_behind_is_fresh_again(world, origin, ahead):
    """For its first time from then on, and it is kept for the second."""
    caller = world.client(origin, policy(ahead))
    origin.behaves(personal)

    async def script():
        await caller.ask()
        await world.sleep(60)
        await caller.ask()
        await world.sleep(59)
        return await caller.ask()

    answer = world.do(script)
    journey = answer.extensions["resilient"]
    assert (answer.text, cache_of(answer), origin.sent) == ("for 2", "hit", 2)
    assert journey.cache.age == pytest.approx(59)
    # Under ``early`` it is asked for anew before it is stale.
    assert journey.cache.ttl == pytest.approx(541 if ahead.terms.strategy.name == "early" else 1)


def test_past_its_second_time_an_answer_is_gone(world, origin, ahead):
    """Whoever asks then waits for the origin."""
    caller = world.client(origin, policy(ahead))
    caller.get()
    world.clock.advance("10m")
    origin.answers(503)
    answer = caller.get()
    assert (answer.status_code, cache_of(answer), origin.sent) == (503, "miss", 2)


FAILURES = {
    "a status": ({"status": 503}, "FailedStatusError"),
    "no connection": ({"error": "connect"}, "ConnectError"),
    "half a body": ({"status": 200, "body": b"half a body", "drop_after": 4}, "RemoteProtocolError"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_behind_keeps_the_old_answer_and_is_tried_again_later(world, origin, ahead, name):
    """After 1 s, 2 s, 4 s, 8 s, 16 s, then every 30 s; callers ask ten times a second and see none of it."""
    how, error = FAILURES[name]
    heard = []
    caller = world.client(origin, policy(ahead), telemetry=[heard.append])
    origin.answers(body=b"good", times=1)
    origin.fails(**how)

    async def script():
        await caller.ask()
        await world.sleep(60)
        told = set()
        for _ in range(1000):
            told.add((await caller.ask()).text)
            await world.sleep(0.1)
        return told

    assert world.do(script) == {"good"}
    first = origin.requests[1].at
    assert [round(one.at - first) for one in origin.requests[1:]] == [0, 1, 3, 7, 15, 31, 61, 91]
    failed = [event for event in heard if isinstance(event, BackgroundFailed)]
    assert [(event.what, event.error, event.function) for event in failed] == [("refresh", error, "")] * 8
    assert origin.open_bodies == 0


def test_an_answer_that_came_behind_ends_the_pauses(world, origin, ahead):
    """The first failure after it is followed by a pause of 1 s again."""
    caller = world.client(origin, policy(ahead))
    origin.during(60, 70).fails(status=503)
    origin.during(135, 145).fails(status=503)

    async def script():
        await caller.ask()
        for start in (60, 135):
            await world.sleep(start - world.now)
            for _ in range(160):
                await caller.ask()
                await world.sleep(0.1)

    world.do(script)
    came = [round(one.at) for one in origin.requests]
    assert came == [0, 60, 61, 63, 67, 75, 135, 136, 138, 142, 150]


@pytest.mark.parametrize("name", AHEAD)
def test_what_is_asked_behind_is_told_to_the_sinks_and_not_to_the_journey(world, origin, name):
    """The caller's journey is over by then: it knows of the lookup, the age with the way that the answer took, and how
    long it stays fresh or has been stale."""
    cache, result = AHEAD[name]
    heard = []
    caller = world.client(origin, policy(cache), telemetry=[heard.append])
    origin.answers(latency=2)

    async def script():
        await caller.ask()
        await world.sleep(63)
        heard.clear()
        answer = await caller.ask()
        await world.sleep(3)
        return answer

    journey = world.do(script).extensions["resilient"]
    (lookup,) = journey.events(CacheLookup)
    assert (lookup.result, lookup.strategy, lookup.age, lookup.ttl) == (
        result,
        name,
        65,
        537 if name == "early" else -3,
    )
    assert (journey.attempts, journey.events(CacheStored)) == ([], [])
    (stored,) = [event for event in heard if isinstance(event, CacheStored)]
    (refreshed,) = [event for event in heard if isinstance(event, CacheRefreshed)]
    assert (stored.strategy, stored.ttl, stored.detail, stored.background) == (name, 60, None, True)
    assert (refreshed.strategy, refreshed.function, refreshed.seconds) == (name, "", pytest.approx(2))


def test_a_question_behind_passes_the_rest_of_the_policy(world, origin, ahead):
    """It is tried again as the policy says."""
    caller = world.client(origin, policy(ahead, retry=Retry(max_attempts=3)))
    origin.behaves(personal)

    async def script():
        await caller.ask()
        await world.sleep(60)
        origin.fails(status=503, times=2)
        await caller.ask()
        await world.sleep(5)
        return await caller.ask()

    assert (world.do(script).text, origin.sent) == ("for 4", 4)


def test_a_question_behind_has_as_much_time_as_its_caller_had(world, origin, ahead):
    """Three seconds from its own start; then it has failed, and the next one comes after a pause."""
    heard = []
    caller = world.client(origin, policy(ahead, deadline=3), telemetry=[heard.append])
    origin.answers(times=1)
    origin.hangs()

    async def script():
        await caller.ask()
        await world.sleep(60)
        await caller.ask()
        await world.sleep(2.9)
        before = len([event for event in heard if isinstance(event, BackgroundFailed)])
        await world.sleep(0.2)
        return before

    assert world.do(script) == 0
    assert [event.error for event in heard if isinstance(event, BackgroundFailed)] == ["DeadlineExceededError"]


def test_a_streamed_call_is_served_what_is_kept_too(world, origin, ahead):
    """And the question behind it reads its own answer to the end, so that it is kept and its connection is free."""
    caller = world.client(origin, policy(ahead))
    origin.behaves(personal)

    async def streamed():
        return await caller.read(await caller.ask(stream=True))

    async def script():
        bodies = [await streamed()]
        await world.sleep(60)
        bodies.append(await streamed())
        await world.sleep(1)
        bodies.append(await streamed())
        return bodies

    assert world.do(script) == [b"for 1", b"for 1", b"for 2"]
    assert (origin.sent, origin.open_bodies) == (2, 0)


def test_an_answer_that_must_be_revalidated_is_never_served_stale(world, origin):
    """Under ``soft`` it is served until it would be stale (RFC 9111 section 5.2.2.2)."""
    caller = world.client(origin, policy(ResponseCache.soft(ttl="10m", soft_ttl="1m")))
    origin.answers(headers={"cache-control": "must-revalidate"})
    caller.get()
    world.clock.advance(59.9)
    assert cache_of(caller.get()) == "hit"
    world.clock.advance(0.1)
    origin.answers(503)
    assert (caller.get().status_code, origin.sent) == (503, 2)


def test_users_are_kept_apart_behind_their_backs_too(world, origin, ahead):
    """What is asked for behind one of them is asked with that one's credentials, and kept for that one."""
    caller = world.client(origin, policy(ahead))
    origin.behaves(lambda request, number, _: Reply(body=f"{request.headers['authorization']} {number}".encode()))

    async def script():
        texts = []
        for pause in (0, 60, 1):
            await world.sleep(pause)
            for name in ("ann", "bob"):
                texts.append((await caller.ask(headers={"authorization": name})).text)
                await world.sleep(0.1)
        return texts

    assert world.do(script) == ["ann 1", "bob 2", "ann 1", "bob 2", "ann 3", "bob 4"]


def test_two_clients_with_one_store_ask_once_behind(world, origin, ahead):
    """As two processes would: while one asks, the other leaves it to that one."""
    cache = Cache("mem://", clock=world.clock)
    origin.behaves(lambda *asked: Reply(body=personal(*asked).body, latency=2))

    async def script():
        first, second = (world.client(origin, policy(ahead), store=cache) for _ in range(2))
        await first.ask()
        await world.sleep(60)
        for pause in (0, 1, 0.5):
            await world.sleep(pause)
            assert (await first.ask()).text == (await second.ask()).text == "for 1"
        await world.sleep(1)
        return (await first.ask()).text, (await second.ask()).text

    assert world.do(script) == ("for 2", "for 2")
    assert origin.sent == 2


@pytest.mark.parametrize("colour", ["async"])
def test_a_caller_that_goes_away_leaves_the_question_behind_it(world, origin, ahead):
    """A task that is cancelled right after its stale answer does not stop what was asked for everybody."""
    caller = world.client(origin, policy(ahead))
    origin.behaves(lambda *asked: Reply(body=personal(*asked).body, latency=2))

    async def script():
        await caller.ask()
        await world.sleep(60)

        async def asks_and_waits():
            await caller.ask()
            await asyncio.sleep(100)

        task = asyncio.ensure_future(asks_and_waits())
        await world.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.sleep(2)
        return (await caller.ask()).text

    assert world.do(script) == "for 2"


# --- the end of a client -----------------------------------------------------------------------------------------


async def closed(world, caller):
    """Close the client, in its colour."""
    await world.result_of(caller.client.close() if world.colour == "blocking" else caller.client.aclose())


def workers(world):
    """The threads or tasks that there are."""
    return set(threading.enumerate()) if world.colour == "blocking" else asyncio.all_tasks()


def alive(left):
    """Those of the workers that do not end; a thread that has done its work takes a real moment to be gone."""
    for one in left:
        if isinstance(one, threading.Thread):
            one.join(10)
    return [one for one in left if not isinstance(one, threading.Thread) or one.is_alive()]


def test_closing_a_client_waits_for_what_it_asks_behind(world, origin, ahead):
    """An answer that is a second away is still kept, in a store that outlives the client."""
    cache = Cache("mem://", clock=world.clock)
    origin.behaves(lambda *asked: Reply(body=personal(*asked).body, latency=1))

    async def script():
        before = workers(world)
        caller = world.client(origin, policy(ahead), store=cache)
        await caller.ask()
        await world.sleep(60)
        await caller.ask()
        began = world.now
        await closed(world, caller)
        took = world.now - began
        later = world.client(origin, policy(ahead), store=cache)
        return took, (await later.ask()).text, workers(world) - before

    took, text, left = world.do(script)
    assert (took, text, alive(left)) == (pytest.approx(1), "for 2", [])
    assert (origin.sent, origin.in_flight, origin.open_bodies) == (2, 0, 0)


def test_closing_a_client_does_not_wait_for_ever(world, origin, ahead):
    """A question that hangs is given 2 s. Then a task is cancelled; a thread ends by the deadline of its question."""
    cache = Cache("mem://", clock=world.clock)
    origin.answers(body=b"good", times=1)
    origin.hangs()

    async def script():
        before = workers(world)
        caller = world.client(origin, policy(ahead, deadline=20), store=cache)
        await caller.ask()
        await world.sleep(60)
        await caller.ask()
        began = world.now
        await closed(world, caller)
        took = world.now - began
        await world.sleep(world.choose(19, 0))
        return took, workers(world) - before

    took, left = world.do(script)
    assert (took, alive(left)) == (pytest.approx(2, abs=0.01), [])
    assert (origin.in_flight, origin.open_bodies) == (0, 0)


# --- locked ------------------------------------------------------------------------------------------------------

LOCKED = policy(ResponseCache.locked(ttl="10m"))


def test_two_clients_with_one_store_ask_once(world, origin):
    """As two processes would: nothing but the store is common to them."""
    cache = Cache("mem://", clock=world.clock)
    first, second = (world.client(origin, LOCKED, store=cache) for _ in range(2))
    origin.answers(latency=2, body=b"rates")
    answers = world.run([first.ask, second.ask] * 10)
    assert origin.sent == 1
    assert [answer.content for answer in answers] == [b"rates"] * 20
    assert sorted(map(cache_of, answers)) == ["collapsed"] * 19 + ["miss"]
    assert world.now < 2.5


def test_without_a_lock_each_client_asks_for_itself(world, origin):
    """The counterpart."""
    cache = Cache("mem://", clock=world.clock)
    simple = policy(ResponseCache(ttl="10m"))
    first, second = (world.client(origin, simple, store=cache) for _ in range(2))
    origin.answers(latency=2)
    world.run([first.ask, second.ask] * 10)
    assert origin.sent == 2


def test_a_failure_under_a_lock_leaves_the_turn_to_the_next_client(world, origin):
    """The first gets its failure; the second asks, and gets an answer."""
    cache = Cache("mem://", clock=world.clock)
    first, second = (world.client(origin, LOCKED, store=cache) for _ in range(2))
    origin.fails(status=503, latency=2, times=1)
    origin.answers(latency=2)

    async def later():
        await world.sleep(0.5)
        return await second.ask()

    answers = world.run([first.ask, later])
    assert [answer.status_code for answer in answers] == [503, 200]
    assert (origin.sent, [cache_of(answer) for answer in answers]) == (2, ["miss", "miss"])


def test_who_waits_for_a_lock_keeps_its_own_deadline(world, origin):
    """Half a second is over long before the other client's answer comes, and nothing was sent for it."""
    cache = Cache("mem://", clock=world.clock)
    first, second = (world.client(origin, LOCKED, store=cache) for _ in range(2))
    origin.answers(latency=2)

    async def hurried():
        await world.sleep(0.5)
        began = world.now
        try:
            await second.ask(extensions=options(deadline=0.5))
        except resilient.DeadlineExceededError as error:
            return world.now - began, error.timeout
        return None

    _, (took, timeout) = world.run([first.ask, hurried])
    assert (took, timeout) == (pytest.approx(0.5, abs=0.03), 0.5)
    assert origin.sent == 1


# --- failover with a pause ---------------------------------------------------------------------------------------


def test_after_a_failure_the_origin_is_left_alone_for_a_while(world, origin):
    """For ``retry_after`` the kept answer comes without a question; then the origin is asked again."""
    caller = world.client(origin, policy(ResponseCache.failover(ttl="1h", retry_after="5s")))
    origin.answers(body=b"good")
    caller.get()
    origin.answers(503)
    told = []
    for _ in range(11):
        told.append((cache_of(caller.get()), origin.sent))
        world.clock.advance(1)
    assert {result for result, _ in told} == {"stale"}
    assert [sent for _, sent in told] == [2] * 5 + [3] * 5 + [4]


def test_without_a_pause_the_origin_is_asked_each_time(world, origin):
    """The counterpart."""
    caller = world.client(origin, policy(ResponseCache.failover(ttl="1h")))
    caller.get()
    origin.answers(503)
    for _ in range(3):
        caller.get()
    assert origin.sent == 4


def test_a_pause_without_a_kept_answer_refuses_nobody(world, origin):
    """There is nothing else to answer with, so the origin is asked."""
    caller = world.client(origin, policy(ResponseCache.failover(ttl="1h", retry_after="1m")))
    origin.answers(503, times=2)
    assert [caller.get().status_code for _ in range(3)] == [503, 503, 200]


def test_an_answer_ends_the_pause(world, origin):
    """A failure is forgotten once the origin has answered."""
    caller = world.client(origin, policy(ResponseCache.failover(ttl="1h", retry_after="5s")))
    origin.behaves(personal)
    caller.get()
    origin.fails(error="connect", times=1)
    assert cache_of(caller.get()) == "stale"
    world.clock.advance(5)
    assert [caller.get().text for _ in range(2)] == ["for 3", "for 4"]


# --- conditions --------------------------------------------------------------------------------------------------

STRATEGIES = {
    "simple": ResponseCache(ttl="10m", condition=lambda response: response.status_code == 200),
    "soft": ResponseCache.soft(ttl="10m", soft_ttl="1m", condition=lambda response: response.status_code == 200),
    "early": ResponseCache.early(ttl="10m", early_ttl="1m", condition=lambda response: response.status_code == 200),
    "locked": ResponseCache.locked(ttl="10m", condition=lambda response: response.status_code == 200),
    "failover": ResponseCache.failover(ttl="10m", condition=lambda response: response.status_code == 200),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_condition_refuses_is_not_kept(world, origin, strategy):
    """A 404, which could be kept, is handed on and forgotten; the journey says why. A 200 is kept."""
    caller = world.client(origin, policy(STRATEGIES[strategy]))
    origin.answers(404, times=1)
    refused = caller.get()
    assert (refused.status_code, why_not_kept(refused)) == (404, ["condition"])
    assert list(store_behind(caller).scan()) == []
    assert why_not_kept(caller.get()) == [None]
    assert len(list(store_behind(caller).scan())) == 1


def test_a_condition_cannot_keep_what_must_not_be_kept(world, origin):
    """It is asked last, and only about what may be kept."""
    asked = []
    caller = world.client(origin, policy(ResponseCache(ttl="10m", condition=lambda response: asked.append(1) or True)))
    origin.answers(headers={"cache-control": "no-store"})
    assert why_not_kept(caller.get()) == ["no-store"]
    assert asked == []


@pytest.mark.parametrize("name", AHEAD)
def test_an_answer_from_behind_that_the_condition_refuses_leaves_the_old_one(world, origin, name):
    """The 404 is nothing to keep; the good answer stays until its second time is over."""
    caller = world.client(origin, policy(STRATEGIES[name]))
    origin.answers(body=b"good", times=1)
    origin.answers(404)

    async def script():
        await caller.ask()
        told = []
        for _ in range(8):
            await world.sleep(60)
            told.append((await caller.ask()).text)
        return told

    assert world.do(script) == ["good"] * 8
    assert origin.sent == 9


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ResponseCache.soft(ttl="1m", soft_ttl="1m"),
        lambda: ResponseCache.soft(ttl="1m", soft_ttl="2m"),
        lambda: ResponseCache.early(ttl="1m", early_ttl="1m"),
        lambda: ResponseCache.early(ttl="1m", early_ttl=0),
        lambda: ResponseCache.locked(ttl="soon"),
        lambda: ResponseCache.failover(ttl="1m", retry_after=0),
        lambda: ResponseCache.locked(ttl="1m", conditions=bool),
        lambda: ResponseCache(ttl="1m", condition="none"),
        lambda: ResponseCache(ttl="1m", condition=lambda status, body: True),
    ],
)
def test_wrong_options_of_strategies_are_refused(wrong):
    """Where they are given, as everywhere."""
    with pytest.raises(ConfigurationError):
        wrong()


def test_with_get_switched_off_no_call_joins_another(world, origin):
    """Each asks for itself, though the other is under way; what came is kept all the same."""
    cache = Cache("mem://", clock=world.clock)
    caller = world.client(origin, policy(ResponseCache(ttl="1h")), store=cache)
    origin.behaves(lambda *asked: Reply(body=personal(*asked).body, latency=1))

    async def blind():
        with cache.disabling("get"):
            return cache_of(await caller.ask())

    assert world.run([blind, blind]) == ["miss", "miss"]
    assert origin.sent == 2
    assert cache_of(world.do(caller.ask)) == "hit"
