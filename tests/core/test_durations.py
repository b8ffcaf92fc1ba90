"""Durations as people write them."""

import math
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.durations import seconds_of, shown
from resilient.errors import ConfigurationError

UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (5, 5),
        (0.25, 0.25),
        (timedelta(minutes=1), 60),
        ("500ms", 0.5),
        ("30s", 30),
        ("1m", 60),
        ("1h", 3600),
        ("1d", 86400),
        ("1w", 604800),
        ("1h30m", 5400),
        ("1d2h3m50s", 93830),
        ("1.5h", 5400),
        ("1m500ms", 60.5),
        ("0h1s", 1),
        ("1w1d1h1m1s1ms", 694861.001),
    ],
)
def test_what_is_read(duration, seconds):
    """Numbers, spans and text, units from the largest to the smallest."""
    assert seconds_of(duration, option="ttl") == pytest.approx(seconds)


@pytest.mark.parametrize(
    "duration",
    [
        "", " ", "5", "1h30", "30m1h", "1h1h", "-1s", "+1s", "1 h", "1h ", " 1h", "1H", "1e3s", "1,5h", ".5s", "1.s",
        "inf", "nan", "0s", "0ms", "1µs", "١s", "１s", "1h\n", "1min", "fast", 0, 0.0, -1, -0.5,
        math.inf, -math.inf, math.nan,
        True, False, None, [], {}, b"1h", 1j, timedelta(0), timedelta(seconds=-1), Fraction(1, 2), object,
        "9" * 400 + "w", 10**400,
    ],
)  # fmt: skip
def test_what_is_refused(duration):
    """Nothing, less than nothing, for ever, and whatever else; the message names the option and all forms."""
    with pytest.raises(ConfigurationError) as caught:
        seconds_of(duration, option="deadline")
    text = str(caught.value)
    assert text.startswith("deadline=")
    assert text.endswith(
        "give a number of seconds, a timedelta, or text such as '500ms', '30s', '1h30m', '1d2h3m50s', '1w'"
    )


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=10**6), min_size=6, max_size=6))
def test_text_is_the_sum_of_its_parts(counts):
    """Each unit at most once, in their order."""
    text = "".join(f"{count}{unit}" for count, unit in zip(counts, UNITS, strict=True) if count)
    seconds = sum(count * size for count, size in zip(counts, UNITS.values(), strict=True))
    if seconds:
        assert seconds_of(text, option="ttl") == pytest.approx(seconds)


@settings(deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="0123456789.wdhms"), st.floats(), st.integers(), st.timedeltas()))
def test_anything_is_read_or_refused(duration):
    """Never another error, and what is read is a finite number above zero."""
    try:
        seconds = seconds_of(duration, option="ttl")
    except ConfigurationError:
        return
    assert type(seconds) is float
    assert 0 < seconds < math.inf


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"), (0.0005, "0.5 ms"), (0.05, "50 ms"), (0.25, "250 ms"), (0.9999, "1 s"), (1, "1 s"),
        (2.5, "2.5 s"), (59.96, "1 min"), (90, "1 min 30 s"), (3600, "1 h"), (21600, "6 h"), (93830, "1 d 2 h"),
        (math.inf, "for ever"),
    ],
)  # fmt: skip
def test_how_a_duration_is_shown(seconds, text):
    """For people: its two largest units."""
    assert shown(seconds) == text
