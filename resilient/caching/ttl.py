"""How long a result is kept: for a fixed time, or as long as a function of the call says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from resilient.caching.arguments import Arguments, name_of
from resilient.caching.callbacks import Callback
from resilient.checks import is_number, need
from resilient.durations import Duration, seconds_of

TtlOption: TypeAlias = Duration | Callable[..., Duration]
"""A duration, or a function that tells one: it names parameters of the call, and ``result``."""

RESULT = "result"


class CalledTtl:
    """A time that a function tells for each call.

    The function names any of the call's parameters, and ``result`` for what the call returned; a parameter of that name
    gives way to it.

    Args:
        function: tells the time, in any form of a duration.
        arguments: the parameters of the function that is called.
        option: what it was given for, named in errors.

    Raises:
        ConfigurationError: it names something else, or is async.
    """

    __slots__ = ("_arguments", "_callback", "_what")

    def __init__(self, function: Callable[..., Duration], arguments: Arguments, *, option: str) -> None:
        offered = tuple(dict.fromkeys((*arguments.names, RESULT)))
        self._callback = Callback(function, offered, option=option)
        self._arguments = arguments
        self._what = f"{option}={name_of(function)}(...)"

    def seconds(self, args: tuple[object, ...], kwargs: Mapping[str, object], result: object) -> float:
        """The time for one call.

        Raises:
            TypeError: the call does not fit its function.
            ConfigurationError: what the function returned is no duration.
        """
        offered = dict(zip(self._arguments.names, self._arguments.values(args, kwargs), strict=True))
        offered[RESULT] = result
        told = self._callback(offered)
        return seconds_of(cast("Duration", told), option=self._what)


def ttl_of(ttl: TtlOption, arguments: Arguments, *, option: str = "ttl") -> float | CalledTtl:
    """The time that ``ttl`` means: seconds, or what tells them for each call.

    Raises:
        ConfigurationError: it is none of the accepted forms.
    """
    if not callable(ttl):
        return seconds_of(ttl, option=option)
    return CalledTtl(ttl, arguments, option=option)


def need_share(jitter: float, *, option: str = "jitter") -> None:
    """Refuse what is no share of a time.

    Raises:
        ConfigurationError: it is not.
    """
    need(is_number(jitter) and 0 <= jitter < 1, option, jitter, "a number from 0 up to, but less than, 1")


def jittered(seconds: float, jitter: float, *, random: Callable[[], float]) -> float:
    """A time drawn evenly from those that are shorter than ``seconds`` by up to its share ``jitter``.

    What was stored at the same moment does not end at the same moment then.

    Args:
        seconds: the longest time.
        jitter: from 0 up to less than 1.
        random: draws from [0, 1).
    """
    return seconds * (1 - jitter * random())
