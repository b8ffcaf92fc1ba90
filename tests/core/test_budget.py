"""The budget of extra attempts: what it lets through and what it refuses. Time is a number."""

import math
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.errors import ConfigurationError
from resilient.mechanics.budget import Budget, Tokens

BUDGET = Budget()


def test_an_outage_costs_ten_retries_and_then_one_in_twenty_seconds():
    """Without a success only time earns tokens."""
    tokens = Tokens(BUDGET, 0.0)
    assert [tokens.withdraw(BUDGET, 10, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert not tokens.withdraw(BUDGET, 10, 19.9)
    assert tokens.withdraw(BUDGET, 10, 20.0)
    assert not tokens.withdraw(BUDGET, 10, 20.0)


def test_a_refusal_costs_nothing():
    """What cannot be paid whole is not paid in part."""
    tokens = Tokens(Budget(tokens=12, retry_cost=10, refill=0), 0.0)
    budget = Budget(tokens=12, retry_cost=10, refill=0)
    assert tokens.withdraw(budget, 10, 0.0)
    assert not tokens.withdraw(budget, 10, 0.0)
    assert tokens.level(budget, 0.0) == 2
    assert tokens.withdraw(budget, 2, 0.0)


def test_success_earns_one_and_a_winning_retry_its_cost():
    """And never more than there can be."""
    tokens = Tokens(BUDGET, 0.0)
    for _ in range(5):
        tokens.withdraw(BUDGET, 10, 0.0)
    tokens.succeed(BUDGET, 0.0)
    assert tokens.level(BUDGET, 0.0) == 51
    tokens.succeed(BUDGET, 0.0, refund=10)
    assert tokens.snapshot(BUDGET, 0.0) == {"level": 62, "tokens": 100}
    for _ in range(100):
        tokens.succeed(BUDGET, 0.0, refund=10)
    assert tokens.level(BUDGET, 1e9) == 100


def test_an_hour_at_the_brim_earns_nothing_for_later():
    """A full budget is not refilled by the time that it was full."""
    tokens = Tokens(BUDGET, 0.0)
    tokens.succeed(BUDGET, 3600.0)
    assert all(tokens.withdraw(BUDGET, 10, 3600.0) for _ in range(10))
    assert not tokens.withdraw(BUDGET, 10, 3600.0)


def test_a_full_budget_takes_no_lock():
    """Every good call passes here: with the lock held by somebody else it does not wait."""
    tokens = Tokens(BUDGET, 0.0)
    with tokens._lock:
        tokens.succeed(BUDGET, 1.0)


def test_a_new_budget_applies_to_what_is_left():
    """A reload to a smaller budget takes away what is over; one to a larger gives nothing at once."""
    small, large = Budget(tokens=20), Budget(tokens=500)
    tokens = Tokens(BUDGET, 0.0)
    assert tokens.level(large, 0.0) == 100
    tokens.succeed(large, 0.0)
    assert tokens.level(large, 0.0) == 101
    tokens.succeed(small, 0.0)
    assert tokens.level(small, 0.0) == 20
    assert tokens.level(large, 0.0) == 20
    tokens.succeed(small, 0.0, refund=10)
    assert tokens.level(large, 0.0) == 20
    tokens.withdraw(small, 5, 0.0)
    tokens.succeed(small, 0.0, refund=10)
    assert tokens.level(large, 0.0) == 20


def test_a_reading_of_the_clock_that_comes_late_earns_nothing_twice():
    """Threads read the clock before they queue for the lock."""
    tokens = Tokens(BUDGET, 0.0)
    for _ in range(10):
        tokens.withdraw(BUDGET, 10, 0.0)
    assert tokens.level(BUDGET, 10.0) == 5
    assert tokens.level(BUDGET, 4.0) == 5
    assert tokens.level(BUDGET, 10.0) == 5


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("tokens", value) for value in (0, math.inf, "100")],
        *[("retry_cost", value) for value in (0, 101)],
        *[("throttled_cost", value) for value in (-1, math.nan)],
        *[("refill", value) for value in (-0.1, None, True)],
    ],
)
def test_an_option_out_of_range_is_named(option, value):
    """At construction, with the value and what would be right."""
    with pytest.raises(ConfigurationError, match=rf"{option}=.* is not right; give "):
        Budget(**{option: value})


