"""Entity tags (RFC 9110 section 8.8.3)."""

from __future__ import annotations

import re

from msgspec import Struct

_TAG = re.compile(r'(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*+")')
_MEMBER = re.compile(rf"[\s,]*+{_TAG.pattern}[ \t]*+(?=,|\Z)")


class ETag(Struct, frozen=True):
    """An entity tag.

    Attributes:
        opaque: what it says, with its quotes.
        weak: whether the answers of one tag may differ in their bytes.
    """

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f"W/{self.opaque}" if self.weak else self.opaque

    def strongly(self, other: ETag | None) -> bool:
        """Whether the two are equal and none is weak (section 8.8.3.2)."""
        return other is not None and self.opaque == other.opaque and not (self.weak or other.weak)

    def weakly(self, other: ETag | None) -> bool:
        """Whether the two are equal, weak or not (section 8.8.3.2)."""
        return other is not None and self.opaque == other.opaque


def parse_etag(text: str | None) -> ETag | None:
    """The tag in an ETag field, None if it is none."""
    found = None if text is None else _TAG.fullmatch(text.strip(" \t"))
    return None if found is None else ETag(found["opaque"], found["weak"] is not None)


def parse_etags(text: str) -> tuple[ETag, ...]:
    """The tags of an If-None-Match field (section 13.1.2), up to what is no tag; the star is none."""
    found: list[ETag] = []
    at = 0
    while (match := _MEMBER.match(text, at)) is not None:
        found.append(ETag(match["opaque"], match["weak"] is not None))
        at = match.end()
    return tuple(found)


def is_star(text: str) -> bool:
    """Whether an If-None-Match field stands for every tag."""
    return text.strip(" \t") == "*"
