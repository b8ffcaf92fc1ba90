"""A function with something done around each of its calls, written once for both kinds of functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias, TypeVar, cast

from resilient.caching.arguments import is_async
from resilient.caching.core import Core
from resilient.errors import ConfigurationError
from resilient.ports import Job, Runtime
from resilient.runtime.drive import drive

F = TypeVar("F", bound=Callable[..., Any])
Around: TypeAlias = Callable[[Runtime, tuple[Any, ...], Mapping[str, Any], Job[Any]], Coroutine[Any, Any, Any]]
"""Does something around a call, which is its last argument; the others are the colour and the call's arguments."""


class StoppedError(Exception):
    """On its way through coroutines: a function raised what no coroutine can raise.

    Attributes:
        error: what it raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def surrounded(core: Core, function: F, around: Around, *, option: str) -> F:
    """``function`` with ``around`` done around each of its calls.

    Args:
        core: whose runtimes say how to wait.
        function: a plain function, or a coroutine function.
        around: what is done.
        option: what decorates the function, named in the error.

    Raises:
        ConfigurationError: the function is a generator, whose call does nothing yet.
    """
    if isinstance(cast("object", function), classmethod | staticmethod):
        method = cast("Any", function)
        return cast("F", type(method)(surrounded(core, method.__func__, around, option=option)))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{option}: {function.__qualname__} is a generator; give a function that returns")

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        return await around(core.tasks, args, kwargs, lambda: function(*args, **kwargs))

    def call(*args: Any, **kwargs: Any) -> Any:
        async def job() -> Any:
            try:
                return function(*args, **kwargs)
            except (StopIteration, StopAsyncIteration) as error:
                raise StoppedError(error) from None

        try:
            return drive(around(core.threads, args, kwargs, job))
        except StoppedError as stopped:
            raise stopped.error from None

    wrapper = call_async if is_async(function) else call
    return cast("F", functools.wraps(function)(wrapper))
