"""Entity tags (RFC 9110 section 8.8.3)."""

from __future__ import annotations

import re

from msgspec import Struct

_TAG = re.compile(r'(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*+")')
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x7e\x80-\xff]++")
_MEMBER = re.compile(rf"[\s,]*+{_TAG.pattern}[ \t]*+(?=,|\Z)")


class ETag(Struct, frozen=True):
    """An entity tag.

    Attributes:
        opaque: what it says, with its quotes; without, if the origin forgot them.
        weak: whether the answers of one tag may differ in their bytes.
    """

    opaque: str
    weak: bool = False

    @property
    def is_quoted(self) -> bool:
        """Whether it is written by the rules."""
        return self.opaque.startswith('"')

    @property
    def is_strong(self) -> bool:
        """Whether all answers that have it are equal byte by byte; a bad writer is not trusted that far."""
        return self.is_quoted and not self.weak

    def __str__(self) -> str:
        return f"W/{self.opaque}" if self.weak else self.opaque

    def strongly(self, other: ETag | None) -> bool:
        """Whether the two are equal and none is weak (section 8.8.3.2)."""
        return other is not None and self.opaque == other.opaque and self.is_strong and other.is_strong

    def weakly(self, other: ETag | None) -> bool:
        """Whether the two are equal, weak or not (section 8.8.3.2), in Latin-1 or in UTF-8."""
        return other is not None and (self.opaque == other.opaque or _in_words(self.opaque) == _in_words(other.opaque))


def _in_words(opaque: str) -> str:
    """A tag as people read it: some servers write their fields in UTF-8 or Latin-1 as it comes."""
    if opaque.isascii():
        return opaque
    try:
        return opaque.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return opaque


def parse_etag(text: str | None) -> ETag | None:
    """The tag in an ETag field, None if it is none.

    Some origins leave out the quotes, and know their tag again if it is sent back to the letter.
    """
    if text is None:
        return None
    text = text.strip(" \t")
    found = _TAG.fullmatch(text)
    if found is not None:
        return ETag(found["opaque"], found["weak"] is not None)
    return ETag(text) if _BARE.fullmatch(text) is not None and text != "*" else None


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
