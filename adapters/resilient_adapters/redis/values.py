"""What lies under the name of an entry: its record, after as much of it as scripts have to know.

::

    4 bytes   "rse", or "rsc" for a counter, and the version
    double    when it expires; seconds since the epoch
    double    its fence
    u32       bytes of its tags
    tags      each a byte that says how long it is, and the tag as stores keep it
    (number   of a counter, to which scripts add: a byte that says how long it is, and decimal digits)
    record    see resilient_adapters.records

A script takes a damaged beginning for what it says; the record is checked before anything of it is believed.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace

from resilient.entry import COUNTER, Entry, counted
from resilient.errors import CorruptEntryError
from resilient.stores.keys import stored_key
from resilient_adapters.records import records
from resilient_adapters.records.codecs import Codec
from resilient_adapters.records.records import ForeignRecordError, Life

_ENTRY, _COUNTER = b"rse\x01", b"rsc\x01"
_HEAD = struct.Struct("<4sddI")
_NUMBER = re.compile(rb"-?[0-9]{1,19}")


def encode(key: str, entry: Entry, life: Life, codec: Codec | None) -> bytes:
    """The value of ``entry`` under a stored key.

    Raises:
        StoreError: its metadata or tags hold something that cannot be written.
    """
    tags = b"".join(bytes([len(tag)]) + tag for tag in (stored_key(tag).encode() for tag in entry.tags))
    kind, number = _ENTRY, b""
    if _can_be_added_to(entry):
        kind, number = _COUNTER, bytes([len(entry.body)]) + entry.body
        entry = replace(entry, body=b"")
    head = _HEAD.pack(kind, entry.expires_at, entry.fence, len(tags))
    return b"".join((head, tags, number, records.encode(key, entry, life, codec)))


def decode(key: str, value: bytes, *, max_decoded: int) -> tuple[Entry, Life]:
    """The entry in ``value``, and its life on a monotonic clock.

    Raises:
        ForeignRecordError: another version wrote it, or it is compressed as this process cannot undo.
        CorruptEntryError: it is damaged, or belongs to another key.
    """
    if len(value) < _HEAD.size or value[:3] not in (_ENTRY[:3], _COUNTER[:3]):
        raise CorruptEntryError("the value is no entry", kind="corrupt")
    kind: bytes = value[:4]
    tags: int = _HEAD.unpack_from(value)[3]
    if kind not in (_ENTRY, _COUNTER):
        raise ForeignRecordError(f"the entry has version {value[3]}, not {_ENTRY[3]}", kind="corrupt")
    at = _HEAD.size + tags
    if kind == _ENTRY:
        return records.decode(key, value[at:], max_decoded=max_decoded)
    start = at + 1
    end = start + (value[at] if at < len(value) else 0)
    number = value[start:end]
    if not _NUMBER.fullmatch(number):
        raise CorruptEntryError("the counter is damaged", kind="corrupt")
    entry, life = records.decode(key, value[end:], max_decoded=max_decoded)
    return replace(entry, body=number), life


def weight(value: bytes) -> int:
    """About how many bytes :func:`decode` will go through or make; a guess, since nothing is checked yet."""
    if len(value) < _HEAD.size:
        return len(value)
    return max(len(value), records.weight(value[_HEAD.size + _HEAD.unpack_from(value)[3] :]))


def _can_be_added_to(entry: Entry) -> bool:
    """Whether it is a counter, its number written as Redis would."""
    if entry.meta != COUNTER:
        return False
    number = counted(entry)
    return number is not None and entry.body == b"%d" % number and -(2**63) <= number < 2**63
