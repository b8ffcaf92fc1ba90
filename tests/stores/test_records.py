"""The form in which an entry lies on disk and in Redis: checked before it is believed."""

from __future__ import annotations

import os
import struct
import sys
import tracemalloc
import zlib

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.entry import Entry
from resilient.errors import ConfigurationError, CorruptEntryError, StoreError
from resilient.stores.registry import open_store
from resilient_adapters.records import codecs, records

LIFE = (b"8 bytes.", 12.5)
ENTRY = Entry(body=b"body" * 20, meta={"status": 200}, stored_at=1.0, fresh_until=2.0, expires_at=3.0, tags=("tag",))


def encoded(entry=ENTRY, compress="gzip"):
    return records.encode("key", entry, LIFE, codecs.codec_named(compress))


def framed(head, body=b"", key="key"):
    """A record with a right checksum around whatever is given."""
    head = msgspec.msgpack.encode(head) if not isinstance(head, bytes) else head
    check = zlib.crc32(body, zlib.crc32(head, zlib.crc32(key.encode())))
    return struct.pack("<4sII", records.MAGIC, check, len(head)) + head + body


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_bodies_above_a_kibibyte_are_compressed_if_that_helps(compress):
    """A dull body shrinks, a random one is kept as it is, a short one is not worth the time."""

    def size(body, compress=compress):
        entry = Entry(body=body, stored_at=1.0, fresh_until=2.0, expires_at=3.0)
        record = encoded(entry, compress)
        assert records.decode("key", record)[0].body == body
        return len(record)

    assert size(b"x" * 10_000) < 300
    assert size(b"x" * 10_000, compress=None) > 10_000
    assert size(os.urandom(10_000)) > 10_000
    assert size(b"x" * 1024) > 1024


def test_records_say_how_they_are_compressed():
    """Gzip, zstd and nothing are read side by side, whatever is written now."""
    entry = Entry(body=b"x" * 10_000, stored_at=1.0, fresh_until=2.0, expires_at=3.0)
    found = [encoded(entry, compress) for compress in ("gzip", "zstd", None)]
    assert len(set(found)) == 3
    assert all(records.decode("key", record)[0] == entry for record in found)


@pytest.fixture
def without_zstd(monkeypatch):
    """As where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    codecs._zstd.cache_clear()
    yield
    codecs._zstd.cache_clear()


def test_without_its_extra_zstd_is_refused_in_one_clear_line(without_zstd, tmp_path):
    """When the store is opened, with what to install."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(f"disk://{tmp_path / 'cache'}?compress=zstd")
    assert str(caught.value) == "compress='zstd' needs zstandard: pip install 'resilient-client[zstd]'"


def test_a_record_that_only_zstd_can_undo_is_left_for_its_owner(request):
    """Where the extra is missing; it is not damaged, another process can read it."""
    record = encoded(Entry(body=b"x" * 10_000, stored_at=1.0, fresh_until=2.0, expires_at=3.0), "zstd")
    request.getfixturevalue("without_zstd")
    with pytest.raises(records.ForeignRecordError, match="not installed"):
        records.decode("key", record)


def test_what_was_written_is_read():
    """With the life on the monotonic clock beside it."""
    assert records.decode("key", encoded()) == (ENTRY, LIFE)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_record_is_never_believed(data):
    """One flipped bit anywhere, one byte more, or any cut is noticed."""
    record = encoded(Entry(body=b"x" * 5000, stored_at=1.0, fresh_until=2.0, expires_at=3.0))
    bit = data.draw(st.integers(0, len(record) * 8 - 1))
    flipped = bytearray(record)
    flipped[bit // 8] ^= 1 << bit % 8
    for changed in (bytes(flipped), record + b"\0", record[: bit // 8]):
        with pytest.raises(CorruptEntryError) as caught:
            records.decode("key", changed)
        assert caught.value.kind == "corrupt"


def test_a_record_of_another_key_is_not_believed():
    """As after damage to an index."""
    with pytest.raises(CorruptEntryError):
        records.decode("other", encoded())


def test_a_record_of_another_version_is_known_as_such():
    """So that it can be left alone for whoever wrote it."""
    record = bytearray(encoded())
    record[3] += 1
    with pytest.raises(records.ForeignRecordError):
        records.decode("key", bytes(record))


def bomb(size):
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return squeezer.compress(b"\0" * size) + squeezer.flush()


def lying(said, size):
    """A zstd frame that says in its head that it holds fewer bytes than it does."""
    frame = bytearray(zstandard.ZstdCompressor(write_checksum=False).compress(b"\0" * size))
    # Magic, descriptor, window, then the size in four bytes.
    assert frame[4] >> 6 == 2
    assert not frame[4] & 32
    frame[6:10] = said.to_bytes(4, "little")
    assert zstandard.frame_content_size(bytes(frame)) == said
    return bytes(frame)


SILENT = zstandard.ZstdCompressor(write_content_size=False)
HEAD = [1.0, 2.0, 3.0, b"8 bytes.", 1.0, 0, 0, [], {}]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"\xc1", b""),
        (b"\x91" * 5000 + b"\xc0", b""),
        ([*HEAD[:8], [1]], b""),
        (HEAD[:-1], b""),
        ([*HEAD[:5], 9, *HEAD[6:]], b""),
        ([*HEAD[:6], 5, *HEAD[7:]], b"1234"),
        ([*HEAD[:6], -1, *HEAD[7:]], b"1234"),
        ([*HEAD[:5], 1, 10, *HEAD[7:]], b"no gzip at all"),
        ([*HEAD[:5], 1, 10, *HEAD[7:]], bomb(20_000_000)),
        ([*HEAD[:5], 1, 70_000_000, *HEAD[7:]], bomb(70_000_000)),
        ([*HEAD[:5], 1, 100, *HEAD[7:]], bomb(100)[:-8]),
        ([*HEAD[:5], 2, 10, *HEAD[7:]], b"no zstd at all"),
        ([*HEAD[:5], 2, 10, *HEAD[7:]], zstandard.compress(b"\0" * 20_000_000)),
        ([*HEAD[:5], 2, 70_000_000, *HEAD[7:]], zstandard.compress(b"\0" * 70_000_000)),
        ([*HEAD[:5], 2, 10, *HEAD[7:]], SILENT.compress(b"\0" * 20_000_000)),
        ([*HEAD[:5], 2, 10, *HEAD[7:]], lying(10, 20_000_000)),
        ([*HEAD[:5], 2, 1000, *HEAD[7:]], zstandard.compress(b"\0" * 1000)[:-8]),
        ([*HEAD[:5], 2, 1000, *HEAD[7:]], zstandard.compress(b"\0" * 1000) + b"more"),
        ([*HEAD[:8], {"a": msgspec.msgpack.Ext(77, b"x")}], b""),
        ([*HEAD[:7], [1, 2], {}], b""),
    ],
    ids=range(20),
)
def test_a_planted_record_with_a_right_checksum_is_refused(head, body):
    """Bad MessagePack, deep nesting, wrong types, unknown codecs and extensions, wrong lengths, bombs."""
    with pytest.raises(CorruptEntryError):
        records.decode("key", framed(head, body))


