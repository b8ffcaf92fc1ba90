"""The generic cell rate algorithm: what it lets go and what it makes wait. Time is a number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.errors import ConfigurationError
from resilient.mechanics.gcra import ON_TIME, Gcra, Quota, quota_of

MINUTE = quota_of("60/1m", 3)
"""One a second, three at once."""


def held(sends, quota):
    """Whether over no window more than the burst and the rate went."""
    return all(
        last - first + 1 <= quota.burst + quota.rate * (sends[last] - sends[first] + ON_TIME) + 1e-6
        for first in range(len(sends))
        for last in range(first, len(sends))
    )


def test_a_burst_goes_at_once_and_then_one_at_a_time():
    """Three go; the fourth waits a second, and one behind it two. What has to wait uses nothing."""
    gcra = Gcra()
    assert [gcra.take(MINUTE, 10.0) for _ in range(5)] == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert gcra.take(MINUTE, 10.0, ahead=1) == 2.0
    assert gcra.take(MINUTE, 10.5) == 0.5
    assert [gcra.take(MINUTE, 11.0) for _ in range(2)] == [0.0, 1.0]


def test_a_look_takes_nothing():
    """It says what taking one would."""
    gcra = Gcra()
    assert [gcra.wait(MINUTE, 0.0) for _ in range(9)] == [0.0] * 9
    assert [gcra.take(MINUTE, 0.0) for _ in range(3)] == [0.0] * 3
    assert (gcra.wait(MINUTE, 0.0), gcra.wait(MINUTE, 0.25, ahead=2)) == (1.0, 2.75)
    assert gcra.used(MINUTE, 0.25) == 2.75


def test_an_idle_hour_saves_up_no_more_than_a_burst():
    """However long nobody came."""
    gcra = Gcra()
    gcra.take(MINUTE, 0.0)
    assert [gcra.take(MINUTE, 3600.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_those_ahead_have_their_share_before():
    """With one token left and one ahead of it, it waits for the next."""
    gcra = Gcra()
    assert gcra.take(MINUTE, 0.0, ahead=2) == 0.0
    assert gcra.take(MINUTE, 0.0, ahead=2) == 1.0
    assert gcra.take(MINUTE, 0.0, ahead=1) == 0.0


def test_a_reading_of_the_clock_that_comes_late_earns_nothing_twice():
    """Threads read the clock before they queue for the lock."""
    gcra = Gcra()
    assert [gcra.take(MINUTE, 5.0) for _ in range(3)] == [0.0] * 3
    assert gcra.wait(MINUTE, 6.0, ahead=1) == 1.0
    assert gcra.wait(MINUTE, 5.0, ahead=1) == 1.0
    assert gcra.wait(MINUTE, 6.0, ahead=1) == 1.0


@pytest.mark.parametrize(
    ("before", "after", "waits"),
    [
        ("60/1m", "60/1h", 60.0),  # all of it is used, and a minute passes until there is more
        ("60/1m", "60/1s", 1 / 60),
        ("60/1m", "5/1m", 12.0),  # used as far as there is something to use, and no more than that
        ("5/1m", "60/1m", 0.0),  # five of sixty
    ],
)
def test_what_was_used_counts_under_another_quota(before, after, waits):
    """After a reload: as a number, not as a time that passes."""
    gcra, old, new = Gcra(), quota_of(before, None), quota_of(after, None)
    for _ in range(old.burst):
        assert gcra.take(old, 0.0) == 0.0
    assert gcra.take(new, 0.0) == pytest.approx(waits)
    if waits == 0.0:
        assert gcra.used(new, 0.0) == old.burst + 1


def test_who_is_early_by_less_than_a_microsecond_need_not_wait_and_gains_nothing():
    """Its turn comes too early, and the next one's does not: the error never adds up."""
    gcra, quota = Gcra(), Quota(rate=1000.0, burst=1)
    now, went = 0.0, 0
    while now < 5.0:
        now += quota.rate**-1 - 0.9e-6
        went += gcra.take(quota, now) == 0.0
        gcra.wait(quota, now)  # nor does it help that others ask
    assert went <= 1 + quota.rate * (now + ON_TIME)


