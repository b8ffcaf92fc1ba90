"""Values of every kind as MessagePack, and back.

What MessagePack cannot tell apart is an extension, whose number says the kind and whose content is the parts of the
value, packed in turn.
"""

from __future__ import annotations

from typing import Any

from msgspec.msgpack import Decoder, Encoder, Ext

from resilient.caching.codec.classes import find, shape_of
from resilient.caching.codec.kinds import (
    ATOMS,
    CONTAINER_CODES,
    CONTAINERS,
    PARTS,
    SCALAR_CODES,
    SCALARS,
    SURE_ATOMS,
)
from resilient.caching.codec.registered import Registry
from resilient.caching.codec.shapes import exactly
from resilient.errors import StoreError

MAX_DEPTH = 100
"""How deep a value may be nested; an instance of a class counts twice, since it holds a dict of its fields."""

_REGISTERED = 96
_encode = Encoder().encode


class Packing:
    """Packs and unpacks values.

    Args:
        types: those that the program registered.
    """

    __slots__ = ("_decode", "_types")

    def __init__(self, types: Registry) -> None:
        self._types = types
        self._decode = Decoder(ext_hook=self._whole).decode

    def pack(self, value: object) -> bytes:
        """The bytes of ``value``.

        Raises:
            StoreError: it, or something in it, cannot be kept.
        """
        try:
            return _encode(_Walk(self._types, ATOMS).plain(value, MAX_DEPTH))
        except (OverflowError, UnicodeEncodeError):
            # Somewhere is a number above 64 bits, or text that is no UTF-8. It is rare enough not to look for it first.
            return _encode(_Walk(self._types, SURE_ATOMS).plain(value, MAX_DEPTH))

    def unpack(self, data: bytes) -> object:
        """The value of these bytes, which anybody may have written.

        Raises:
            Exception: they cannot be a value; of whatever kind, since registered types decode themselves.
        """
        return self._decode(data)

    def _whole(self, code: int, data: memoryview) -> object:
        parts: list[Any] = exactly(list, self._decode(data))
        if scalar := SCALARS.get(code):
            if not PARTS.issuperset(map(type, parts)):
                raise ValueError("the parts of a scalar are no scalars")
            return scalar.whole(*parts)
        if container := CONTAINERS.get(code):
            return container.whole(parts)
        return self._registered(*parts) if code == _REGISTERED else _instance(code, parts)

    def _registered(self, name: object, state: object) -> object:
        registered = self._types.named(exactly(str, name))
        value = registered.decode(state)
        if type(value) is not registered.kind:
            raise ValueError("a registered type decoded something else")
        return value


def _instance(code: int, parts: list[Any]) -> object:
    module, qualname, *state = parts
    shape = shape_of(find(exactly(str, module), exactly(str, qualname)))
    if shape.code != code:
        raise ValueError("the class is of another kind")
    return shape.filled(state)


class _Walk:
    """Makes a value plain: of what MessagePack tells apart, with extensions for all else.

    Args:
        types: those that the program registered.
        atoms: kinds that are taken to be plain already.
    """

    __slots__ = ("_atoms", "_types")

    def __init__(self, types: Registry, atoms: frozenset[type]) -> None:
        self._types, self._atoms = types, atoms

    def plain(self, value: object, depth: int) -> object:
        """``value``, nested no more than ``depth`` deep."""
        kind, atoms = type(value), self._atoms
        if kind in atoms:
            return value
        if depth == 0:
            raise StoreError(f"a value cannot be kept: it holds itself, or is nested more than {MAX_DEPTH} deep")
        depth -= 1
        held: Any = value
        if kind is list:
            return held if atoms.issuperset(map(type, held)) else [self.plain(item, depth) for item in held]
        if kind is dict and atoms.issuperset(map(type, held)):
            if atoms.issuperset(map(type, held.values())):
                return held
            return {key: self.plain(item, depth) for key, item in held.items()}
        code, parts = self._parts(kind, held)
        return Ext(code, _encode([self.plain(part, depth) for part in parts]))

    def _parts(self, kind: type, value: Any) -> tuple[int, Any]:
        if code := SCALAR_CODES.get(kind):
            return code, SCALARS[code].parts(value)
        if code := CONTAINER_CODES.get(kind):
            return code, CONTAINERS[code].parts(value)
        if name := self._types.name_of(kind):
            return _REGISTERED, (name, self._types.named(name).encode(value))
        shape = shape_of(kind)
        return shape.code, (kind.__module__, kind.__qualname__, *shape.state_of(value))
