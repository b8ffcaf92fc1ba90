"""Functions of the user's that are called with what they name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter

from resilient.caching.arguments import name_of, nearest_first, signature_of
from resilient.errors import ConfigurationError


class Callback:
    """Calls a function with those of the values on offer that its parameters name.

    A parameter with a default need not be one of them; ``**others`` gets all that no other parameter names.

    Args:
        function: the function.
        offered: the names of the values on offer.
        option: what the function was given for, named in errors.

    Raises:
        ConfigurationError: a parameter names something else, or the function is async.
    """

    __slots__ = ("_by_name", "_function", "_in_order")

    def __init__(self, function: Callable[..., object], offered: Collection[str], *, option: str) -> None:
        need_plain(function, option)
        self._function = function
        parameters = signature_of(function).parameters.values()
        for one in parameters:
            required = one.default is Parameter.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
            if required and one.name not in offered:
                raise ConfigurationError(
                    f"{option}={name_of(function)} names {one.name!r}, which it cannot be given; "
                    f"{nearest_first(one.name, offered)}"
                )
        known = [one for one in parameters if one.name in offered]
        self._in_order = tuple(one.name for one in known if one.kind is one.POSITIONAL_ONLY)
        takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
        by_name = (one.name for one in known if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY))
        self._by_name = tuple(name for name in offered if name not in self._in_order) if takes_all else tuple(by_name)

    def __call__(self, offered: Mapping[str, object]) -> object:
        """What the function returns; ``offered`` holds the values by their names."""
        in_order = [offered[name] for name in self._in_order]
        return self._function(*in_order, **{name: offered[name] for name in self._by_name})


def need_plain(function: Callable[..., object], option: str) -> None:
    """Refuse a function whose result would have to be awaited, or drawn.

    Raises:
        ConfigurationError: it is one.
    """
    tests = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    call = getattr(type(function), "__call__", None)  # noqa: B004 # not whether it is there, but what it is
    if any(test(one) for test in tests for one in (function, call)):
        raise ConfigurationError(f"{option}={name_of(function)} is async or a generator; give a plain function")
