"""The commands of a cache, by name."""

from __future__ import annotations

from enum import StrEnum

from resilient.errors import ConfigurationError
from resilient.settings import nearest


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
            hint = nearest(str(name), [one.value for one in Command])
            raise ConfigurationError(f"a cache has no command {name!r}; {hint}") from None
    return frozenset(found)
