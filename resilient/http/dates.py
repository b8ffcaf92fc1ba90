"""Dates, as HTTP writes them (RFC 9110 section 5.6.7)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_OF = {month.lower(): number for number, month in enumerate(_MONTHS, 1)}

_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = f"(?P<month>{'|'.join(_MONTH_OF)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
# Names in any case (RFC 9111 section 4.2); everything else to the letter.
_FORMS = (
    re.compile(rf"{_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d\d\d\d) {_TIME} gmt", re.I | re.A),  # IMF-fixdate
    re.compile(rf"{_LONG_DAY}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} gmt", re.I | re.A),  # RFC 850
    re.compile(rf"{_DAY} {_MONTH} (?P<day>\d\d| \d) {_TIME} (?P<year>\d\d\d\d)", re.I | re.A),  # asctime
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_CENTURY_BEGINS = 70
"""A year of two digits from this on is of the twentieth century; RFC 9110 lets that depend on the clock, which is not
known here. A date that is taken to be too early makes an answer stale at worst."""


_LONGEST = 48
"""Characters; no date is longer."""


def parse_date(text: str | None) -> float | None:
    """The instant that ``text`` names, in seconds since the epoch; None if it is no date.

    The name of the day is not compared with the date. A leap second is the second after it.
    """
    return None if text is None or len(text) > _LONGEST else _parsed(text.strip(" \t"))


@lru_cache(maxsize=1024)
def _parsed(text: str) -> float | None:
    for form in _FORMS:
        if (found := form.fullmatch(text)) is not None:
            return _instant(found)
    return None


def _instant(found: re.Match[str]) -> float | None:
    year, second = int(found["year"]), int(found["second"])
    if len(found["year"]) == 2:
        year += 1900 if year >= _CENTURY_BEGINS else 2000
    leap = second == 60
    try:
        date = datetime(
            year, _MONTH_OF[found["month"].lower()], int(found["day"]), int(found["hour"]), int(found["minute"]),
            59 if leap else second, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:  # the 30th of February, 25 o'clock
        return None
    return (date - _EPOCH) / _SECOND + leap


def format_date(instant: float) -> str:
    """``instant``, in seconds since the epoch, as an IMF-fixdate; parts of a second are dropped."""
    date = _EPOCH + timedelta(seconds=int(instant // 1))
    return f"{_DAYS[date.weekday()]}, {date.day:02} {_MONTHS[date.month - 1]} {date.year:04} {date:%H:%M:%S} GMT"