@st.composite
def budgets(draw):
    most = draw(st.floats(1, 1000))
    costs = st.floats(most / 50, most)
    return Budget(tokens=most, retry_cost=draw(costs), throttled_cost=draw(costs), refill=draw(st.floats(0, 50)))


@given(
    budget=budgets(),
    steps=st.lists(st.tuples(st.sampled_from(["retry", "throttled", "ok", "won"]), st.floats(0, 100)), max_size=60),
)
def test_the_level_stays_in_its_bounds(budget, steps):
    """Whatever happens, from nothing to ``tokens``; and only what is there is spent."""
    tokens, now = Tokens(budget, 0.0), 0.0
    for what, wait in steps:
        now += wait
        before = tokens.level(budget, now)
        if what in ("retry", "throttled"):
            cost = budget.retry_cost if what == "retry" else budget.throttled_cost
            assert tokens.withdraw(budget, cost, now) is (before >= cost)
            after = before - cost if before >= cost else before
        else:
            refund = budget.retry_cost if what == "won" else 0.0
            tokens.succeed(budget, now, refund)
            after = min(budget.tokens, before + 1 + refund)
        assert tokens.level(budget, now) == pytest.approx(after)
        assert 0 <= tokens.level(budget, now) <= budget.tokens


@given(budget=budgets(), waits=st.lists(st.floats(0, 50), min_size=1, max_size=300))
def test_an_outage_is_bounded(budget, waits):
    """While nothing succeeds, retries never pass tokens / retry_cost + refill x t / retry_cost."""
    tokens, now, retries = Tokens(budget, 0.0), 0.0, 0
    for wait in waits:
        now += wait
        retries += tokens.withdraw(budget, budget.retry_cost, now)
        assert retries <= (budget.tokens + budget.refill * now) / budget.retry_cost + 1e-6


@pytest.mark.parametrize(("rate", "most"), [(20, 1.10), (100, 1.05)])
def test_thirty_seconds_of_503_hardly_add_load(rate, most):
    """Up to three attempts a call, all fail: sends stay under 1.10 x calls at 20 a second, 1.05 x at 100."""
    tokens, calls, sends = Tokens(BUDGET, 0.0), 30 * rate, 0
    for number in range(calls):
        sends += 1
        for _ in range(2):
            sends += tokens.withdraw(BUDGET, BUDGET.retry_cost, number / rate)
    assert calls + 10 <= sends <= most * calls


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_failures_are_still_retried(seed):
    """10 % random failures: 99.8 % of the calls end well, for at most 1.13 sends each."""
    draw, tokens, calls, sends, won = random.Random(seed).random, Tokens(BUDGET, 0.0), 20_000, 0, 0
    for number in range(calls):
        now, paid = number / 100, 0.0
        for attempt in range(3):
            if attempt and not tokens.withdraw(BUDGET, 10, now):
                break
            paid = 10.0 if attempt else 0.0
            sends += 1
            if draw() >= 0.1:
                tokens.succeed(BUDGET, now, paid)
                won += 1
                break
    assert won / calls >= 0.998
    assert sends / calls <= 1.13


def test_a_withdrawal_that_waits_for_the_lock_sees_what_was_spent_meanwhile():
    """Another thread spends the last tokens just before."""
    budget = Budget(tokens=10, refill=0)
    tokens = Tokens(budget, 0.0)
    lock = tokens._lock

    class Overtaken:
        def __enter__(self):
            tokens._lock = lock
            assert tokens.withdraw(budget, 10, 0.0)
            lock.acquire()

        def __exit__(self, *error):
            lock.release()

    tokens._lock = Overtaken()
    assert not tokens.withdraw(budget, 10, 0.0)
    assert tokens._lock is lock


def test_sixty_four_threads_spend_no_token_twice():
    """All withdraw at once until nothing is left: exactly what was there is paid out."""
    budget = Budget(tokens=10_000, retry_cost=1, throttled_cost=1, refill=0)
    tokens, barrier, paid = Tokens(budget, 0.0), threading.Barrier(64), []

    def spend():
        barrier.wait()
        paid.append(sum(tokens.withdraw(budget, 1, 0.0) for _ in range(500)))

    threads = [threading.Thread(target=spend) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(paid) == 10_000
    assert tokens.level(budget, 0.0) == 0
