"""A function whose calls make a cache forget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from resilient.caching.arguments import Arguments
from resilient.caching.commands import Commands
from resilient.caching.control import Command
from resilient.caching.core import Core
from resilient.caching.surrounding import surrounded
from resilient.caching.templates import Template
from resilient.errors import StoreError
from resilient.ports import Job, Runtime

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
    pattern = Template(template, Arguments(function), option="template").key

    async def around(runtime: Runtime, args: tuple[Any, ...], kwargs: Mapping[str, Any], job: Job[Any]) -> Any:
        # Told while the arguments are as the caller gave them; one that is refused is refused before the call.
        forgotten = pattern(args, kwargs)
        result = await job()
        try:
            await Commands(core, blocking=runtime is core.threads).delete_match(forgotten)
        except StoreError as error:
            core.failed(Command.DELETE_MATCH, "", error)
        return result

    return surrounded(core, function, around, option="invalidate")
