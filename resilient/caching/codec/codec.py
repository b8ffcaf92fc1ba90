"""A value as a store keeps it, and what of that is believed when it comes back."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from resilient.caching.codec.kinds import lasting_size
from resilient.caching.codec.packing import Packing
from resilient.caching.codec.registered import REGISTRY, Registry
from resilient.caching.codec.signing import Secret, Signer
from resilient.entry import COUNTER, Entry, Plain, counted
from resilient.errors import CorruptEntryError, StoreError

_META: Mapping[str, Mapping[str, Plain]] = {
    "bytes": MappingProxyType({"kind": "bytes"}),
    "str": MappingProxyType({"kind": "str"}),
    "msgpack": MappingProxyType({"kind": "msgpack", "v": 1}),
    "pickle": MappingProxyType({"kind": "pickle", "v": 1}),
}
"""The kinds of bodies; ``v`` is the version of the format, and another one is not understood."""

ENCODING = ("kind", "v", "mac")
"""What the metadata says about how a value is encoded."""

_SIGNED_FORMAT = b"resilient value 1"


class Ready:
    """A value that nobody can change, so that an entry may hand out the same one each time.

    Attributes:
        value: the value.
        size: bytes that it takes beside the body.
    """

    __slots__ = ("size", "value")

    def __init__(self, value: object, size: int) -> None:
        self.value = value
        self.size = size


class Text:
    """What is ready is the body itself, as text: to hold both would take twice the memory, and text is soon made."""

    __slots__ = ()


TEXT: Final = Text()
ABSENT: Final = object()
"""No value."""


def ready_value(entry: Entry) -> object:
    """The value of an entry that has it ready, :data:`ABSENT` if it has to be decoded."""
    known = entry.decoded
    if type(known) is Ready:
        return known.value
    return entry.body.decode() if known is TEXT else ABSENT


class Encoded(NamedTuple):
    """What of an entry depends on its value.

    Attributes:
        body: the value as bytes.
        meta: what a reader must know of them.
        decoded: what has the value ready, if nobody can change it.
    """

    body: bytes
    meta: Mapping[str, Plain]
    decoded: Ready | Text | None


class Codec:
    """Encodes values for a store and decodes them again, all of them by the same rules for every store.

    A whole number of at most 64 bits becomes a counter, to which a store can add. It is never signed.

    Args:
        secret: signs every other entry, and refuses one without a right signature; of several secrets the first signs
            and each is accepted. Only with a secret are values pickled that the rules do not know.
        types: the types that the program registered.

    Raises:
        ConfigurationError: a secret is shorter than 16 bytes, or neither text nor bytes.
    """

    __slots__ = ("_packing", "_signer")

    def __init__(self, *, secret: Secret | None = None, types: Registry = REGISTRY) -> None:
        self._packing = Packing(types)
        self._signer = None if secret is None else Signer(secret)

    def encode(self, key: str, value: object) -> Encoded:
        """``value`` as it is kept under ``key``.

        Raises:
            StoreError: it cannot be kept; says why, and how it could be.
        """
        if type(value) is int and -(2**63) <= value < 2**63:
            return Encoded(b"%d" % value, COUNTER, _ready(value, COUNTER))
        kind, body = self._body(value)
        meta = _META[kind]
        if self._signer is not None:
            meta = {**meta, "mac": self._signer.sign(*_signed(key, kind, body))}
        return Encoded(body, meta, _ready(value, meta))

    def decode(self, key: str, entry: Entry) -> object:
        """The value of ``entry``, the caller's own; a store is not believed to give back what it was given.

        Raises:
            CorruptEntryError: there is none in it, or it is not signed as it has to be.
        """
        try:
            if (value := ready_value(entry)) is not ABSENT:
                return value
            value = self._value(key, entry)
            entry.ready(_ready(value, entry.meta))
        except CorruptEntryError:
            raise
        except Exception as error:
            # Strangers' bytes, classes that have changed and registered types can raise anything.
            raise CorruptEntryError("an entry holds no value", rejected="value") from error
        return value

    def _body(self, value: object) -> tuple[str, bytes]:
        if type(value) is bytes:
            return "bytes", value
        if type(value) is str:
            try:
                return "str", value.encode()
            except UnicodeEncodeError:
                pass  # half of a surrogate pair
        try:
            return "msgpack", self._packing.pack(value)
        except Exception as error:
            if self._signer is not None:
                return "pickle", _pickled(value)
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"a value of type {type(value).__qualname__} cannot be kept: {error}") from error

    def _value(self, key: str, entry: Entry) -> object:
        kind, body = entry.meta["kind"], entry.body
        if not isinstance(kind, str) or type(body) is not bytes:
            raise TypeError("no kind, or no bytes")
        if kind == "int":
            if (number := counted(entry)) is None:
                raise ValueError("no counter")
            return number
        if self._signer is not None and not self._signer.accepts(entry.meta.get("mac"), *_signed(key, kind, body)):
            raise CorruptEntryError("the signature of an entry is wrong", rejected="signature")
        if entry.meta.get("v") != _META[kind].get("v"):
            raise ValueError("another version")
        if kind == "bytes":
            return body
        if kind == "str":
            return str(body, "utf-8")
        if kind == "msgpack":
            return self._packing.unpack(body)
        if kind == "pickle" and self._signer is not None:
            return pickle.loads(body)  # noqa: S301 # signed by this program
        raise ValueError("no kind of value")


def _ready(value: object, meta: Mapping[str, Plain]) -> Ready | Text | None:
    """What has the value of an entry with that metadata ready."""
    kind = meta["kind"]
    if kind == "str":
        return TEXT
    size = 0 if kind == "bytes" else lasting_size(value)
    return None if size is None else Ready(value, size)


def _signed(key: str, kind: str, body: bytes) -> tuple[bytes, ...]:
    return _SIGNED_FORMAT, kind.encode(), key.encode("utf-8", "surrogatepass"), body


def _pickled(value: object) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:
        raise StoreError(f"a value of type {type(value).__qualname__} cannot be pickled: {error}") from error
