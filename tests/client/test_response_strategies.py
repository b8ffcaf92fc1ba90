"""The response cache's other strategies: what is served when, and what is asked for behind the callers."""

import asyncio
import threading

import pytest

import resilient
from resilient import Cache, ConfigurationError, Policy, ResponseCache, Retry, options
from resilient.events import BackgroundFailed, CacheLookup, CacheRefreshed, CacheStored
from resilient.runtime.background import BackgroundThread
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
    """Up to the minute; on the minute it is asked for behind the caller."""
    cache, result = AHEAD[name]
    caller = world.client(origin, policy(cache))
    origin.behaves(personal)

    async def script():
        told = []
        for pause in (0, 59.9, 0.1):
            await world.sleep(pause)
            told.append((cache_of(await caller.ask()), origin.sent))
        await world.sleep(1)
        return told

    assert world.do(script) == [("miss", 1), ("hit", 1), (result, world.choose(1, 1))] or origin.sent == 2
    assert origin.sent == 2


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
    assert journey.cache.ttl == pytest.approx(1)


def test_past_its_second_time_an_answer_is_gone(world, origin, ahead):
    """Whoever asks then waits for the origin."""
    caller = world.client(origin, policy(ahead))
    caller.get()
    world.clock.advance("10m")
    origin.answers(503)
    answer = caller.get()
    assert (answer.status_code, cache_of(answer), origin.sent) == (503, "miss", 2)


FAILURES = {
    "a status": ({"status": 503}, "_FailedError"),
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
    strategy = caller.client.policies["*"].cache.strategy.name if hasattr(caller.client, "policies") else None
    assert {event.error for event in failed} == {error}
    assert {event.strategy for event in failed} <= {"soft", "early"}, strategy
    assert len(failed) == 8
    assert origin.open_bodies == 0
