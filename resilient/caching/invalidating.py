"""A function whose calls make a cache forget."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from resilient.caching.arguments import Arguments
from resilient.caching.commands import Commands
from resilient.caching.core import Core
from resilient.caching.templates import Template
from resilient.errors import ConfigurationError, StoreError
from resilient.events import StoreFailed
from resilient.runtime.drive import drive

F = TypeVar("F", bound=Callable[..., Any])


def invalidating(core: Core, function: F, template: str) -> F:
    """``function``, after whose return the keys that match are forgotten. A store that fails does not fail the call.

    Args:
        core: the cache.
        function: a plain function, or a coroutine function.
        template: a pattern of keys with parameters of the function.

    Raises:
        ConfigurationError: the template is wrong, or the function is a generator.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"invalidate: {function.__qualname__} is a generator; give a function that returns")
    pattern = Template(template, Arguments(function), option="template").key

    async def forget(commands: Commands, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            await commands.delete_match(pattern(args, kwargs))
        except StoreError as error:
            core.record(StoreFailed(store="cache", operation="delete", kind=error.kind))

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        result = await function(*args, **kwargs)
        await forget(Commands(core, blocking=False), args, kwargs)
        return result

    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        drive(forget(Commands(core, blocking=True), args, kwargs))
        return result

    wrapper = call_async if inspect.iscoroutinefunction(function) else call
    return cast("F", functools.wraps(function)(wrapper))
