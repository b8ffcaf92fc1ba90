"""The form of a value in a key: text that is the same in every process, and no other value's.

===========================  ===========================================================================
text                         as it is; in double quotes, and escaped, where it could be taken for
                             anything below, is empty, holds one of ``: * { } %``, or stands in a value
``None``, ``True``, ``12``   as Python writes them, floats too
``b'..'``                    bytes
``[..]``, ``(..)``           lists and tuples
``dict("a"=1)``              dicts, sorted by the forms of their keys; sets are sorted likewise
``date(2024-01-31)``         dates, times, spans, ``Decimal``, ``UUID``
``app.Point(x=1,y=2)``       named tuples, dataclasses, and models of pydantic, attrs and msgspec
``app.Colour(RED)``          members of enums
``class(app.User)``          classes and functions that can be found by their name
===========================  ===========================================================================

No form holds ``:``, ``*``, ``{`` or ``}``, nor ``%`` but before two hexadecimal digits. What is named like a
secret in another value is written as its digest.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

from resilient.caching.records import fields_of

_ESCAPES = {ord(char): f"%{ord(char):02X}" for char in ':*{}%"'}
_BYTES = [chr(byte) if 32 <= byte < 127 and chr(byte) not in ":*{}%'" else f"%{byte:02X}" for byte in range(256)]
_WORDS = frozenset({"None", "True", "False", "nan", "inf"})
_PLAIN = re.compile(
    r"""(?! " | b' | \[                                                # text in quotes, bytes, lists
        | -? (?: [0-9]+ (?: \.[0-9]+ )? (?: e[+-]?[0-9]+ )? | inf ) \Z  # numbers
        | [^(]* \( (?s:.*) \) \Z )                                     # all other forms
    [^:*{}%]+ \Z""",
    re.VERBOSE,
)
"""Text that holds no mark of ours, and could not be taken for the form of another value."""
_TOKEN = re.compile(r"[\w./+-]+")
_VAGUE = re.compile(r"\A<|0x[0-9a-fA-F]{5,}|\.\.\.|\*\*\*|\[secure\]|\n")
"""In a ``repr`` that describes, shortens or masks, or says what is different in every process."""
_ADDRESSES = frozenset("OP&")
"""What the format of a block of memory calls a pointer."""
_SECRET = re.compile(
    r"(?:\A|_)(?:auth(?:orization)?|bearer|cookie|credential|jwt|pass(?:word|wd|phrase)?|pwd|secret|session|token"
    r"|(?:api|access|private)_?key)s?(?:_|\Z)"
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class UnstableError(Exception):
    """A value has no form that is the same in every process.

    Attributes:
        kind: its type.
    """

    def __init__(self, kind: type) -> None:
        super().__init__(kind.__qualname__)
        self.kind = kind


def text_of(value: object) -> str:
    """The form of a value that stands in a key of its own.

    Raises:
        UnstableError: it has none.
    """
    kind = type(value)
    if kind is str:
        text = cast("str", value)
        # Most texts look like a name, which is found out quickly.
        is_plain = text not in _WORDS if text.isidentifier() else _PLAIN.match(text)
        return text if is_plain else _quoted(text)
    write = _FORMS.get(kind)
    return _other(value) if write is None else write(value)


def form_of(value: object) -> str:
    """The form of a value that stands in another one.

    Raises:
        UnstableError: it has none.
    """
    write = _FORMS.get(type(value))
    return _other(value) if write is None else write(value)


def digest_of(value: object) -> str:
    """40 hexadecimal digits for a value: the same for its like in every process, others for everything else.

    Raises:
        UnstableError: the value has no stable form.
    """
    # No form but that of text begins with a quote, so a long text need not be escaped.
    said = f'"{value}' if type(value) is str else form_of(value)
    return hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=20).hexdigest()


@functools.lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether what has this name is better not shown: ``password``, ``accessToken``, ``X-Api-Key``."""
    return _SECRET.search("_".join(_WORD.findall(name)).lower()) is not None


def _quoted(text: str) -> str:
    return f'"{str.translate(text, _ESCAPES)}"'


def _bytes(value: bytes) -> str:
    return f"b'{''.join([_BYTES[byte] for byte in value])}'"


def _int(value: int) -> str:
    try:
        return int.__repr__(value)
    except ValueError:
        # Python writes no more than some thousand decimal digits.
        return f"int({value:x})"


def _each(values: Iterable[object]) -> str:
    return ",".join(map(form_of, values))


def _set(values: Collection[object]) -> str:
    return ",".join(sorted(map(form_of, values)))


def _dict(values: Mapping[Any, object]) -> str:
    return ",".join(sorted(_pair(key, value) for key, value in values.items()))


def _pair(key: object, value: object) -> str:
    return f"{form_of(key)}={_named(key, value)}"


def _named(name: object, value: object) -> str:
    return f"hash({digest_of(value)})" if isinstance(name, str) and is_secret(name) else form_of(value)


def _typed(name: str, text: str) -> str:
    return f"{name}({text if _TOKEN.fullmatch(text) else _quoted(text)})"


def _other(value: object) -> str:
    if isinstance(value, type):
        return f"class({_found(value)})"
    if isinstance(value, FunctionType | BuiltinFunctionType):
        return f"function({_found(value)})"
    return _object(value, type(value))


def _object(value: Any, kind: type[Any]) -> str:
    name = _name(kind)
    if name in _KNOWN:
        known, say = _KNOWN[name]
        return _typed(known, say(value))
    if issubclass(kind, Enum):
        # A combination of flags need not have a name.
        return f"{name}({form_of(value.value)})" if value.name is None else _typed(name, value.name)
    if hasattr(kind, "get_secret_value"):
        return f"{name}({digest_of(value.get_secret_value())})"
    if (fields := fields_of(value, kind)) is not None:
        return f"{name}({_fields(fields)})"
    for base in _BASES:
        if issubclass(kind, base):
            return f"{name}({_FORMS[base](value)})"
    try:
        block = memoryview(value)
    except TypeError:
        return _collection(value, kind, name)
    with block:
        return _typed(name, _block(block, kind))


def _collection(value: Any, kind: type[Any], name: str) -> str:
    if issubclass(kind, Mapping):
        return f"{name}({_mapping(value)})"
    if issubclass(kind, Set):
        return f"{name}({_set(value)})"
    if issubclass(kind, Sequence):
        return f"{name}({_each(value)})"
    if issubclass(kind, PurePath):
        return _typed(name, str(value))
    return _typed(name, _described(value))


def _fields(fields: Mapping[str, object]) -> str:
    return ",".join(
        f"{field if field.isidentifier() else _quoted(field)}={_named(field, value)}"
        for field, value in sorted(fields.items())
    )


def _mapping(value: Mapping[Any, object]) -> str:
    """One that may have several values for a key says only one of them in ``items``."""
    for method in ("multi_items", "lists"):
        if hasattr(type(value), method):
            return ",".join(_pair(key, one) for key, one in getattr(value, method)())
    return _dict(value)


def _block(block: memoryview, kind: type[Any]) -> str:
    """The bytes behind an array, less what is in them an address."""
    if not _ADDRESSES.isdisjoint(block.format):
        raise UnstableError(kind)
    return f"{block.format} {block.shape} {digest_of(block.tobytes())}"


def _described(value: object) -> str:
    """What ``repr`` says of a value, if that is all there is to say."""
    shown, kind = repr(value), type(value)
    if hasattr(kind, "__next__") or hasattr(kind, "__array__") or str(id(value)) in shown or _VAGUE.search(shown):
        raise UnstableError(kind)
    return shown


def _moment(value: Any) -> str:
    """A date and time, or a time of day, with all that a calculation with it depends on."""
    zone = value.tzinfo
    named = "" if zone is None else f" {_described(zone)}"
    return f"{value.isoformat()}{named}{' fold' * value.fold}"


def _found(value: type[Any] | FunctionType | BuiltinFunctionType) -> str:
    """The name by which a class or a function can be found again; another one of the same name cannot."""
    found: object = sys.modules.get(value.__module__ or "")
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not value:
        raise UnstableError(type(value))
    return _name(value)


def _name(named: type[Any] | FunctionType | BuiltinFunctionType) -> str:
    name = named.__qualname__ if named.__module__ == "builtins" else f"{named.__module__}.{named.__qualname__}"
    return name.translate(_ESCAPES)


_FORMS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    int: _int,
    float: float.__repr__,
    bool: bool.__repr__,
    type(None): repr,
    bytes: _bytes,
    list: lambda value: f"[{_each(value)}]",
    tuple: lambda value: f"({_each(value)})",
    dict: lambda value: f"dict({_dict(value)})",
    OrderedDict: lambda value: f"OrderedDict({_each(value.items())})",
    range: repr,
    set: lambda value: f"set({_set(value)})",
    frozenset: lambda value: f"frozenset({_set(value)})",
}
_BASES = (str, bytes, int, float)
"""Whose subclasses are written as they are, with a name before them."""
_KNOWN: dict[str, tuple[str, Callable[[Any], str]]] = {
    "datetime.date": ("date", str),
    "datetime.datetime": ("datetime", _moment),
    "datetime.time": ("time", _moment),
    "datetime.timedelta": ("timedelta", str),
    "decimal.Decimal": ("Decimal", str),
    "uuid.UUID": ("UUID", str),
    "re.Pattern": ("Pattern", lambda value: f"{value.flags} {value.pattern!r}"),
}
"""Types known by name, so that nobody imports them for nothing: what they are called, and what they say."""
