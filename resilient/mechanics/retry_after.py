"""How long an origin asks to be left alone. Whatever it writes, nothing here raises."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable

_LONGEST = 1000
"""Characters; no honest field is longer."""
_YEAR = 31_556_952.0
"""Seconds in the mean year of the calendar."""
_EPOCH_LIKE = 1e9
"""Some origins write an instant where seconds belong; such a number is one."""

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    r"""(?:[a-z]+,?[ ]+)?                    # the name of the day says nothing that the date does not
        (?:(?P<day>[0-9]{1,2})[ -](?P<month>[a-z]{3})[ -](?P<year>[0-9]{4}|[0-9]{2})[ ]+
           (?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})
         | (?P<asc_month>[a-z]{3})[ ]+(?P<asc_day>[0-9]{1,2})[ ]+
           (?P<asc_time>[0-9]{2}:[0-9]{2}:[0-9]{2})[ ]+(?P<asc_year>[0-9]{4}))
        (?:[ ]*(?:gmt|utc|z|[+-]0000))?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PARAMETER = re.compile(r"(?:^|[; ])(r|t|remaining|reset)=([0-9]+(?:\.[0-9]+)?)(?=$|[; ])")


def retry_after(headers_get: Callable[[str], str | None], status: int, wall: float) -> float | None:
    """Seconds that an answer asks to wait; infinite if absurdly many, None if it says nothing intelligible.

    RFC 9110 section 10.2.3: ``Retry-After`` holds whole seconds or a date; a date that is past asks for none.
    Decimals are understood too, as is ``retry-after-ms``, which goes first. Negative numbers are not.

    Args:
        headers_get: the value of a header field by its name, None without one.
        status: of the answer; only 429 and 503 are asked to be tried again.
        wall: the date now; seconds since the epoch.
    """
    if status not in (429, 503):
        return None
    if (milliseconds := _seconds(_field(headers_get, "retry-after-ms"))) is not None:
        return milliseconds / 1000
    field = _field(headers_get, "retry-after")
    if (seconds := _seconds(field)) is not None:
        return seconds
    date = _date(field, wall)
    return None if date is None else max(0.0, date - wall)


def pause_asked(headers_get: Callable[[str], str | None], wall: float) -> float | None:
    """Seconds until a spent quota is renewed; None if the answer, of whatever status, tells of none.

    ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers) lists quotas, each with what remains of it and the
    seconds until it is renewed: ``"burst";r=5;t=1, "day";r=0;t=3600``. The longest pause counts. In its older
    form, ``limit=100, remaining=0, reset=5``, it is one quota.

    Args:
        headers_get: the value of a header field by its name, None without one.
        wall: the date now; seconds since the epoch.
    """
    field = _field(headers_get, "ratelimit")
    quotas = [dict(_PARAMETER.findall(quota)) for quota in _QUOTED.sub("", field).split(",")]
    quotas.append({name: value for quota in quotas for name, value in quota.items() if len(name) > 1})
    pauses = [
        float(quota[until])
        for quota in quotas
        for left, until in (("r", "t"), ("remaining", "reset"))
        if until in quota and float(quota.get(left, 1)) == 0
    ]
    if not pauses:
        return None
    return max(max(0.0, pause - wall) if pause >= _EPOCH_LIKE else pause for pause in pauses)


def _field(headers_get: Callable[[str], str | None], name: str) -> str:
    """The value without blanks around it; nothing if it cannot be honest."""
    value = headers_get(name)
    return value.strip(" \t") if value is not None and len(value) <= _LONGEST else ""


def _seconds(field: str) -> float | None:
    return float(field) if _SECONDS.fullmatch(field) else None


def _date(field: str, wall: float) -> float | None:
    """The instant of an HTTP date in any of the three forms of RFC 9110 section 5.6.7, in GMT."""
    found = _DATE.fullmatch(field)
    if found is None:
        return None
    month = (found["month"] or found["asc_month"]).lower()
    day, year = int(found["day"] or found["asc_day"]), int(found["year"] or found["asc_year"])
    hour, minute, second = map(int, (found["time"] or found["asc_time"]).split(":"))
    if found["year"] and len(found["year"]) == 2:
        # A date of two digits that seems to be more than 50 years in the future is in the past.
        first = int(1970 + wall // _YEAR) - 49
        year = first + (year - first) % 100
    if month not in _MONTHS or not 1 <= year <= 9999 or hour > 23 or minute > 59 or second > 60:
        return None
    number = _MONTHS.index(month) + 1
    if not 1 <= day <= calendar.monthrange(year, number)[1]:
        return None
    return float(calendar.timegm((year, number, day, hour, minute, second)))
