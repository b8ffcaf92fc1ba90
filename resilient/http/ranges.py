"""Parts of a kept answer (RFC 9110 section 14)."""

from __future__ import annotations

import re
from typing import Literal

from resilient.http.answer import Answer
from resilient.http.dates import parse_date
from resilient.http.etags import parse_etag
from resilient.http.fields import Fields, Raw, whole_number

_ONE = re.compile(r"bytes=[ \t]*+(?P<first>[0-9]*+)-(?P<last>[0-9]*+)[ \t]*+", re.IGNORECASE)

_STRONG_AFTER = 60.0
"""Seconds; what had changed so long before it was sent did not change again in the same second (section 8.8.2.2)."""


def part(request: Fields, answer: Answer, length: int) -> range | Literal["whole"] | None:
    """The bytes of a kept answer that a GET asks for.

    None if the origin has to be asked: for several ranges, one that is malformed or beyond the end, another unit, a
    part of anything but a whole 200; and one of a coded body, of which a client takes the coding off.

    Args:
        request: its fields.
        answer: the kept answer.
        length: bytes of its raw body.
    """
    wanted = request.get("range")
    if wanted is None:
        return "whole"
    if answer.status != 200 or "content-encoding" in answer.fields:
        return None
    if "if-range" in request and not _holds(request, answer):  # section 13.1.5
        return "whole"
    found = _ONE.fullmatch(wanted)
    return None if found is None else _bytes(found["first"], found["last"], length)


def part_fields(stored: Raw, bytes_: range, length: int) -> Raw:
    """The fields of the 206 that has ``bytes_`` of a body of ``length`` bytes (section 15.3.7)."""
    return (
        *[line for line in stored if line[0] not in (b"content-length", b"content-range")],
        (b"content-length", b"%d" % len(bytes_)),
        (b"content-range", b"bytes %d-%d/%d" % (bytes_.start, bytes_.stop - 1, length)),
    )


def _bytes(first: str, last: str, length: int) -> range | None:
    """Section 14.1.2."""
    begins, ends = whole_number(first), whole_number(last)
    if begins is None:
        found = range(max(0, length - (ends or 0)), length)
    elif ends is not None and ends < begins:
        return None
    else:
        found = range(begins, length if ends is None else min(ends + 1, length))
    return found or None


def _holds(request: Fields, answer: Answer) -> bool:
    """Whether the caller's part is of the same answer; only a strong validator proves it."""
    wanted = request.get("if-range")
    tag = parse_etag(wanted)
    if tag is not None:
        return tag.strongly(answer.etag)
    since = parse_date(wanted)
    if since is None or since != answer.last_modified:
        return False
    return answer.date - since >= _STRONG_AFTER
