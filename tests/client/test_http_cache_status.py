"""Cache-Status says of every answer where it came from and why (RFC 9211), and the events agree."""

import pytest

from resilient import options
from resilient.events import CacheLookup, CacheStored

from .http_caching import BARE, CACHED, fresh, status_of, validated


def test_a_miss_and_a_hit(world, origin):
    """What was asked and kept, then what was served, and for how long it stays fresh."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    first = status_of(caller.get())
    assert (first["fwd"], first["stored"]) == ("uri-miss", True)
    world.clock.advance(20)
    second = status_of(caller.get())
    assert (second["hit"], second["ttl"]) == (True, "40")
    assert "fwd" not in second


def test_what_is_stale_is_confirmed_or_fetched_anew(world, origin):
    """The ttl is negative then."""
    caller = world.client(origin, CACHED)
    origin.behaves(lambda request, *_: validated(request, '"1"', headers=fresh(10)))
    caller.get()
    world.clock.advance(15)
    told = status_of(caller.get())
    assert (told["fwd"], told["fwd-status"]) == ("stale", "304")
    assert "hit" not in told


REASONS = {
    "method": {"method": "POST"},
    "vary-miss": {"headers": {"x-kind": "other"}},
    "request": {"headers": {"x-kind": "one", "cache-control": "no-cache"}},
    "bypass": {"extensions": options(cache=False)},
    "uri-miss": {"url": "/other"},
}


@pytest.mark.parametrize("reason", REASONS)
def test_why_a_request_was_sent(world, origin, reason):
    """A word of RFC 9211 section 2.2."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={**fresh(60), "vary": "x-kind"})
    caller.get(headers={"x-kind": "one"})
    told = status_of(caller(**{"headers": {"x-kind": "one"}, **REASONS[reason]}))
    assert told["fwd"] == reason
    assert "hit" not in told


WHY_NOT = {
    "no-store": {"headers": {"cache-control": "no-store"}},
    "status": {"status": 299, "headers": {}},
    "vary": {"headers": {**fresh(), "vary": "*"}},
    "event-stream": {"headers": {**fresh(), "content-type": "text/event-stream"}},
}


@pytest.mark.parametrize("reason", WHY_NOT)
def test_why_an_answer_is_not_kept(world, origin, reason):
    """In ``detail``, one word of a fixed set; the event says the same."""
    caller = world.client(origin, CACHED)
    origin.answers(**WHY_NOT[reason])
    answer = caller.get()
    told = status_of(answer)
    assert "stored" not in told
    assert told["detail"].strip('"') == reason
    assert [event.detail for event in answer.extensions["resilient"].events(CacheStored)] == [reason]


def test_other_caches_keep_their_word(world, origin):
    """Theirs come first, as they are; ours is added to them, on a hit too, and is not kept with the answer."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={**fresh(60), "cache-status": 'edge; hit; ttl=9; detail="a, b"'})
    for _ in range(3):
        answer = caller.get()
        members = answer.headers["cache-status"]
        assert members.startswith('edge; hit; ttl=9; detail="a, b", ')
        assert members.count("resilient") == 1
    assert status_of(answer)["hit"] is True


def test_an_answer_that_could_not_be_asked_for_has_one_too(world, origin):
    """The 504 to ``only-if-cached``."""
    caller = world.client(origin, CACHED)
    answer = caller.get(headers={"cache-control": "only-if-cached"})
    assert answer.status_code == 504
    assert status_of(answer) == {"detail": "only-if-cached"}


def test_without_a_cache_nothing_is_said(world, origin):
    """What the origin sent is handed on as it came."""
    caller = world.client(origin, BARE.replace(cache=None))
    assert "cache-status" not in caller.get().headers


def test_the_events_agree(world, origin):
    """As many lookups of each kind as answers that say so."""
    heard = []
    caller = world.client(origin, CACHED, telemetry=[heard.append])
    origin.answers(headers=fresh(60), latency=1)

    async def visitor():
        return await caller.ask()

    answers = world.run([visitor] * 10) + world.run([visitor] * 10)
    told = [event.result for event in heard if isinstance(event, CacheLookup)]
    assert told.count("hit") == sum("hit" in status_of(answer) for answer in answers) == 10
    assert told.count("collapsed") == sum("collapsed" in status_of(answer) for answer in answers) == 9
    assert sum(isinstance(event, CacheStored) for event in heard) == 1


def test_the_journey_says_the_same(world, origin):
    """As an object, for programs."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    caller.get()
    world.clock.advance(20)
    cache = caller.get().extensions["resilient"].cache
    assert (cache.result, cache.age, cache.ttl) == ("hit", 20, 40)
