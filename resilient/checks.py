"""How an option with a wrong value is refused."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import cast

from resilient.errors import ConfigurationError


def need(holds: bool, option: str, value: object, right: str) -> None:
    """Refuse ``value`` unless the condition ``holds``; ``right`` says what to give instead.

    Raises:
        ConfigurationError: it does not hold.
    """
    if not holds:
        raise ConfigurationError(f"{option}={value!r} is not right; give {right}")


def is_number(value: object) -> bool:
    """Whether it is a finite number; True and False are none."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def is_count(value: object) -> bool:
    """Whether it is a whole number of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def are_all(kind: type, values: object) -> bool:
    """Whether it is a collection of values of one ``kind``; True and False are no numbers."""
    if not isinstance(values, Collection):
        return False
    each = cast("Collection[object]", values)
    return all(isinstance(one, kind) and not isinstance(one, bool) for one in each)