@pytest.mark.parametrize(
    ("rate", "burst", "per_second", "at_once"),
    [
        ("60/1m", None, 1.0, 60),
        ("60/m", 5, 1.0, 5),
        ("5/s", None, 5.0, 5),
        ("100/1h", 1, 100 / 3600, 1),
        ("3/500ms", None, 6.0, 3),
        ("1/1h30m", None, 1 / 5400, 1),
        ("10/0.5s", 20, 20.0, 20),
    ],
)
def test_a_rate_as_people_write_it(rate, burst, per_second, at_once):
    """A number per time; without a burst as many at once as it names."""
    quota = quota_of(rate, burst)
    assert (quota.rate, quota.burst) == (pytest.approx(per_second), at_once)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("60/min", "'60/1m'"),
        ("60 per minute", "'60/1m'"),
        ("60 / 1m", "'60/1m'"),
        ("5 calls a second", "'5/1s'"),
        ("5rps", "'5/1s'"),
        ("100/2 Hours", "'100/2h'"),
        ("7 in 10 ms", "'7/10ms'"),
        *[
            (wrong, "a whole number per time, such as '60/1m', '5/s' or '100/1h'")
            for wrong in ("", "60", "60/60", "0/1m", "-1/1m", "0.5/s", "60/1month", "60/0s", "/s", "٦/s")
        ],
        *[(wrong, "a whole number per time, such as ") for wrong in (60, 1.5, None, True, ("60", "1m"), b"60/1m")],
    ],
)
def test_a_rate_that_is_none_is_refused_with_the_nearest_that_is_one(wrong, right):
    """At construction, with the value."""
    with pytest.raises(ConfigurationError) as caught:
        quota_of(wrong, None)
    assert str(caught.value).startswith(f"rate={wrong!r} is not right; give {right}")


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "5", math.inf])
def test_a_burst_that_is_none_is_refused(wrong):
    """With what is right, and what it would be without one."""
    with pytest.raises(ConfigurationError, match=r"burst=.* is not right; give a whole number of at least 1; 60 if"):
        quota_of("60/1m", wrong)


QUOTAS = st.builds(Quota, rate=st.floats(0.01, 1000), burst=st.integers(1, 20))


@given(quota=QUOTAS, gaps=st.lists(st.floats(0, 3), min_size=1, max_size=80))
def test_no_window_holds_more_than_burst_and_rate(quota, gaps):
    """However callers come, in units of the time that one more takes."""
    gcra, now, went = Gcra(), 1000.0, []
    for gap in gaps:
        now += gap / quota.rate
        if not gcra.take(quota, now):
            went.append(now)
    assert held(went, quota)


@given(quota=QUOTAS, gaps=st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_whoever_waits_as_long_as_was_said_goes(quota, gaps):
    """At that very instant, and still no window holds too much."""
    gcra, now, went = Gcra(), 1000.0, []
    for gap in gaps:
        now += gap / quota.rate
        wait = gcra.take(quota, now)
        if wait:
            now += wait
            assert gcra.take(quota, now) == 0.0
        went.append(now)
    assert held(went, quota)


@given(first=QUOTAS, second=QUOTAS, gaps=st.lists(st.floats(0, 2), min_size=2, max_size=60))
def test_a_reload_lets_no_more_go_than_the_quota_of_each_side(first, second, gaps):
    """From the reload on the new quota holds by itself, whatever was used before."""
    gcra, now, went = Gcra(), 1000.0, []
    for number, gap in enumerate(gaps):
        quota = first if number < len(gaps) // 2 else second
        now += gap / quota.rate
        if number == len(gaps) // 2:
            assert held(went, first)
            went = []
        if not gcra.take(quota, now):
            went.append(now)
        assert 0 <= gcra.used(quota, now) <= quota.burst + quota.rate * ON_TIME
    assert held(went, second)
