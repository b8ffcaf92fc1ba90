"""What a store keeps of an entry: bytes, checked before anything in it is believed, and never run.

::

    4 bytes   magic, the last byte of it the version
    u32       CRC-32 of the key and of all that follows
    u32       length of the head
    head      MessagePack: the times, what the body is, the tags, the metadata, the fence
    body      as it is, or compressed
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any, TypeAlias, cast

import msgspec

from resilient.entry import Entry
from resilient.errors import CorruptEntryError, StoreError
from resilient_adapters.records.codecs import Codec, codec_numbered

MAGIC = b"rsl\x01"
MAX_DECODED = 64 * 2**20
"""Bytes; a body that is larger once decompressed is neither written nor believed."""

COMPRESS_ABOVE = 1024
"""Bytes; a shorter body is not worth the time."""

_LEADING = struct.Struct("<4sII")
_PLAIN = 0
_LONG_INT, _BROKEN_TEXT = 1, 2

Life: TypeAlias = tuple[bytes, float]
"""Which monotonic clock measured it, and the instant of the end on that clock."""


class ForeignRecordError(CorruptEntryError):
    """Somebody wrote this record who has what we have not: another version, or a way to compress.

    It is not ours to judge or to delete.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text, rejected="version")


class _Start(msgspec.Struct, array_like=True, gc=False):
    stored_at: float
    fresh_until: float
    expires_at: float
    clock: bytes
    ends: float
    codec: int
    size: int


class _Head(_Start, array_like=True, gc=False):
    tags: tuple[Any, ...]
    meta: dict[str, Any]
    fence: int = 0


def _extended(code: int, data: memoryview) -> object:
    if code == _LONG_INT:
        return int.from_bytes(data, "big", signed=True)
    if code == _BROKEN_TEXT:
        return bytes(data).decode(errors="surrogatepass")
    raise ValueError(f"unknown extension {code}")


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Head, ext_hook=_extended).decode
_decode_start = msgspec.msgpack.Decoder(_Start).decode


def encode(key: str, entry: Entry, life: Life, codec: Codec | None) -> bytes:
    """The record of ``entry`` under ``key``; its body is compressed by ``codec`` if that helps.

    Raises:
        StoreError: its metadata or tags hold something that cannot be written.
    """
    body, number = entry.body, _PLAIN
    if codec is not None and len(body) > COMPRESS_ABOVE:
        squeezed = codec.squeeze(body)
        # Decompressing costs time with every hit, so a few per cent are no gain.
        if len(squeezed) < len(body) * 0.9:
            body, number = squeezed, codec.number
    head = _Head(
        stored_at=entry.stored_at,
        fresh_until=entry.fresh_until,
        expires_at=entry.expires_at,
        clock=life[0],
        ends=life[1],
        codec=number,
        size=len(entry.body),
        tags=entry.tags,
        meta=dict(entry.meta),
        fence=entry.fence,
    )
    try:
        packed = _packed(head)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StoreError(f"the entry cannot be written: {error}") from error
    check = zlib.crc32(body, zlib.crc32(packed, zlib.crc32(key.encode())))
    return b"".join((_LEADING.pack(MAGIC, check, len(packed)), packed, body))


def weight(record: bytes) -> int:
    """About how many bytes :func:`decode` will go through or make; a guess, since nothing is checked yet."""
    try:
        length: int = _LEADING.unpack_from(record)[2]
        start = _decode_start(memoryview(record)[_LEADING.size : _LEADING.size + length])
    except (struct.error, msgspec.MsgspecError, ValueError):
        return len(record)
    return max(len(record), start.size)


def decode(key: str, record: bytes, *, max_decoded: int = MAX_DECODED) -> tuple[Entry, Life]:
    """The entry in ``record``, and its life on a monotonic clock.

    Raises:
        ForeignRecordError: another version wrote it, or it is compressed as this process cannot undo.
        CorruptEntryError: it is damaged, or belongs to another key.
    """
    if record[:3] != MAGIC[:3] or len(record) < _LEADING.size:
        raise CorruptEntryError("the record is damaged")
    if record[3] != MAGIC[3]:
        raise ForeignRecordError(f"the record has version {record[3]}, not {MAGIC[3]}")
    _, check, length = _LEADING.unpack_from(record)
    view, body_at = memoryview(record), _LEADING.size + length
    if zlib.crc32(view[_LEADING.size :], zlib.crc32(key.encode())) != check:
        raise CorruptEntryError("the record is damaged")
    try:
        head = _decode(view[_LEADING.size : body_at])
        entry = Entry(
            body=_body(record[body_at:], head, max_decoded),
            meta={name: _as_tuples(value) for name, value in head.meta.items()},
            stored_at=head.stored_at,
            fresh_until=head.fresh_until,
            expires_at=head.expires_at,
            tags=_texts(head.tags),
            fence=head.fence,
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CorruptEntryError(f"the record is damaged: {error}") from error
    return entry, (head.clock, head.ends)


def _body(body: bytes, head: _Head, max_decoded: int) -> bytes:
    if head.size > max_decoded:
        raise ValueError(f"a body of {head.size} bytes")
    if head.codec != _PLAIN:
        codec = codec_numbered(head.codec)
        if codec is None:
            raise ForeignRecordError(f"the record is compressed in a way {head.codec} that is not installed here")
        body = codec.expand(body, head.size)
    if len(body) != head.size:
        raise ValueError(f"{len(body)} bytes in place of {head.size}")
    return body


def _packed(head: _Head) -> bytes:
    try:
        return _encode(head)
    except (OverflowError, UnicodeEncodeError):
        head.meta = {name: _extensible(value) for name, value in head.meta.items()}
        head.tags = _extensible(head.tags)
        return _encode(head)


def _extensible(value: Any) -> Any:
    """``value`` with what MessagePack cannot say, long integers and broken text, said by extensions."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_LONG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgspec.msgpack.Ext(_BROKEN_TEXT, value.encode(errors="surrogatepass"))
    if isinstance(value, tuple):
        return tuple(_extensible(item) for item in cast("Iterable[Any]", value))
    if isinstance(value, dict):
        return {name: _extensible(item) for name, item in cast("dict[str, Any]", value).items()}
    return value


def _texts(values: tuple[Any, ...]) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"a tag that is no text: {value!r}")
    return values


def _as_tuples(value: Any) -> Any:
    """``value`` with tuples for the lists that MessagePack gives back."""
    if type(value) is list:
        return tuple(_as_tuples(item) for item in cast("Iterable[Any]", value))
    if type(value) is dict:
        return {name: _as_tuples(item) for name, item in cast("dict[str, Any]", value).items()}
    return value
