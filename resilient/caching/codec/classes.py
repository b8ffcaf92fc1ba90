"""Classes of the program, found again by name: without an import, and without asking anything that has code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from functools import lru_cache
from inspect import getattr_static
from types import ModuleType
from typing import Any, cast

from resilient.caching.codec.models import Models
from resilient.caching.codec.shapes import Members, NamedTuples, Records, Shape, names_in_class, unkept

_names_in_module: Callable[[object], Mapping[str, object]] = vars(ModuleType)["__dict__"].__get__


def find(module: str, qualname: str) -> type:
    """The class of that name, if its module is loaded.

    Raises:
        LookupError: there is none.
    """
    found: object = sys.modules[module]
    for name in qualname.split("."):
        if issubclass(type(found), ModuleType):
            found = _names_in_module(found)[name]
        elif issubclass(type(found), type):
            found = names_in_class(found)[name]
        else:
            raise LookupError(qualname)
    # isinstance() would ask the object itself, and some answer with code.
    if not issubclass(type(found), type):
        raise LookupError(qualname)
    return cast("type", found)


@lru_cache(maxsize=1024)
def shape_of(cls: type) -> Shape:
    """How instances of ``cls`` are kept.

    Raises:
        StoreError: they cannot be.
    """
    _need_to_be_found(cls)
    if Enum in cls.__mro__:
        return Members(cls)
    if getattr_static(cls, "__del__", None) is not None:
        raise unkept(cls, "it has a __del__, which would run")
    names = {name for base in cls.__mro__ for name in names_in_class(base)}
    if tuple in cls.__mro__ and "_fields" in names:
        return NamedTuples(cls, getattr_static(cls, "_fields"))
    if {"__pydantic_fields__", "__pydantic_private__", "model_dump"} <= names:
        return Models(cls)
    if "__attrs_attrs__" in names:
        return Records(cls, [field.name for field in getattr_static(cls, "__attrs_attrs__")])
    if "__dataclass_fields__" in names:
        return Records(cls, [field.name for field in fields(cast("Any", cls))])
    raise unkept(cls, "it is none of the types that a cache knows")


def _need_to_be_found(cls: type) -> None:
    if "<locals>" in cls.__qualname__:
        raise unkept(cls, "it is defined inside a function, where no reader finds it")
    try:
        found = find(cls.__module__, cls.__qualname__)
    except LookupError:
        found = None
    if found is not cls:
        raise unkept(cls, "its module does not hold it under its name")
