"""What lies under the name of an entry: its record, after as much of it as scripts have to know.

::

    4 bytes   "rse", or "rsc" for a counter, and the version
    double    when it expires; seconds since the epoch
    double    its fence
    u32       bytes of its groups
    groups    words, each a byte that says how long it is, and the word: the tags as stores keep them; on a cluster
              each is followed by its generation
    (number   of a counter, to which scripts add: a byte that says how long it is, and decimal digits)
    record    see resilient_adapters.records

A script takes a damaged beginning for what it says; the record is checked before anything of it is believed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import replace

from resilient.entry import COUNTER, Entry, counted
from resilient.errors import CorruptEntryError
from resilient_adapters.records import records
from resilient_adapters.records.codecs import Codec
from resilient_adapters.records.records import ForeignRecordError, Life

VERSION = 1
"""Of what lies on a server, whose scripts see all groups."""

_ENTRY, _COUNTER = b"rse", b"rsc"
_HEAD = struct.Struct("<4sddI")
_NUMBER = re.compile(rb"-?[0-9]{1,19}")


def encode(
    key: str, entry: Entry, life: Life, codec: Codec | None, *, groups: Sequence[bytes] = (), version: int = VERSION
) -> bytes:
    """The value of ``entry`` under a stored key.

    Raises:
        StoreError: its metadata or tags hold something that cannot be written.
    """
    packed = b"".join(bytes([len(word)]) + word for word in groups)
    kind, number = _ENTRY, b""
    if _can_be_added_to(entry):
        kind, number = _COUNTER, bytes([len(entry.body)]) + entry.body
        entry = replace(entry, body=b"")
    head = _HEAD.pack(kind + bytes([version]), entry.expires_at, entry.fence, len(packed))
    return b"".join((head, packed, number, records.encode(key, entry, life, codec)))


def decode(key: str, value: bytes, *, max_decoded: int, version: int = VERSION) -> tuple[Entry, Life]:
    """The entry in ``value``, and its life on a monotonic clock.

    Raises:
        ForeignRecordError: another version wrote it, or it is compressed as this process cannot undo.
        CorruptEntryError: it is damaged, or belongs to another key.
    """
    kind = value[:3]
    if len(value) < _HEAD.size or kind not in (_ENTRY, _COUNTER):
        raise CorruptEntryError("the value is no entry")
    if value[3] != version:
        raise ForeignRecordError(f"the entry has version {value[3]}, not {version}")
    at = _HEAD.size + _groups(value)
    if kind == _ENTRY:
        return records.decode(key, value[at:], max_decoded=max_decoded)
    start = at + 1
    end = start + (value[at] if at < len(value) else 0)
    number = value[start:end]
    if not _NUMBER.fullmatch(number):
        raise CorruptEntryError("the counter is damaged")
    entry, life = records.decode(key, value[end:], max_decoded=max_decoded)
    return replace(entry, body=number), life


def weight(value: bytes) -> int:
    """About how many bytes :func:`decode` will go through or make; a guess, since nothing is checked yet."""
    if len(value) < _HEAD.size:
        return len(value)
    return max(len(value), records.weight(value[_HEAD.size + _groups(value) :]))


def packed_groups(value: bytes) -> bytes:
    """The words of its groups, each after its length, as scripts give them too."""
    return value[_HEAD.size : _HEAD.size + _groups(value)]


def words(packed: bytes) -> list[bytes]:
    """The words that :func:`packed_groups` holds."""
    found: list[bytes] = []
    at = 0
    while at < len(packed):
        ends = at + 1 + packed[at]
        found.append(packed[at + 1 : ends])
        at = ends
    return found


def _groups(value: bytes) -> int:
    """How many bytes its groups take."""
    size: int = _HEAD.unpack_from(value)[3]
    return size


def _can_be_added_to(entry: Entry) -> bool:
    """Whether it is a counter, its number written as Redis would."""
    if entry.meta != COUNTER:
        return False
    number = counted(entry)
    return number is not None and entry.body == b"%d" % number and -(2**63) <= number < 2**63
