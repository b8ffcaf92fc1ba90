"""What origins write into Retry-After and RateLimit, and what it means (RFC 9110, 5.6.7 and 10.2.3)."""

import math
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resilient.mechanics.retry_after import pause_asked, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def ask(value, status=503, name="retry-after", wall=NOW):
    return retry_after({name: value}.get, status, wall)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7\t", 7.0),
        ("007", 7.0),
        ("99999999999", 99_999_999_999.0),
        ("1" + "0" * 400, math.inf),
    ],
)
def test_seconds(value, seconds):
    """Digits, leniently with decimals; absurdly many are infinite, so that the caller gives up."""
    assert ask(value) == seconds


WORDS = ["-1", "+5", "-0", "nan", "inf", "infinity", "1e3", "0x10", "1_000", "5s", "5,6", ".5", "5.", "soon"]
DIGITS = ["٣", "５", "1٣", "²"]


@pytest.mark.parametrize("value", [*WORDS, *DIGITS, "5 s", "", " ", "5\n", "5\x00", "1" * 1001])
def test_what_is_not_a_number_is_nothing(value):
    """Negative, non-ASCII, exponents, words, endless: as if it were not there; the own back-off applies."""
    assert ask(value) is None


DATES = """\
Tue, 14 Nov 2023 22:13:50 GMT
Tuesday, 14-Nov-23 22:13:50 GMT
Tue Nov 14 22:13:50 2023
Tue, 14 Nov 2023 22:13:50
14 Nov 2023 22:13:50 GMT
tue, 14 nov 2023 22:13:50 gmt
Tue, 14 Nov 2023 22:13:50 UTC
Tue, 14 Nov 2023 22:13:50 +0000
Mon, 14 Nov 2023 22:13:50 GMT"""


@pytest.mark.parametrize("value", DATES.splitlines())
def test_dates(value):
    """All three forms of an HTTP date, without a zone too; the name of the day proves nothing."""
    assert ask(value) == 30.0


def test_the_three_forms_of_the_standard():
    """The examples of RFC 9110 section 5.6.7 are one instant, asctime's with a blank before its day."""
    for value in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ):
        assert ask(value, wall=784_111_770.0) == 7.0


def test_a_date_that_is_past_asks_for_nothing():
    """It is over, so the caller may come back at once."""
    assert ask("Tue, 14 Nov 2023 22:13:19 GMT") == 0.0
    assert ask("Thu, 01 Jan 1970 00:00:00 GMT") == 0.0
    assert ask("Mon, 01 Jan 0001 00:00:00 GMT") == 0.0


NO_DATES = """\
Tue, 14 Nov 99999 22:13:50 GMT
Tue, 14 Nov 0000 22:13:50 GMT
Tue, 31 Feb 2024 00:00:00 GMT
Tue, 29 Feb 2023 00:00:00 GMT
Tue, 00 Nov 2023 22:13:50 GMT
Tue, 14 Xyz 2023 22:13:50 GMT
Tue, 14 Sept 2023 22:13:50 GMT
Tue, 14 Nov 2023 24:13:50 GMT
Tue, 14 Nov 2023 22:60:50 GMT
Tue, 14 Nov 2023 22:13:61 GMT
Tue, 14 Nov 2023 22:13:50 CET
Tue, 14 Nov 2023 22:13:50 +0100
Tue, 14 Nov 2023 22:13:50 GMT, 5
Tue, 1٤ Nov 2023 22:13:50 GMT
Tue, 14 Nov 2023
2023-11-14T22:13:50Z"""


@pytest.mark.parametrize("value", NO_DATES.splitlines())
def test_what_is_not_a_date_is_nothing(value):
    """Days that do not exist, other zones, years of five digits: as if it were not there."""
    assert ask(value) is None


def test_a_leap_second_is_a_time():
    """RFC 9110 allows second 60."""
    assert ask("Sat, 31 Dec 2016 23:59:60 GMT", wall=1_483_228_790.0) == 10.0


@pytest.mark.parametrize(("year", "means"), [("23", 2023), ("73", 2073), ("74", 1974), ("99", 1999), ("00", 2000)])
def test_two_digits_of_a_year(year, means):
    """What would be more than 50 years in the future is in the past."""
    asked = ask(f"Tuesday, 14-Dec-{year} 00:00:00 GMT")
    assert asked == (0.0 if means <= 2022 else pytest.approx((means - 2023) * 31_556_952.0, abs=40 * 86_400))
    assert (asked > 0) is (means >= 2023)


