"""What holds for one stretch of a program: what is switched off there, its transaction, who wants to know."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import NamedTuple, Self

from resilient.caching.control import Command
from resilient.caching.detecting import Detected
from resilient.caching.transactions import Transaction


class Scope(NamedTuple):
    """What holds for one stretch of a program, and for all that it starts.

    Attributes:
        disabled: the commands that are switched off there.
        transaction: the transaction under way, None outside of one.
        detected: who wants to know of each call, None if nobody does.
        turns: the names of what is made there, and by nobody else in any process.
        around: what holds again when it ends, None outside of everything.
    """

    disabled: frozenset[Command] = frozenset()
    transaction: Transaction | None = None
    detected: Detected | None = None
    turns: frozenset[str] = frozenset()
    around: Scope | None = None


NOWHERE = Scope()


class Scopes:
    """The scope of whoever asks, for one cache.

    Args:
        name: the cache's.
    """

    __slots__ = ("_current",)

    def __init__(self, name: str) -> None:
        self._current: ContextVar[Scope] = ContextVar(f"resilient_cache_{name}", default=NOWHERE)

    def here(self) -> Scope:
        """What holds here."""
        return self._current.get()

    def enter(self, scope: Scope) -> None:
        """Let ``scope`` hold from here on, until it is left.

        No token is kept of it: one object may be used by many tasks at the same time, each in a context of its own.
        """
        self._current.set(scope._replace(around=self._current.get()))

    def leave(self) -> Scope:
        """Let hold what held before; what held until now.

        Raises:
            RuntimeError: nothing was entered in this context.
        """
        here = self._current.get()
        if here.around is None:
            raise RuntimeError("a block of a cache must end in the task or thread, and the context, where it began")
        self._current.set(here.around)
        return here

    @contextmanager
    def within(self, scope: Scope) -> Generator[Scope]:
        """Let ``scope`` hold inside of a ``with`` block."""
        token = self._current.set(scope)
        try:
            yield scope
        finally:
            self._current.reset(token)


class Disabling(AbstractContextManager["Disabling"], AbstractAsyncContextManager["Disabling"]):
    """Switches commands off inside of a ``with`` or ``async with`` block."""

    def __init__(self, scopes: Scopes, commands: frozenset[Command]) -> None:
        self._scopes = scopes
        self._commands = commands

    def __enter__(self) -> Self:
        here = self._scopes.here()
        self._scopes.enter(here._replace(disabled=here.disabled | self._commands))
        return self

    def __exit__(self, *_: object) -> None:
        self._scopes.leave()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()


class Detecting:
    """Learns of the calls inside of a ``with`` block.

    Args:
        scopes: the cache's.
    """

    __slots__ = ("_scopes",)

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes

    def __enter__(self) -> Detected:
        detected = Detected()
        self._scopes.enter(self._scopes.here()._replace(detected=detected))
        return detected

    def __exit__(self, *_: object) -> None:
        self._scopes.leave()
