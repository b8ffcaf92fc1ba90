"""Options of stores, as they are written in a URL or in Python, parsed in this one place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from resilient.durations import seconds_of
from resilient.errors import ConfigurationError
from resilient.events import Event

Record: TypeAlias = Callable[[Event], None]
"""Hears what happens in a store; called on the thread where it happens, must not block."""

_UNITS = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_BYTES = re.compile(r"([0-9]{1,18}) ?([a-z]{0,3})")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def server_urls(url: str) -> list[str]:
    """The URL of each server that ``url`` names; several stand between commas, which nothing else reads."""
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    user, at, hosts = authority.rpartition("@")
    return [f"{scheme}://{user}{at}{host}{rest[len(authority) :]}" for host in hosts.split(",")]


def count_of(value: object, *, option: str) -> int:
    """A whole number above zero.

    Raises:
        ConfigurationError: ``value`` is none.
    """
    number = _whole(value)
    if number is None or number <= 0:
        raise ConfigurationError(f"{option}={value!r} is not right; give a whole number above 0")
    return number


def bytes_of(value: object, *, option: str) -> int:
    """A number of bytes: a whole number above zero, or text such as ``"64MiB"`` or ``"1GB"``.

    Raises:
        ConfigurationError: ``value`` is neither.
    """
    number = _whole(value)
    if isinstance(value, str) and (found := _BYTES.fullmatch(value.lower())) and found[2] in _UNITS:
        number = int(found[1]) * _UNITS[found[2]]
    if number is None or number <= 0:
        raise ConfigurationError(f"{option}={value!r} is not right; give bytes above 0, as in 1048576 or '64MiB'")
    return number


def flag_of(value: object, *, option: str) -> bool:
    """True or False, or a word for them.

    Raises:
        ConfigurationError: ``value`` is neither.
    """
    flag = _FLAGS.get(str(value).lower())
    if flag is None:
        raise ConfigurationError(f"{option}={value!r} is not right; give True or False, in a URL true or false")
    return flag


def span_of(value: object, *, option: str) -> float:
    """Seconds: a duration as everywhere, or a plain number as a URL has it.

    Raises:
        ConfigurationError: ``value`` is none.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    return seconds_of(value, option=option)  # type: ignore[arg-type] # refuses whatever is no duration


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) else None
