"""Types that a program teaches the cache, with functions of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from resilient.caching.codec.kinds import CONTAINER_CODES, NATIVE, SCALAR_CODES
from resilient.errors import ConfigurationError

T = TypeVar("T")
P = TypeVar("P")


class Registered(NamedTuple):
    """A type with its two functions.

    Attributes:
        kind: the class, no subclass of it.
        encode: a value as one that the cache keeps already.
        decode: the value again.
    """

    kind: type
    encode: Callable[[Any], object]
    decode: Callable[[Any], object]


class Registry:
    """Registered types, by class and by name."""

    __slots__ = ("_kinds", "_names")

    def __init__(self) -> None:
        self._names: dict[str, Registered] = {}
        self._kinds: dict[type, str] = {}

    def register(self, cls: type[T], encode: Callable[[T], P], decode: Callable[[P], T]) -> None:
        """See :func:`register_type`."""
        if not isinstance(cls, type):
            raise ConfigurationError(f"register_type: cls={cls!r} is not right; give a class")
        if cls in NATIVE or cls in SCALAR_CODES or cls in CONTAINER_CODES:
            raise ConfigurationError(f"register_type: cls={cls.__name__} is kept already; give a class of your own")
        for option, function in (("encode", encode), ("decode", decode)):
            if not callable(function):
                raise ConfigurationError(f"register_type: {option}={function!r} is not right; give a function")
        name = f"{cls.__module__}:{cls.__qualname__}"
        if name in self._names:
            # A module that is loaded again registers anew.
            self._kinds.pop(self._names[name].kind, None)
        self._names[name] = Registered(cls, encode, decode)
        self._kinds[cls] = name

    def name_of(self, cls: type) -> str | None:
        """The name under which values of ``cls`` are written, None if it is not registered."""
        return self._kinds.get(cls)

    def named(self, name: str) -> Registered:
        """The type of that name.

        Raises:
            LookupError: there is none.
        """
        return self._names[name]


REGISTRY = Registry()
"""What :func:`register_type` fills, and every cache uses."""


def register_type(cls: type[T], encode: Callable[[T], P], decode: Callable[[P], T]) -> None:
    """Teach every cache of the program to keep values of ``cls``.

    Register a type where it is defined, so that each program that reads the store knows it. Its name there is that
    of its module and its qualified name; whoever registers the same name again takes its place.

    Args:
        cls: the class; its subclasses are types of their own.
        encode: makes of a value one that the cache keeps already, such as a dict or a tuple.
        decode: makes the value again. It runs when an entry is read, with whatever the store holds, so it must not
            trust what it is given; what it raises counts as a damaged entry.

    Raises:
        ConfigurationError: ``cls`` is no class or is kept already, or a function is none.
    """
    REGISTRY.register(cls, encode, decode)
