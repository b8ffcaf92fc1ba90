"""How long to wait before the next attempt; all in seconds."""

from __future__ import annotations

from collections.abc import Callable

_MOST_DOUBLINGS = 1000
"""A float holds no 1,024th power of two."""


def doubled(attempt: int, *, base: float, cap: float) -> float:
    """``base`` for attempt number 1, twice as much for each one after it, ``cap`` at most."""
    return min(cap, base * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))


def full_jitter(attempt: int, *, base: float, cap: float, random: Callable[[], float]) -> float:
    """The wait after failed attempt number ``attempt``: anything from nothing to the doubled ``base``.

    Of the known ways this one spreads the callers of a failed origin best.

    Args:
        attempt: how many attempts have failed, 1 at least.
        base: the most for the first wait.
        cap: the most for any wait.
        random: draws from [0, 1).
    """
    return random() * doubled(attempt, base=base, cap=cap)


def decorrelated(previous: float, *, base: float, cap: float, random: Callable[[], float]) -> float:
    """The wait that follows one of ``previous``: from ``base`` to three times ``previous``, at most ``cap``.

    Args:
        previous: the wait before this one; 0 if there was none, which gives ``base``.
        base: the least.
        cap: the most, even if that is less than ``base``.
        random: draws from [0, 1).
    """
    return min(cap, base + random() * (max(base, previous * 3) - base))
