"""What the instances of a class are made of, and how one is filled again without running any code of the class.

An instance is made by ``object.__new__`` and filled field by field: no ``__init__``, ``__post_init__``, validator or
property is run. A class with a ``__del__`` is refused elsewhere, since that would run at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property
from inspect import getattr_static
from types import MemberDescriptorType
from typing import Any, ClassVar, Protocol

from resilient.errors import StoreError


class Shape(Protocol):
    """How the instances of one class are taken apart and put together."""

    code: ClassVar[int]
    """The kind of class; written into stores, so it never changes."""

    def state_of(self, value: Any) -> tuple[object, ...]:
        """What an instance is made of, for :meth:`filled` to take.

        Raises:
            StoreError: it holds more than would be found again.
        """
        ...

    def filled(self, state: list[Any]) -> object:
        """An instance made of ``state``, which anybody may have written.

        Raises:
            ValueError: no instance of this class is made of that.
        """
        ...


class Members:
    """Members of an enumeration, by their names."""

    code: ClassVar[int] = 64

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._members: dict[str, Enum] = getattr_static(cls, "_member_map_")

    def state_of(self, value: Any) -> tuple[str]:
        """The member's name."""
        name: str = value._name_
        if self._members.get(name) is not value:
            raise unkept(self._cls, "a combination of flags has no name of its own")
        return (name,)

    def filled(self, state: list[Any]) -> object:
        """The member of that name."""
        (found,) = state
        name: str = exactly(str, found)
        if name not in self._members:
            raise ValueError("the enumeration has no such member")
        return self._members[name]


class NamedTuples:
    """Named tuples, by the names of their fields."""

    code: ClassVar[int] = 65

    def __init__(self, cls: type, names: tuple[str, ...]) -> None:
        self._cls, self._names = cls, names

    def state_of(self, value: Any) -> tuple[dict[str, object]]:
        """Each field with its value."""
        if getattr(value, "__dict__", None):
            raise unkept(self._cls, "it has attributes that are no fields")
        return (dict(zip(self._names, value, strict=True)),)

    def filled(self, state: list[Any]) -> object:
        """The tuple of these values."""
        (fields,) = state
        values = need_fields(fields, frozenset(self._names))
        return _tuple(self._cls, [values[name] for name in self._names])


class Records:
    """Dataclasses and classes of attrs, by the names of their fields."""

    code: ClassVar[int] = 66

    def __init__(self, cls: type, names: Sequence[str]) -> None:
        try:
            blank(cls)
        except TypeError as error:
            raise unkept(cls, "it is made of more than its fields") from error
        for name in names:
            found = type(static(cls, name))
            if found is not MemberDescriptorType and static(found, "__set__") is not None:
                raise unkept(cls, f"its field {name!r} is a property, whose code would run")
        self._cls, self._names = cls, frozenset(names)
        self._recomputed = recomputed_by(cls)
        self._slots = slots_of(cls) - self._names

    def state_of(self, value: Any) -> tuple[dict[str, object]]:
        """Each field with its value."""
        attributes = getattr(value, "__dict__", {}).keys() - self._names - self._recomputed
        attributes |= {name for name in self._slots if hasattr(value, name)}
        if attributes:
            raise unkept(self._cls, f"it has attributes that are no fields: {', '.join(sorted(attributes))}")
        return ({name: getattr(value, name) for name in self._names},)

    def filled(self, state: list[Any]) -> object:
        """An instance with these values."""
        (fields,) = state
        made = blank(self._cls)
        for name, value in need_fields(fields, self._names).items():
            object.__setattr__(made, name, value)
        return made


names_in_class: Callable[[object], Mapping[str, object]] = vars(type)["__dict__"].__get__
"""What ``vars()`` gives of a class, whatever a metaclass makes of that."""

blank: Callable[[type], object] = object.__new__
"""An instance of a class with nothing in it."""

_tuple: Callable[[type, list[object]], object] = vars(tuple)["__new__"]


def need_fields(found: object, names: frozenset[str]) -> dict[str, object]:
    """``found``, which must be a dict of just these names: the class may have changed.

    Raises:
        ValueError: it is something else.
    """
    fields: dict[str, object] = exactly(dict, found)
    if fields.keys() != names:
        raise ValueError("the fields are not those of the class")
    return fields


def exactly(kind: type, found: object) -> Any:
    """``found``, which must be of that kind, and of no subclass.

    Raises:
        ValueError: it is something else.
    """
    if type(found) is not kind:
        raise ValueError(f"no {kind.__name__}")
    return found


def static(cls: type, name: str) -> object:
    """What a class holds under ``name``, itself or by a base; None if there is nothing."""
    found: object = getattr_static(cls, name, None)
    return found


def recomputed_by(cls: type) -> frozenset[str]:
    """Attributes that need not be kept: results of a cached property, and what typing notes in an instance."""
    cached = {name for name, value in _attributes(cls) if isinstance(value, cached_property)}
    return frozenset({"__orig_class__", *cached})


def slots_of(cls: type) -> frozenset[str]:
    """The names of all slots."""
    return frozenset(name for name, value in _attributes(cls) if type(value) is MemberDescriptorType)


def _attributes(cls: type) -> Iterator[tuple[str, object]]:
    for base in cls.__mro__:
        yield from names_in_class(base).items()


def unkept(cls: type, why: str) -> StoreError:
    """The error of a value that cannot be kept, with the ways out."""
    return StoreError(
        f"a value of type {cls.__module__}.{cls.__qualname__} cannot be kept: {why}; teach the cache with "
        f"register_type({cls.__name__}, encode, decode), or let it pickle by secret="
    )
