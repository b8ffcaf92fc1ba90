"""What is called after a command."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from resilient.caching.callbacks import Callback
from resilient.caching.control import Command, commands_of
from resilient.caching.core import Proceed, key_in

logger = logging.getLogger("resilient.cache")

_OFFERED = ("command", "key", "result", "args", "kwargs")


class After:
    """Call a function each time that a command has succeeded.

    Its parameters say what it wants to know: ``command``; ``key``, the first key, or an empty text if there is none;
    ``result``, for ``get`` the value, or None for a miss; ``args`` and ``kwargs`` of the command. The command has
    taken effect by then, and waits for the function to return. One that raises is logged, and hurts nobody.

    Args:
        callback: a plain function.
        commands: after which commands it is called; after every one if none is named.

    Raises:
        ConfigurationError: the function wants to know something else, or there is no command of that name.
    """

    def __init__(self, callback: Callable[..., object], *commands: str) -> None:
        self._callback = Callback(callback, _OFFERED, option="callback")
        self._commands = commands_of(commands)

    async def __call__(self, proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Any:
        """Do ``command``, then call."""
        result = await proceed(*args, **kwargs)
        if command in self._commands:
            self._tell({"command": command, "key": key_in(args), "result": result, "args": args, "kwargs": kwargs})
        return result

    def _tell(self, offered: dict[str, object]) -> None:
        try:
            self._callback(offered)
        except Exception:
            logger.exception("a callback after %s failed", offered["command"])
