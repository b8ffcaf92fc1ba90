"""Models of pydantic 2, known by the attributes that pydantic gives them: it is not imported."""

from __future__ import annotations

from inspect import getattr_static
from types import MemberDescriptorType
from typing import Any, ClassVar

from resilient.caching.codec.shapes import blank, exactly, need_fields, recomputed_by, slots_of, unkept

_SLOTS = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")


class Models:
    """Models, by the names of their fields, with all that pydantic itself pickles of one."""

    code: ClassVar[int] = 67

    def __init__(self, cls: type) -> None:
        if slots_of(cls) - set(_SLOTS):
            raise unkept(cls, "it has slots of its own")
        config = getattr_static(cls, "model_config")
        self._cls = cls
        self._names = frozenset(getattr_static(cls, "__pydantic_fields__"))
        self._privates = frozenset(getattr_static(cls, "__private_attributes__"))
        self._takes_extra = config.get("extra") == "allow"
        self._recomputed = recomputed_by(cls)
        # A root model has no room for extra and private attributes.
        self._slots = tuple(name for name in _SLOTS if type(getattr_static(cls, name)) is MemberDescriptorType)

    def state_of(self, value: Any) -> tuple[object, ...]:
        """Fields, the names of those that were given, extra and private attributes."""
        attributes: dict[str, object] = value.__dict__
        fields = {name: held for name, held in attributes.items() if name not in self._recomputed}
        if fields.keys() != self._names:
            raise unkept(self._cls, "its attributes are not its fields")
        return fields, value.__pydantic_fields_set__, value.__pydantic_extra__, value.__pydantic_private__

    def filled(self, state: list[Any]) -> object:
        """A model with these values, none of them validated again."""
        fields, given, extra, private = state
        known = set(need_fields(fields, self._names))
        if extra is not None:
            more = set(exactly(dict, extra))
            if not self._takes_extra or known & more or not all(type(name) is str for name in more):
                raise ValueError("the model has no such extra attributes")
            known |= more
        if private is not None and not self._privates.issuperset(exactly(dict, private)):
            raise ValueError("the model has no such private attributes")
        if not known.issuperset(exactly(set, given)):
            raise ValueError("fields are said to be given that the model does not have")
        made = blank(self._cls)
        object.__setattr__(made, "__dict__", fields)
        for slot, held in zip(_SLOTS, (given, extra, private), strict=True):
            if slot in self._slots:
                object.__setattr__(made, slot, held)
        return made
