"""The freshness that an answer states itself, where a strategy wants a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from resilient.caching.spans import Span


class Stated:
    """Seconds that only an answer can tell."""

    def __str__(self) -> str:
        return "as long as the answer says"

    def seconds(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: object) -> float:
        """What the answer says, which is ``result``: seconds from its receipt on."""
        assert isinstance(result, float)
        return result


STATED: Final = Stated()


def span_of(span: Span, stated: float) -> float:
    """Seconds from the receipt of an answer on.

    Args:
        span: what a strategy wants.
        stated: what the answer says.
    """
    return span if isinstance(span, float | int) else span.seconds((), {}, stated)


class Spans(NamedTuple):
    """What a strategy wants of an answer.

    Attributes:
        fresh_for: as good as new.
        keep_for: served.
    """

    fresh_for: Span
    keep_for: Span


AS_STATED: Final = Spans(STATED, STATED)
"""As long as the answer says itself, and not a moment longer."""