def test_milliseconds_go_first():
    """``retry-after-ms`` is finer; one that is malformed is passed over."""
    both = {"retry-after-ms": "1500", "retry-after": "9"}
    assert retry_after(both.get, 429, NOW) == 1.5
    assert retry_after({**both, "retry-after-ms": "x"}.get, 429, NOW) == 9.0
    assert ask("0.5", name="retry-after-ms") == 0.0005


@pytest.mark.parametrize("status", [200, 301, 408, 425, 500, 502, 504])
def test_other_answers_ask_for_nothing(status):
    """Only 429 and 503 are obeyed."""
    assert ask("120", status) is None
    assert ask("120", 429) == ask("120", 503) == 120.0


def test_no_field_asks_for_nothing():
    """The usual answer."""
    assert retry_after({}.get, 503, NOW) is None
    assert pause_asked({}.get, NOW) is None


@pytest.mark.parametrize(
    ("value", "pause"),
    [
        ("r=0;t=5", 5.0),
        ('"default";r=0;t=5', 5.0),
        ('"default"; r=0; t=5', 5.0),
        ('"default";r=0;pk=:abc=:;t=5', 5.0),
        ('"default";r=1;t=5', None),
        ('"default";r=10;t=5', None),
        ('"burst";r=5;t=1, "day";r=0;t=3600', 3600.0),
        ('"burst";r=0;t=1,"day";r=0;t=3600', 3600.0),
        ('"burst";r=0;t=1, "day";r=7;t=3600', 1.0),
        ('";r=0;t=9,\\"";r=3;t=5', None),
        ("r=0x;t=5", None),
        ("limit=100, remaining=0, reset=5", 5.0),
        ("limit=100,remaining=0,reset=5", 5.0),
        ("limit=100; remaining=0; reset=5", 5.0),
        ("limit=100, remaining=1, reset=5", None),
        (f"limit=100, remaining=0, reset={NOW + 30:.0f}", 30.0),
        (f"limit=100, remaining=0, reset={NOW - 30:.0f}", 0.0),
        ('"default";r=0', None),
        ('"default";t=5', None),
        ('"default";r=0;t=-5', None),
        ("r=0;t=٣", None),
        ("limit=100, reset=5", None),
        ("100", None),
        ("", None),
        ('"' * 5000, None),
    ],
)
def test_a_spent_quota_pauses(value, pause):
    """Both forms of RateLimit; the longest pause counts, and only a quota of which nothing remains."""
    assert pause_asked({"ratelimit": value}.get, NOW) == pause


numbers = st.from_regex(r"[-+ ]?[0-9٣]{0,400}\.?[0-9]{0,5}(e[0-9]{1,5})?", fullmatch=True)
dates = st.from_regex(
    r"([A-Za-z]{3,9},? )?[0-9]{1,3}[ -](Jan|Feb|May|Dec|[a-z]{3})[ -][0-9]{1,5}"
    r" [0-9]{1,2}:[0-9]{2}:[0-9]{2}( GMT| [A-Z+0-9]+)?",
    fullmatch=True,
)
quotas = st.from_regex(r'("[a-z,;"\\]{0,5}")?(;(r|t|pk)=[0-9-]{1,20}){0,4}(, (remaining|reset)=[0-9]{1,400}){0,3}')


@given(
    value=st.one_of(st.text(), numbers, dates, quotas),
    wall=st.floats(0, 1e10),
    status=st.sampled_from([429, 503]),
)
@example(value="Sunday, 06-Nov-94 08:49:37 GMT", wall=1e12, status=503)
@example(value='"\\' * 400, wall=0.0, status=503)
def test_no_text_raises(value, wall, status):
    """Whatever a hostile origin writes: nothing, or a number of seconds that is not negative."""
    for name in ("retry-after", "retry-after-ms"):
        asked = retry_after({name: value}.get, status, wall)
        assert asked is None or asked >= 0
    pause = pause_asked({"ratelimit": value}.get, wall)
    assert pause is None or pause >= 0


@given(st.integers(0, 253_402_300_799), st.integers(0, 4_000_000_000))
def test_every_date_that_is_written_is_read(instant, wall):
    """Up to the last second of the year 9999."""
    assert ask(formatdate(instant, usegmt=True), wall=float(wall)) == max(0, instant - wall)
