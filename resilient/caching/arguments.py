"""The arguments of a call, by the names of the function's parameters."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, Signature
from types import FunctionType, MethodType
from typing import Any, NoReturn, cast

from resilient.errors import ConfigurationError

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Arguments:
    """The parameters of a function, and what one call of it gives them, however the call is spelt.

    Args:
        function: the function; a wrapper that names what it wraps stands for that, a class method or a static method
            for the function in it.

    Attributes:
        name: module and qualified name of the function.
        is_named: whether that is its own name, as a lambda and a partial function have none.
        names: of its parameters, in their order.

    Raises:
        ConfigurationError: it is no function, or does not say what its parameters are.
    """

    __slots__ = ("_by_keyword", "_defaults", "_function", "_signature", "_tails", "is_named", "name", "names")

    def __init__(self, function: Callable[..., object]) -> None:
        if isinstance(cast("object", function), classmethod | staticmethod):
            function = cast("Any", function).__func__
        if not callable(cast("object", function)):
            # A function decorated without parentheses is taken for an option, the argument of its call for a function.
            given = f"an instance of {type(function).__qualname__}"
            raise ConfigurationError(f"{given} cannot be decorated; write the options first, as in @cache(ttl='1h')")
        self.name = name_of(function)
        self.is_named = "<lambda>" not in getattr(function, "__qualname__", "<lambda>")
        self._function = function
        self._signature = signature_of(function)
        parameters = self._signature.parameters
        self.names = tuple(parameters)
        self._defaults = {one.name: one.default for one in parameters.values() if one.default is not Parameter.empty}
        self._tails = self._read_tails()
        self._by_keyword = self._read_by_keyword()

    def values(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[object, ...]:
        """What the parameters get in a call, in the order of :attr:`names`, defaults applied.

        Raises:
            TypeError: the call does not fit; the function's own error.
        """
        given = len(args)
        if not kwargs:
            tail = self._tails.get(given)
            return self._bound(args, kwargs) if tail is None else args + tail
        by_keyword = self._by_keyword.get(given)
        if by_keyword is None:
            return self._bound(args, kwargs)
        rest: list[object] = []
        taken = 0
        for name in by_keyword:
            if name in kwargs:
                rest.append(kwargs[name])
                taken += 1
            elif name in self._defaults:
                rest.append(self._defaults[name])
            else:
                break
        if taken == len(kwargs) and given + len(rest) == len(self.names):
            return (*args, *rest)
        return self._bound(args, kwargs)

    def _read_tails(self) -> dict[int, tuple[object, ...]]:
        """By the number of arguments without a name: what the parameters behind them get in a call with no others.

        A function with ``*args`` or ``**kwargs`` has none of these short cuts.
        """
        behind: dict[int, tuple[object, ...]] = {}
        for given, names in self._read_by_keyword().items():
            if all(name in self._defaults for name in names):
                behind[given] = tuple(self._defaults[name] for name in names)
        return behind

    def _read_by_keyword(self) -> dict[int, tuple[str, ...]]:
        """By the number of arguments without a name: the parameters behind them, if all may be given by name."""
        parameters = list(self._signature.parameters.values())
        if any(one.kind in _VARIADIC for one in parameters):
            return {}
        most = sum(one.kind in _POSITIONAL for one in parameters)
        least = sum(one.kind is Parameter.POSITIONAL_ONLY for one in parameters)
        return {given: self.names[given:] for given in range(least, most + 1)}

    def _bound(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[object, ...]:
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            self._refuse(error, args, kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def _refuse(self, error: TypeError, args: tuple[object, ...], kwargs: Mapping[str, object]) -> NoReturn:
        innermost = inspect.unwrap(self._function, stop=_says_otherwise)
        if isinstance(innermost, FunctionType | MethodType) and not _says_otherwise(innermost):
            # Arguments that do not fit are refused before anything of the function runs, in the words that people know.
            innermost(*args, **kwargs)
        raise TypeError(f"{self.name}(): {error}") from None


def _says_otherwise(function: Callable[..., object]) -> bool:
    """Whether it has other parameters for people to see than it takes."""
    return hasattr(function, "__signature__")


def is_async(function: Callable[..., object]) -> bool:
    """Whether what it returns is awaited: it is a coroutine function, or an object whose call is one."""
    call = getattr(type(function), "__call__", None)  # noqa: B004 # not whether it is there, but what it is
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def name_of(function: Callable[..., object]) -> str:
    """Module and qualified name, for people; of what has none, its type's."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def signature_of(function: Callable[..., object]) -> Signature:
    """What a function's parameters are.

    Raises:
        ConfigurationError: it does not say, as some that are written in C.
    """
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name_of(function)} does not say what its parameters are") from error


def nearest_first(name: str, known: Collection[str]) -> str:
    """The names there are, for people, beginning with those that most resemble ``name``."""
    if not known:
        return "there are none"
    likeness = {one: difflib.SequenceMatcher(None, name, one).ratio() for one in known}
    return f"there are: {', '.join(sorted(known, key=lambda one: (-likeness[one], one)))}"
