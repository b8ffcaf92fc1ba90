"""The kinds of values that MessagePack does not tell apart, each with its way to bytes and back."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import chain
from operator import attrgetter
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from sys import getsizeof
from typing import Any, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

ATOMS = frozenset({type(None), bool, int, float, str, bytes})
"""What MessagePack says itself, but for numbers above 64 bits and text that is no UTF-8."""

SURE_ATOMS = ATOMS - {int, str}
"""The same without exception."""

PARTS = ATOMS | {timedelta, timezone, ZoneInfo}
"""What a scalar may be made of. Nothing here has a method that a program wrote, so its constructor runs none."""

NATIVE = ATOMS | {list, dict}
"""Kinds that need no row below."""


class Scalar(NamedTuple):
    """A kind made of a few values of :data:`PARTS`.

    Attributes:
        kind: the class, no subclass of it.
        parts: what a value is made of.
        whole: makes the value of its parts.
    """

    kind: type
    parts: Callable[[Any], tuple[object, ...]]
    whole: Callable[..., object]


class Container(NamedTuple):
    """A kind that holds values of any kind; as above, but ``whole`` takes one list."""

    kind: type
    parts: Callable[[Any], Iterable[object]]
    whole: Callable[[list[Any]], object]


def _int_parts(value: int) -> tuple[bytes]:
    return (value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True),)


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _str_parts(value: str) -> tuple[bytes]:
    return (value.encode("utf-8", "surrogatepass"),)


def _str(data: bytes) -> str:
    return str(data, "utf-8", "surrogatepass")


def _bytearray_parts(value: bytearray) -> tuple[bytes]:
    return (bytes(value),)


def _bytearray(data: bytes) -> bytearray:
    # Of a number it would make as many zeros.
    return bytearray(memoryview(data))


def _in_words(value: object) -> tuple[str]:
    return (str(value),)


def _uuid_parts(value: UUID) -> tuple[bytes]:
    return (value.bytes,)


def _uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


def _moment_parts(value: datetime | time) -> tuple[object, ...]:
    return value.replace(tzinfo=None).isoformat(), value.tzinfo, value.fold


def _datetime(text: str, zone: timezone | ZoneInfo | None, fold: int) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def _time(text: str, zone: timezone | ZoneInfo | None, fold: int) -> time:
    return time.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def _offset_parts(value: Any) -> tuple[object, ...]:
    # Unlike utcoffset() and tzname() it tells whether there is a name.
    parts: tuple[object, ...] = value.__getinitargs__()
    return parts


def _zone_parts(value: ZoneInfo) -> tuple[str]:
    if type(value.key) is not str:
        raise ValueError("a time zone without a name cannot be found again")
    return (value.key,)


def _deque_parts(value: deque[object]) -> Iterable[object]:
    return value.maxlen, *value


def _deque(parts: list[Any]) -> deque[Any]:
    return deque(parts[1:], parts[0])


def _flat(value: Mapping[object, object]) -> Iterable[object]:
    return chain.from_iterable(value.items())


def _dict(parts: list[Any]) -> dict[Any, Any]:
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _ordered(parts: list[Any]) -> OrderedDict[Any, Any]:
    return OrderedDict(_dict(parts))


# The numbers are written into stores: one that was given is never given to another kind.
SCALARS: Mapping[int, Scalar] = {
    1: Scalar(int, _int_parts, _int),
    2: Scalar(str, _str_parts, _str),
    3: Scalar(bytearray, _bytearray_parts, _bytearray),
    4: Scalar(complex, attrgetter("real", "imag"), complex),
    5: Scalar(range, attrgetter("start", "stop", "step"), range),
    6: Scalar(Decimal, _in_words, Decimal),
    7: Scalar(UUID, _uuid_parts, _uuid),
    8: Scalar(date, _in_words, date.fromisoformat),
    9: Scalar(time, _moment_parts, _time),
    10: Scalar(datetime, _moment_parts, _datetime),
    11: Scalar(timedelta, attrgetter("days", "seconds", "microseconds"), timedelta),
    12: Scalar(timezone, _offset_parts, timezone),
    13: Scalar(ZoneInfo, _zone_parts, ZoneInfo),
    14: Scalar(PurePosixPath, _in_words, PurePosixPath),
    15: Scalar(PureWindowsPath, _in_words, PureWindowsPath),
    16: Scalar(PosixPath, _in_words, PosixPath),
    17: Scalar(WindowsPath, _in_words, WindowsPath),
}

CONTAINERS: Mapping[int, Container] = {
    32: Container(dict, _flat, _dict),
    33: Container(tuple, iter, tuple),
    34: Container(set, iter, set),
    35: Container(frozenset, iter, frozenset),
    36: Container(deque, _deque_parts, _deque),
    37: Container(OrderedDict, _flat, _ordered),
}

SCALAR_CODES = {scalar.kind: code for code, scalar in SCALARS.items()}
CONTAINER_CODES = {container.kind: code for code, container in CONTAINERS.items()}

_LASTING = (ATOMS | SCALAR_CODES.keys()) - {bytearray}


def lasting_size(value: object) -> int | None:
    """Bytes that ``value`` takes, if nobody can change it, so that all may share it; None if somebody can."""
    kind, size = type(value), getsizeof(value)
    if kind is tuple or kind is frozenset:
        for part in cast("Iterable[object]", value):
            part_size = lasting_size(part)
            if part_size is None:
                return None
            size += part_size
        return size
    return size if kind in _LASTING or issubclass(kind, Enum) else None
