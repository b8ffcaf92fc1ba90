"""Which commands of a cache are switched off, and what else holds for one stretch of a program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Self

from resilient.errors import ConfigurationError
from resilient.settings import nearest

if TYPE_CHECKING:
    from resilient.caching.detecting import Detected
    from resilient.caching.transactions import Transaction


class Command(StrEnum):
    """What a cache can be asked to do; each is the name of a method of it."""

    GET = "get"
    SET = "set"
    DELETE = "delete"
    GET_MANY = "get_many"
    SET_MANY = "set_many"
    DELETE_MANY = "delete_many"
    EXISTS = "exists"
    EXPIRE = "expire"
    GET_EXPIRE = "get_expire"
    INCR = "incr"
    SCAN = "scan"
    GET_MATCH = "get_match"
    DELETE_MATCH = "delete_match"
    DELETE_TAGS = "delete_tags"
    CLEAR = "clear"
    PING = "ping"
    LOCK = "lock"


def commands_of(names: tuple[str, ...]) -> frozenset[Command]:
    """The commands of those names, all of them for none.

    Raises:
        ConfigurationError: there is no command of that name.
    """
    if not names:
        return frozenset(Command)
    found: set[Command] = set()
    for name in names:
        try:
            found.add(Command(name))
        except ValueError:
            raise ConfigurationError(f"a cache has no command {name!r}; {nearest(str(name), list(Command))}") from None
    return frozenset(found)


class Scope(NamedTuple):
    """What holds for one stretch of a program, and for all that it starts.

    Attributes:
        disabled: the commands that are switched off there.
        transaction: the transaction under way, None outside of one.
        detected: who wants to know of each call, None if nobody does.
    """

    disabled: frozenset[Command] = frozenset()
    transaction: Transaction | None = None
    detected: Detected | None = None


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

    def enter(self, scope: Scope) -> Token[Scope]:
        """Let ``scope`` hold from here on."""
        return self._current.set(scope)

    def leave(self, token: Token[Scope]) -> None:
        """Let hold what held before."""
        self._current.reset(token)

    @contextmanager
    def within(self, scope: Scope) -> Iterator[Scope]:
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
        self._tokens: list[Token[Scope]] = []

    def __enter__(self) -> Self:
        here = self._scopes.here()
        self._tokens.append(self._scopes.enter(here._replace(disabled=here.disabled | self._commands)))
        return self

    def __exit__(self, *_: object) -> None:
        self._scopes.leave(self._tokens.pop())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()
