"""What an exporter or a processor of spans does wrong never reaches a call."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Other = TypeVar("Other")

logger = logging.getLogger("resilient.telemetry")
_told: set[str] = set()


def harmless(otherwise: Other) -> Callable[[Callable[P, T]], Callable[P, T | Other]]:
    """Give ``otherwise`` where the function raises; logged once for each kind of error."""

    def decorated(function: Callable[P, T]) -> Callable[P, T | Other]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T | Other:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if (kind := type(error).__qualname__) not in _told:
                    _told.add(kind)
                    logger.exception("following a call with OpenTelemetry failed; further failures are not logged")
                return otherwise

        return guarded

    return decorated
