"""Parts of a kept answer, RFC 9110 section 14."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.ranges import part, part_fields
from tests.http.making import fields, kept

BODY = b"0123456789A"


def got(wanted, *lines, status=200, body=BODY, **answer):
    """The bytes that are served, "whole", or None."""
    found = part(
        fields(*([] if wanted is None else [f"Range: {wanted}"]), *lines), kept(status=status, **answer), len(body)
    )
    if not isinstance(found, range):
        return found
    assert found.stop <= len(body)
    return body[found.start : found.stop]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, "whole"),
        ("bytes=0-1", b"01"),
        ("bytes=1-", b"123456789A"),
        ("bytes=-1", b"A"),
        ("bytes=-100", BODY),
        ("bytes=0-", BODY),
        ("bytes=10-10", b"A"),
        ("bytes=9-100", b"9A"),
        ("BYTES= 0-1 ", b"01"),
        ("bytes=007-8", b"78"),
        (f"bytes=0-{'9' * 6000}", BODY),
    ],
)
def test_one_range_is_cut_out(wanted, found):
    """With both ends, open, or from the end."""
    assert got(wanted) == found


@pytest.mark.parametrize(
    "wanted",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=-0", "bytes=11-", "bytes=5-4", "bytes=0-1,3-4", "bytes=0-1, 3-4",
        "items=0-1", "bytes 0-1", "bytes=a-b", "bytes=+0-1", "bytes=0--1", "bytes=0-1-2", f"bytes={'9' * 6000}-",
        "bytes=\u0660-1",
    ],
)  # fmt: skip
def test_everything_else_is_the_origins_to_answer(wanted):
    """Several ranges, beyond the end, another unit, nonsense; and whatever is no whole 200."""
    if wanted.isascii():
        assert got(wanted) is None
    assert got("bytes=0-1", status=404) is None
    assert got("bytes=0-1", status=203) is None
    assert got("bytes=-5", body=b"") is None


@pytest.mark.parametrize(
    ("if_range", "answer", "found"),
    [
        ('"a"', {"etag": '"a"'}, b"01"),
        ('"b"', {"etag": '"a"'}, "whole"),
        ('W/"a"', {"etag": 'W/"a"'}, "whole"),
        ('"a"', {"etag": 'W/"a"'}, "whole"),
        ('"a"', {}, "whole"),
        ("Tue, 14 Nov 2023 22:12:20 GMT", {"last_modified": -60, "date": 0}, b"01"),
        ("Tue, 14 Nov 2023 22:12:20 GMT", {"last_modified": -60}, b"01"),
        ("Tue, 14 Nov 2023 22:12:20 GMT", {"last_modified": -60, "date": -1}, "whole"),
        ("Tue, 14 Nov 2023 22:12:21 GMT", {"last_modified": -60, "date": 0}, "whole"),
        ("Tue, 14 Nov 2023 22:12:20 GMT", {}, "whole"),
        ("x", {"etag": '"x"'}, "whole"),
        ("", {}, "whole"),
    ],
)
def test_if_range(if_range, answer, found):
    """RFC 9110 section 13.1.5: by a strong tag, or by a date that is old enough to be strong; else all of it."""
    assert got("bytes=0-1", f"If-Range: {if_range}", **answer) == found


def test_the_fields_of_a_part():
    """Those that were kept, with the length of the part and where it lies."""
    stored = fields("Content-Length: 11", "A: 1", "Content-Range: x", "ETag: x").raw
    assert part_fields(stored, range(4, 6), 11) == (
        (b"a", b"1"), (b"etag", b"x"), (b"content-length", b"2"), (b"content-range", b"bytes 4-5/11"),
    )  # fmt: skip


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("bytes=-,0129 "), max_size=14), st.integers(0, 20))
def test_any_range_is_within_the_body(text, length):
    """Never an error, and never a byte that is not there."""
    found = part(fields(range=text), kept(), length)
    if isinstance(found, range):
        assert 0 <= found.start < found.stop <= length
