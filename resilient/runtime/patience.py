"""How long a thread may wait, for what it calls and nobody can stop from outside."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TypeAlias

from resilient.ports import Clock

Until: TypeAlias = tuple[Clock, float] | None
"""A clock, and the instant on it at which the waiting must end; None for no bound."""

_until: ContextVar[Until] = ContextVar("resilient_patience", default=None)


def be_patient(clock: Clock, seconds: float) -> Token[Until]:
    """Let what is called from here on wait for ``seconds`` at most; the outcome ends it, by :func:`patience_over`."""
    return _until.set((clock, clock.now() + seconds))


def patience_over(token: Token[Until]) -> None:
    """Let hold what held before."""
    _until.reset(token)


def patience(otherwise: float) -> float:
    """Seconds that may be waited; ``otherwise`` if nobody said so."""
    until = _until.get()
    if until is None:
        return otherwise
    clock, ends = until
    return max(0.0, ends - clock.now())
