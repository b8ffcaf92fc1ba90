"""How long a value is kept: a number of seconds, or what tells it from a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from resilient.durations import shown
from resilient.errors import ConfigurationError


class Reckoned(Protocol):
    """Tells a time from the parameters of a call and its result."""

    def seconds(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: object) -> float:
        """The time, in seconds."""
        ...


Span: TypeAlias = float | Reckoned
"""Seconds, or what tells them; a strategy only hands it to its slot."""


def told(span: Span) -> str:
    """The time for people."""
    return shown(span) if isinstance(span, float | int) else "as long as the call says"


def need_order(**spans: Span) -> None:
    """Refuse two times of which the first is not less than the second, where both are known.

    Raises:
        ConfigurationError: it is not.
    """
    (first, less), (second, more) = spans.items()
    if isinstance(less, float | int) and isinstance(more, float | int) and less >= more:
        raise ConfigurationError(f"{first}={shown(less)} is not less than {second}={shown(more)}; give a shorter one")