@pytest.mark.parametrize("number", [1, 2])
def test_a_planted_record_fills_no_memory(number):
    """Twenty megabytes that claim to be ten bytes never come to be, whatever the record and its body claim."""
    zeros = b"\0" * 20_000_000
    honest, silent, liar = zstandard.compress(zeros), SILENT.compress(zeros), lying(10, 20_000_000)
    bombs = [bomb(20_000_000)] if number == 1 else [honest, silent, liar]
    tracemalloc.start()
    for one in bombs:
        with pytest.raises(CorruptEntryError):
            records.decode("key", framed([*HEAD[:5], number, 10, *HEAD[7:]], one))
    with pytest.raises(CorruptEntryError):
        records.decode("key", framed([*HEAD[:5], number, 20_000_000, *HEAD[7:]], bombs[0]), max_decoded=1_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


def test_a_planted_head_that_is_right_is_read():
    """The records above are refused for what is wrong with them, not for how they were made."""
    assert records.decode("key", framed(HEAD))[0].body == b""
    whole = [(1, bomb(1000)), (2, zstandard.compress(b"\0" * 1000))]
    for number, body in whole:
        assert records.decode("key", framed([*HEAD[:5], number, 1000, *HEAD[7:]], body))[0].body == b"\0" * 1000


def test_a_pickle_is_bytes_like_any_others():
    """Nothing in a record is ever run."""
    import pickle

    class Evil:
        def __reduce__(self):
            return pytest.fail, ("it was run",)

    planted = pickle.dumps(Evil())
    with pytest.raises(CorruptEntryError):
        records.decode("key", planted)
    with pytest.raises(CorruptEntryError):
        records.decode("key", framed(planted))
    entry = Entry(body=planted, meta={"p": planted}, stored_at=1.0, fresh_until=2.0, expires_at=3.0)
    assert records.decode("key", encoded(entry))[0].meta["p"] == planted


def test_metadata_that_cannot_be_written_is_a_store_error():
    """Never a half record."""
    entry = Entry(body=b"", meta={"a": object()}, stored_at=1.0, fresh_until=2.0, expires_at=3.0)
    with pytest.raises(StoreError, match="cannot be written"):
        encoded(entry)


def test_records_of_this_version_stay_readable():
    """A record as the first release wrote it; it is kept here for ever."""
    golden = bytes.fromhex(GOLDEN)
    entry, life = records.decode("golden", golden)
    assert life == (b"8 bytes.", 12.5)
    assert entry == Entry(
        body=b"a body that repeats itself, " * 50,
        meta={"status": 200, "headers": ((b"a", b"b"),), "long": 2**70, "nothing": None},
        stored_at=1735689600.0,
        fresh_until=1735689660.0,
        expires_at=1735693200.5,
        tags=("x", "ä"),
    )


GOLDEN = (
    "72736c01e3f25b006d00000099cb41d9dd2160000000cb41d9dd216f000000cb41d9dd24e4200000c408382062797465"
    "732ecb402900000000000001cd057892a178a2c3a484a6737461747573ccc8a7686561646572739192c40161c40162a4"
    "6c6f6e67c70901400000000000000000a76e6f7468696e67c01f8b08000000000004034b5448ca4fa95428c9482c5128"
    "4a2d484d2c2956c82c294ecd49d351481c951b0d97d134319a1f46cb02aa979100bcf32cc678050000"
)
