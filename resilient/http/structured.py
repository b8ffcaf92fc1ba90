"""Structured fields (RFC 9651), as far as caches speak them; a text that breaks one rule is no structured field."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import TypeAlias


class Token(str):
    """A word without quotes (section 3.3.4)."""

    __slots__ = ()


Bare: TypeAlias = bool | int | float | str | bytes
"""A value: ``str`` for a string, :class:`Token` for a token."""
Member: TypeAlias = Bare | tuple[Bare, ...]
"""A member of a list or dictionary, without its parameters; a tuple for an inner list."""


class _MalformedError(ValueError):
    """The text is no structured field."""


_SPACES = re.compile(" *+")
_PART = re.compile(r"[ \t]*+,[ \t]*+")
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*+")
# Possessive, so that no text takes longer to read than once through.
_BARE = re.compile(
    r"""(?P<number>-?[0-9]++(?:\.[0-9]++)?)
      | "(?P<string>(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*+)"
      | (?P<token>[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*+)
      | :(?P<bytes>[A-Za-z0-9+/]*+=*+):
      | \?(?P<flag>[01])""",
    re.VERBOSE,
)
_INTEGER_DIGITS, _WHOLE_DIGITS, _PLACES = 15, 12, 3


def list_of(text: str) -> tuple[Member, ...] | None:
    """The members of a list, their parameters left out (section 4.2.1); None if ``text`` is none."""
    found: list[Member] = []
    try:
        at = _after_spaces(text, 0)
        while at < len(text):
            member, at = _member(text, at)
            found.append(member)
            at = _next(text, at)
    except _MalformedError:
        return None
    return tuple(found)


def dictionary(text: str) -> Mapping[str, Member] | None:
    """The members of a dictionary, their parameters left out (section 4.2.2); None if ``text`` is none."""
    found: dict[str, Member] = {}
    try:
        at = _after_spaces(text, 0)
        while at < len(text):
            key, at = _key(text, at)
            value: Member = True
            if text.startswith("=", at):
                value, at = _member(text, at + 1)
            else:
                at = _after_parameters(text, at)
            found[key] = value
            at = _next(text, at)
    except _MalformedError:
        return None
    return found


def string(text: str) -> str:
    """``text`` as a string (section 4.1.6); what no string can hold is written as a question mark."""
    printable = "".join(char if " " <= char <= "~" else "?" for char in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'


def token_or_string(text: str) -> str:
    """``text`` as a token if it is one (section 4.1.7), else as a string."""
    found = _BARE.fullmatch(text)
    return text if found is not None and found["token"] is not None else string(text)


def _next(text: str, at: int) -> int:
    """Where the next member begins, or the end (sections 4.2.1 and 4.2.2)."""
    parted = _PART.match(text, at)
    if parted is None:
        if _after_spaces(text, at) < len(text):
            raise _MalformedError
        return len(text)
    if parted.end() == len(text):
        raise _MalformedError
    return parted.end()


def _member(text: str, at: int) -> tuple[Member, int]:
    if not text.startswith("(", at):
        value, at = _bare(text, at)
        return value, _after_parameters(text, at)
    return _inner_list(text, at + 1)


def _inner_list(text: str, at: int) -> tuple[Member, int]:
    """Section 4.2.1.2."""
    found: list[Bare] = []
    while True:
        begins = _after_spaces(text, at)
        if text.startswith(")", begins):
            return tuple(found), _after_parameters(text, begins + 1)
        if found and begins == at:
            raise _MalformedError
        value, at = _bare(text, begins)
        found.append(value)
        at = _after_parameters(text, at)


def _bare(text: str, at: int) -> tuple[Bare, int]:
    """Section 4.2.3.1; dates and display strings are in nothing that a cache reads."""
    found = _BARE.match(text, at)
    if found is None:
        raise _MalformedError
    kind, raw = found.lastgroup, found[found.lastgroup or 0]
    value: Bare
    if kind == "number":
        value = _number(raw)
    elif kind == "string":
        value = re.sub(r"\\(.)", r"\1", raw)
    elif kind == "token":
        value = Token(raw)
    elif kind == "flag":
        value = raw == "1"
    else:
        value = _bytes(raw)
    return value, found.end()


def _number(raw: str) -> int | float:
    """Section 4.2.4."""
    whole, point, places = raw.removeprefix("-").partition(".")
    if len(whole) > (_WHOLE_DIGITS if point else _INTEGER_DIGITS) or len(places) > _PLACES:
        raise _MalformedError
    return float(raw) if point else int(raw)


def _bytes(raw: str) -> bytes:
    """Section 4.2.7; padding may be missing."""
    bare = raw.rstrip("=")
    if len(bare) % 4 == 1:
        raise _MalformedError
    return b64decode(bare + "=" * (-len(bare) % 4))


def _key(text: str, at: int) -> tuple[str, int]:
    found = _KEY.match(text, at)
    if found is None:
        raise _MalformedError
    return found[0], found.end()


def _after_parameters(text: str, at: int) -> int:
    """Section 4.2.3.2; none has a meaning here, yet they have to be right."""
    while text.startswith(";", at):
        _, at = _key(text, _after_spaces(text, at + 1))
        if text.startswith("=", at):
            _, at = _bare(text, at + 1)
    return at


def _after_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return at if found is None else found.end()
