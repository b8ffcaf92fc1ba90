"""Events: every subscriber hears of each, in order, and none can hurt a call."""

import logging

import pytest

import resilient
from resilient import CircuitBreaker, ConfigurationError, Policy, ResponseCache, options
from resilient.events import (
    AttemptEnded,
    CacheLookup,
    CacheStored,
    CallEnded,
    CircuitOpened,
    Rejected,
    Retried,
)
from resilient.outcome import Outcome


class Ear:
    """A subscriber with a method."""

    def __init__(self):
        self.heard = []

    def record(self, event):
        self.heard.append(event)


def names(events):
    return [type(event) for event in events]


def test_everybody_hears_of_everything_in_order(world, origin):
    """Objects with ``record`` and plain callables alike."""
    ear, heard = Ear(), []
    caller = world.client(origin, telemetry=[ear, heard.append], name="checkout")
    origin.answers(503, times=1)
    caller.get("/path?secret=1")
    assert names(heard) == [AttemptEnded, Retried, AttemptEnded, CacheStored, CacheLookup, CallEnded]
    assert ear.heard == heard
    end = heard[-1]
    assert (end.client, end.route, end.method, end.origin) == ("checkout", "*", "GET", "https://api.test")
    assert (end.outcome, end.status, end.attempts) == (Outcome.OK, 200, 2)
    assert end.seconds == pytest.approx(world.now)


def test_the_journey_holds_the_same_events(world, origin):
    """All but the one that says that the call is over."""
    heard = []
    caller = world.client(origin, telemetry=[heard.append])
    origin.answers(503, times=1)
    journey = caller.get().extensions["resilient"]
    assert [event for _, event in journey.timeline] == heard[:-1]


OUTCOMES = {
    "ok": ({}, Outcome.OK, 200),
    "an answer of the origin": ({"status": 404}, Outcome.OK, 404),
    "error": ({"error": "read"}, Outcome.ERROR, None),
    "timeout": ({"error": "read_timeout"}, Outcome.TIMEOUT, None),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_call_ends_as_its_caller_sees_it(world, origin, name):
    """Its outcome and its status."""
    how, outcome, status = OUTCOMES[name]
    heard = []
    caller = world.client(origin, Policy(retry=None), telemetry=[heard.append])
    origin.fails(**{"status": 200, **how} if "error" not in how else how)
    caller.outcome()
    assert (heard[-1].outcome, heard[-1].status) == (outcome, status)


def test_a_stale_answer_and_a_refusal_are_outcomes_of_their_own(world, origin):
    """So that a dashboard can tell them."""
    heard = []
    policy = Policy(cache=ResponseCache.failover(ttl=60), breaker=CircuitBreaker(failures=1), retry=None)
    caller = world.client(origin, policy, telemetry=[heard.append])
    caller.get()
    origin.answers(500)
    caller.get()
    assert heard[-1].outcome is Outcome.STALE
    caller.outcome("GET", "/never-kept")
    assert heard[-1].outcome is Outcome.REJECTED
    assert names(heard[-3:]) == [Rejected, CacheLookup, CallEnded]
    assert CircuitOpened in names(heard)
    assert CacheStored in names(heard)


@pytest.mark.parametrize("colour", ["async"])
def test_a_cancelled_call_is_an_outcome_too(world, origin):
    """Its end is told when it comes."""
    import asyncio

    heard = []
    origin.hangs()
    caller = world.client(origin, telemetry=[heard.append])

    async def main():
        task = asyncio.ensure_future(caller.ask())
        await world.sleep(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    world.do(main)
    assert (heard[-1].outcome, heard[-1].seconds) == (Outcome.CANCELLED, 3)


def test_a_subscriber_that_fails_hurts_nobody(world, origin, caplog):
    """It is logged once and counted, hears the next event too, and the others hear everything."""
    heard, failed = [], []

    def broken(event):
        failed.append(event)
        raise RuntimeError("cannot write")

    caller = world.client(origin, telemetry=[broken, heard.append])
    with caplog.at_level(logging.ERROR, logger="resilient.telemetry"):
        for _ in range(5):
            assert caller.get().status_code == 200
    assert len(heard) == len(failed) == 20
    assert [record.message for record in caplog.records] == [
        "a telemetry sink failed; its further failures are only counted"
    ]
    assert caller.client._owner.engine.sinks.failures == 20


def test_a_subscriber_that_fails_at_the_end_of_a_body_hurts_nobody(world, origin):
    """Where a stream is kept, events come while the caller reads."""

    def broken(event):
        raise RuntimeError("cannot write")

    caller = world.client(origin, Policy(cache=ResponseCache(ttl=60)), telemetry=[broken])

    async def script():
        return await caller.read(await caller.ask(stream=True))

    assert world.do(script) == b"ok"


@pytest.mark.parametrize("telemetry", [print, 5, [5], [object()], {"record": print}])
def test_what_cannot_hear_is_refused(world, origin, telemetry):
    """At construction, in words."""
    with pytest.raises(ConfigurationError, match=r"record\(event\), or callables"):
        world.client(origin, telemetry=telemetry)


def test_no_event_holds_what_may_be_a_secret(world, origin):
    """Neither query values, nor fields, nor bodies, nor keys."""
    heard = []
    policy = Policy(cache=ResponseCache.failover(ttl=60), breaker=CircuitBreaker(failures=2))
    caller = world.client(origin, policy, telemetry=[heard.append])
    secret = {"authorization": "Bearer s3cret", "cookie": "s3cret", "x-api-key": "s3cret"}
    url = "https://ann:s3cret@api.test/s3cret?token=s3cret#s3cret"
    asked = resilient.options(partition="s3cret", idempotency_key="s3cret")
    caller.get(url, headers=secret, extensions=asked)
    origin.answers(503, body=b"s3cret", headers={"set-cookie": "s3cret"})
    caller.get(url, headers=secret, extensions=asked)
    caller.outcome("GET", url, headers=secret)
    assert Retried in names(heard)
    assert Rejected in names(heard)
    assert "s3cret" not in repr(heard)


class Sorting:
    """A subscriber that wants to know whose events they are."""

    def __init__(self):
        self.heard = []

    def of(self, source):
        return lambda event: self.heard.append((source.kind, source.name, source.route, type(event)))

    def record(self, event):
        raise AssertionError(event)


def test_a_subscriber_may_ask_whose_events_they_are(world, origin):
    """Each event of a call comes with the client's name and the call's route, also one that its options name."""
    sorting = Sorting()
    caller = world.client(origin, telemetry=[sorting], name="checkout", policies={"api.test": Policy()})
    caller.get()
    kinds = (AttemptEnded, CacheStored, CacheLookup, CallEnded)
    assert sorting.heard == [("client", "checkout", "api.test", kind) for kind in kinds]
    sorting.heard.clear()
    caller.get(extensions=options(route="items"))
    assert {route for _, _, route, _ in sorting.heard} == {"items"}


def test_routes_beyond_those_that_are_kept_ready_are_told_apart_all_the_same(world, origin, monkeypatch):
    """A caller who makes up routes costs no memory, and loses no event."""
    monkeypatch.setattr("resilient.sinks.MAX_ROUTES", 3)
    sorting = Sorting()
    caller = world.client(origin, telemetry=[sorting], name="checkout")
    for number in range(10):
        caller.get(extensions=options(route=f"route {number}"))
    ended = [route for _, _, route, kind in sorting.heard if kind is CallEnded]
    assert ended == [f"route {number}" for number in range(10)]
