"""What a cache is asked, in the log."""

from __future__ import annotations

import logging
from typing import Any

from resilient.caching.control import Command
from resilient.caching.core import Proceed
from resilient.durations import shown
from resilient.runtime.clock import SystemClock

logger = logging.getLogger("resilient.cache")
_now = SystemClock.now


class Logging:
    """Log each command with its keys, and whether a ``get`` was a hit, by the logger ``resilient.cache`` at DEBUG.

    Keys are written as they are, and may hold personal data; values are never written. A stored None is logged as a
    miss.
    """

    async def __call__(self, proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Any:
        """Do ``command`` and log it."""
        if not logger.isEnabledFor(logging.DEBUG):
            return await proceed(*args, **kwargs)
        began, outcome = _now(), "done"
        try:
            result = await proceed(*args, **kwargs)
            if command is Command.GET:
                outcome = "miss" if result is None else "hit"
            return result
        except BaseException as error:
            outcome = type(error).__qualname__
            raise
        finally:
            took = shown(_now() - began)
            logger.debug("%s %s: %s in %s", command.value, ", ".join(_keys(command, args)), outcome, took)


def _keys(command: Command, args: tuple[Any, ...]) -> list[str]:
    """The keys, tags or patterns among the arguments of a command."""
    if not args:
        return ["everything"]
    if command is Command.SET_MANY:
        return [repr(key) for key in args[0]]
    several = command in (Command.GET_MANY, Command.DELETE_MANY, Command.DELETE_TAGS)
    return [repr(key) for key in (args if several else args[:1])]
