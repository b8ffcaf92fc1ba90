"""Dates, RFC 9110 section 5.6.7 and RFC 9111 section 4.2."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.dates import format_date, parse_date

SAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()
FAR = datetime(2050, 8, 18, 2, 1, 18, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", SAMPLE),
        ("Sunday, 06-Nov-94 08:49:37 GMT", SAMPLE),
        ("Sun Nov  6 08:49:37 1994", SAMPLE),
        ("sun, 06 NOV 1994 08:49:37 gMT", SAMPLE),
        ("\tSun, 06 Nov 1994 08:49:37 GMT ", SAMPLE),
        ("Thursday, 18-Aug-50 02:01:18 GMT", FAR),
        ("Thu Aug 18 02:01:18 2050", FAR),
        ("Mon, 06 Nov 1994 08:49:37 GMT", SAMPLE),
        ("Sun, 06 Nov 1994 08:49:60 GMT", SAMPLE + 23),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799),
        ("Mon, 01 Jan 0001 00:00:00 GMT", -62135596800),
    ],
)
def test_the_three_forms_are_read(text, instant):
    """In any case; a wrong day of the week harms nobody; no local time zone has a say."""
    assert parse_date(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        None, "", "0", "-1", "never",
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 2050 02:01:18 +0000",
        "Thu, 18 Aug 2050 02:01:18",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 8 Aug 2050 02:01:18 GMT",
        "Thu, 30 Feb 2050 02:01:18 GMT",
        "Thu, 00 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 0000 02:01:18 GMT",
        "Thu, 18 Aug 2050 24:00:00 GMT",
        "Thu, 18 Aug 2050 02:01:61 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT;x",
        "Thu, 1\u0668 Aug 2050 02:01:18 GMT",
        "Thu Aug 8 02:01:18 2050",
        "Thu Aug 08 02:01:18 2050 GMT",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    """What other readers of dates let pass would make malformed answers fresh."""
    assert parse_date(text) is None


@settings(deadline=None)
@given(st.integers(-62135596800, 253402300799))
def test_dates_are_written_as_they_are_read(instant):
    """For every second of the years 1 to 9999, as the standard library writes it too."""
    text = format_date(instant)
    assert parse_date(text) == instant
    assert text == format_datetime(datetime.fromtimestamp(instant, UTC), usegmt=True)


@settings(deadline=None)
@given(st.floats(0, 4e9))
def test_parts_of_a_second_are_dropped(instant):
    """The nearest time that is not later (RFC 9111 section 4.2)."""
    assert 0 <= instant - parse_date(format_date(instant)) < 1


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")))
def test_any_text_is_read(text):
    """Never an error."""
    found = parse_date(text)
    assert found is None or isinstance(found, float)
