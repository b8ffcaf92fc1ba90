"""A store that fails is as good as an empty one."""

from __future__ import annotations

import logging
from typing import Any

from resilient.caching.control import Command
from resilient.caching.core import TROUBLE, Proceed

logger = logging.getLogger("resilient.cache")

_PASSED_ON = (Command.PING, Command.SCAN, Command.GET_MATCH)
"""Who sends a ping wants to know; and an iterator fails later, while it is iterated."""


class ErrorHandling:
    """Let no command fail since its store did: what is read is missing, what is written or forgotten is not.

    Each failure is logged as an error by the logger ``resilient.cache``, without the key. Decorated functions and
    clients do not need this, since their calls go on anyway; it is for commands that are given directly. Errors that
    are not a store's pass, a value that cannot be kept among them, and so do those of ``ping``, ``scan`` and
    ``get_match``.
    """

    async def __call__(self, proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Any:
        """Do ``command``; the answer of an empty store if that fails."""
        try:
            return await proceed(*args, **kwargs)
        except TROUBLE as error:
            if command in _PASSED_ON:
                raise
            logger.error("the store failed to %s: %s", command.value, error)
        return (kwargs.get("default"),) * len(args) if command is Command.GET_MANY else None
