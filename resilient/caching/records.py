"""What a value consists of, where its type names its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def fields_of(value: Any, kind: type[Any]) -> Mapping[str, object] | None:
    """The parts that make a value equal to another, by name; None if its type names none.

    Knows named tuples, dataclasses, and models of pydantic, attrs and msgspec, each by what they have in common.

    Args:
        value: the value.
        kind: its type.
    """
    if issubclass(kind, tuple):
        return dict(zip(value._fields, value, strict=True)) if hasattr(value, "_fields") else None
    if dataclasses.is_dataclass(kind):
        return _parts(value, [field.name for field in dataclasses.fields(kind) if field.compare])
    if hasattr(kind, "__attrs_attrs__"):
        return _parts(value, [attribute.name for attribute in kind.__attrs_attrs__ if attribute.eq])
    if hasattr(kind, "__struct_fields__"):
        return _parts(value, kind.__struct_fields__)
    if hasattr(kind, "model_dump"):
        if not hasattr(kind, "model_fields"):
            return dict(value.model_dump())
        # A dump would say of a model in the model only what is in it, not which model it is.
        return {**_parts(value, kind.model_fields), **(value.model_extra or {})}
    return None


def _parts(value: object, names: Any) -> dict[str, object]:
    return {name: getattr(value, name) for name in names}
