"""Exceptions that are kept and raised again, as results are kept and returned."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple, cast

from resilient.errors import StoreError


class Raised(NamedTuple):
    """In place of a result: the function raised this."""

    error: Exception


def parts_of(raised: Raised) -> object:
    """What is kept of an exception: its class by name, its arguments, and its attributes.

    Raises:
        StoreError: its class cannot be found again by that name.
    """
    error = raised.error
    kind = type(error)
    # A list, since a tuple of what cannot change is at hand for everybody, and would be returned instead of raised.
    parts = [kind.__module__, kind.__qualname__, error.args, vars(error)]
    try:
        revived(parts)
    except (LookupError, TypeError, ValueError) as why:
        raise StoreError(f"an exception of the class {kind.__qualname__} cannot be kept: {why!r}") from why
    return parts


def revived(parts: object) -> Raised:
    """The exception again; of a class that is there already, and without running its constructor.

    Raises:
        LookupError: there is no such class.
        TypeError: that is no exception.
        ValueError: these are no parts of one.
    """
    module, qualname, args, attributes = _checked(parts)
    found: Any = sys.modules[module]
    for name in qualname.split("."):
        found = cast("dict[str, Any]", vars(found))[name]
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise TypeError(qualname)
    # One of Python's own makes it: those of its exceptions that have a layout of their own are made by no other.
    native: Any = next(base for base in found.__mro__ if base.__module__ == "builtins")
    error: Any = native.__new__(found, *args)
    native.__init__(error, *args)
    error.args = args
    error.__dict__.update(attributes)
    return Raised(error)


def _checked(parts: object) -> tuple[str, str, tuple[object, ...], dict[str, object]]:
    said = cast("list[Any]", parts)
    if type(parts) is not list or [type(part) for part in said] != [str, str, tuple, dict]:
        raise ValueError("no exception")
    return said[0], said[1], said[2], said[3]
