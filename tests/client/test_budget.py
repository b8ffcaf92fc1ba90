"""What retries may add to the traffic of a host. The figures are those of a seeded origin in virtual time."""

import pytest
from tenacity import wait_fixed

from resilient import Budget, Policy, Retry
from resilient.events import RetryExhausted


def stop_of(answer):
    exhausted = answer.extensions["resilient"].events(RetryExhausted)
    return exhausted[-1].stop if exhausted else None


def calls(world, client, rate, seconds):
    """Calls at a steady rate; their outcomes."""
    return world.run([client.ask] * int(rate * seconds), every=1 / rate, return_errors=True)


ALONE = Policy(breaker=None)
"""The defaults without a breaker, which would hide what the budget does."""


# --- how little an outage is amplified ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("policy", [Policy(), ALONE], ids=["default", "without breaker"])
@pytest.mark.parametrize(("rate", "most"), [(100, 1.05), (20, 1.10)])
def test_an_outage_is_not_amplified(world, origin, policy, rate, most):
    """Thirty seconds of 503s: three plain attempts would treble the load."""
    origin.answers(503)
    client = world.client(origin, policy)
    outcomes = calls(world, client, rate, 30)
    assert len(outcomes) == rate * 30
    assert origin.sent <= most * rate * 30
    if policy is ALONE:
        # Ten retries for the hundred tokens, one in twenty seconds for the trickle.
        assert origin.sent == rate * 30 + 10 + 1
    else:
        assert origin.sent < 0.1 * rate * 30


@pytest.mark.slow
def test_random_failures_are_hidden(world, origin, record_property):
    """One in ten answers is a 503: at least 99.8 % of the calls succeed, for 13 % more load at the most."""
    origin.fails(rate=0.1, status=503)
    client = world.client(origin)
    outcomes = calls(world, client, 100, 60)
    good = sum(getattr(outcome, "status_code", None) == 200 for outcome in outcomes) / 6_000
    amplification = origin.sent / 6_000
    record_property("success", good)
    record_property("amplification", amplification)
    assert good >= 0.998
    assert amplification <= 1.13


# --- tokens ------------------------------------------------------------------------------------------------------


def test_a_retry_costs_ten_and_is_given_back_when_it_wins(world, origin):
    """And a call that goes well earns one."""
    client = world.client(origin, Policy(budget=Budget(refill=0), breaker=None))
    origin.answers(503, times=2)
    client.get()
    assert client.tokens() == 91  # two were paid for, the one that won comes back, and a success earns one
    origin.answers(503, times=3)
    client.get()
    assert client.tokens() == 71
    for _ in range(40):
        client.get()
    assert client.tokens() == 100


def test_a_throttled_retry_costs_five(world, origin):
    """Who is asked to come later does not fail; still it may not come for ever."""
    client = world.client(origin, Policy(budget=Budget(refill=0), breaker=None))
    origin.answers(429, retry_after=1)
    client.get()
    assert client.tokens() == 90


def test_a_second_earns_half_a_token(world, origin):
    """So that a dead origin is tried again now and then."""
    client = world.client(origin, ALONE)
    origin.answers(503, times=3)
    client.get()
    spent = client.tokens()
    world.clock.advance(10)
    assert client.tokens() == pytest.approx(spent + 5)
    world.clock.advance("1h")
    assert client.tokens() == 100


def test_when_it_is_spent_the_first_failure_is_final(world, origin):
    """The answer comes back as it is; the journey says why it was not tried again."""
    origin.answers(503)
    client = world.client(origin, Policy(budget=Budget(tokens=10, refill=0), breaker=None))
    assert stop_of(client.get()) == "budget"
    assert origin.sent == 2
    assert stop_of(client.get()) == "budget"
    assert origin.sent == 3


def test_an_error_that_the_budget_makes_final_is_raised_as_it_is(world, origin):
    """With a note, if there was a retry before."""
    origin.fails(error="read")
    client = world.client(origin, Policy(budget=Budget(tokens=10, refill=0), retry=Retry(wait=wait_fixed(2))))
    first, second = client.outcome(), client.outcome()
    assert type(first) is type(second) is world.http.ReadError
    assert first.__notes__ == ["2 attempts in 2 s"]
    assert not hasattr(second, "__notes__")


def test_only_what_went_well_earns(world, origin):
    """A POST that meets a 500 is not tried again, but no success either: an outage must not feed itself."""
    client = world.client(origin, Policy(budget=Budget(refill=0), breaker=None))
    origin.answers(503, times=3)
    client.get()
    spent = client.tokens()
    for status in (500, 501, 503, 429):
        origin.answers(status)
        client.post()
    assert client.tokens() == spent
    origin.answers(404)
    client.post()
    assert client.tokens() == spent + 1


def test_without_a_budget_nothing_limits_retries(world, origin):
    """``budget=None`` is off."""
    origin.answers(503)
    client = world.client(origin, Policy(budget=None, breaker=None))
    for _ in range(20):
        client.get()
    assert origin.sent == 60


def test_its_options(world, origin):
    """A small one of one's own."""
    policy = Policy(budget=Budget(tokens=4, retry_cost=3, throttled_cost=1, refill=1), breaker=None)
    client = world.client(origin, policy)
    origin.answers(429, retry_after=0, times=2)
    client.get()
    assert client.tokens() == 4  # 4 - 1 - 1, then 1 given back and 1 earned, less what is above 4
    origin.answers(503, times=2)
    assert stop_of(client.get()) == "budget"
    world.clock.advance(3)
    assert client.tokens() == 4
