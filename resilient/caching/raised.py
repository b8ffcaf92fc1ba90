"""Exceptions that are kept and raised again, as results are kept and returned."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple, cast


class Raised(NamedTuple):
    """In place of a result: the function raised this."""

    error: Exception


def parts_of(raised: Raised) -> object:
    """What is kept of an exception: its class by name, and its arguments."""
    kind = type(raised.error)
    # A list, since a tuple of what cannot change is at hand for everybody, and would be returned instead of raised.
    return [kind.__module__, kind.__qualname__, raised.error.args]


def revived(parts: object) -> Raised:
    """The exception again; of a class that is there already, and without running its constructor.

    Raises:
        LookupError: there is no such class.
        TypeError: that is no exception.
        ValueError: these are no parts of one.
    """
    module, qualname, args = _checked(parts)
    found: Any = sys.modules[module]
    for name in qualname.split("."):
        found = cast("dict[str, Any]", vars(found))[name]
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise TypeError(qualname)
    error = BaseException.__new__(found, *args)
    error.args = args
    return Raised(error)


def _checked(parts: object) -> tuple[str, str, tuple[object, ...]]:
    said = cast("list[Any]", parts)
    if type(parts) is not list or [type(part) for part in said] != [str, str, tuple]:
        raise ValueError("no exception")
    return said[0], said[1], said[2]
