"""How long to wait before the next attempt: the distribution, its bounds, and numbers that would overflow."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.mechanics.backoff import decorrelated, doubled, full_jitter


def ks_distance(samples, cdf):
    """The Kolmogorov-Smirnov statistic: the most by which the samples' distribution is off ``cdf``."""
    ordered, n = sorted(samples), len(samples)
    return max(max((rank + 1) / n - cdf(x), cdf(x) - rank / n) for rank, x in enumerate(ordered))


def critical(n):
    """Exceeded by one of a thousand honest samples of size ``n``."""
    return math.sqrt(-math.log(0.001 / 2) / (2 * n))


def test_it_doubles_up_to_its_cap():
    """50 ms, 100 ms, ... 20 s."""
    assert [doubled(n, base=0.05, cap=20.0) for n in (1, 2, 3, 9, 10)] == [0.05, 0.1, 0.2, 12.8, 20.0]


@pytest.mark.parametrize("attempt", [1, 2, 3, 10, 5000])
def test_full_jitter_is_uniform(attempt):
    """From nothing to the doubled base: 20,000 waits pass a Kolmogorov-Smirnov test at 0.1 %."""
    draw, top = random.Random(attempt).random, doubled(attempt, base=0.05, cap=20.0)
    waits = [full_jitter(attempt, base=0.05, cap=20.0, random=draw) for _ in range(20_000)]
    assert ks_distance(waits, lambda wait: min(1.0, max(0.0, wait / top))) < critical(len(waits))


def test_the_ks_test_tells_other_jitters_apart():
    """Equal jitter, none, and a base that is 5 % off all fail it."""
    draw = random.Random(1).random
    for other in (lambda: 0.1 + draw() * 0.1, lambda: 0.2, lambda: draw() * 0.21):
        waits = [other() for _ in range(20_000)]
        assert ks_distance(waits, lambda wait: min(1.0, max(0.0, wait / 0.2))) > critical(len(waits))


def test_decorrelated_jitter_is_uniform_over_what_the_last_wait_allows():
    """From the base to three times the previous wait."""
    draw = random.Random(2).random
    waits = [decorrelated(1.0, base=0.05, cap=20.0, random=draw) for _ in range(20_000)]
    assert ks_distance(waits, lambda wait: (wait - 0.05) / 2.95) < critical(len(waits))


def test_decorrelated_jitter_begins_at_its_base():
    """There is no wait before the first."""
    assert decorrelated(0.0, base=0.05, cap=20.0, random=lambda: 0.999) == 0.05


positive = st.floats(1e-3, 1e9)


@given(attempt=st.integers(1, 10**9), base=positive, cap=positive, drawn=st.floats(0, 1, exclude_max=True))
def test_full_jitter_stays_in_its_bounds(attempt, base, cap, drawn):
    """No attempt number overflows, and no wait passes the cap."""
    wait = full_jitter(attempt, base=base, cap=cap, random=lambda: drawn)
    assert 0 <= wait <= cap
    assert doubled(attempt, base=base, cap=cap) == (cap if attempt > 60 else min(cap, base * 2 ** (attempt - 1)))


@given(base=positive, cap=positive, seed=st.integers(0, 2**32))
def test_decorrelated_jitter_stays_in_its_bounds(base, cap, seed):
    """A hundred waits one after the other: from the base to the cap, the cap being stronger."""
    draw, wait = random.Random(seed).random, 0.0
    for _ in range(100):
        wait = decorrelated(wait, base=base, cap=cap, random=draw)
        assert min(base, cap) <= wait <= cap
