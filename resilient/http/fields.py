"""Header fields of one message, read once (RFC 9110 section 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

Raw: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names in lower case and their values, line by line, in order."""


class Fields:
    """The header fields of a message; text is Latin-1, so that no byte is refused (RFC 9110 section 5.5).

    Args:
        raw: names, in any case, and values.

    Attributes:
        raw: the same, their names in lower case.
    """

    __slots__ = ("_values", "raw")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self.raw: Raw = tuple([(name.lower(), value) for name, value in raw])
        self._values = {name.decode("latin-1"): value for name, value in self.raw}
        if len(self._values) != len(self.raw):
            self._values = _joined(self.raw)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str) -> str | None:
        """The value of a field, its lines as one list (RFC 9110 section 5.3); None if there is none.

        Args:
            name: in lower case.
        """
        value = self._values.get(name)
        return None if value is None else value.decode("latin-1")

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of a field, one by one."""
        if name not in self._values:
            return ()
        key = name.encode("latin-1")
        return tuple([value.decode("latin-1") for line, value in self.raw if line == key])


def _joined(raw: Raw) -> dict[str, bytes]:
    lines: dict[str, list[bytes]] = {}
    for name, value in raw:
        lines.setdefault(name.decode("latin-1"), []).append(value)
    return {name: b", ".join(values) for name, values in lines.items()}


# Possessive, so that no text takes longer to read than once through. A quote that is never closed takes the rest.
_MEMBER = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.?)*+(?:"|\Z))++', re.DOTALL)


def members(text: str) -> list[str]:
    """The members of a list, without empty ones (RFC 9110 section 5.6.1); commas within quotes part nothing."""
    parts = _MEMBER.findall(text) if '"' in text else text.split(",")
    return [member for part in parts if (member := part.strip(" \t"))]


_SMALL = 18
"""Digits of a number that is read as it is; a longer one is as good as the greatest."""


def whole_number(text: str) -> int | None:
    """A number of nothing but digits, at most 10 ** 18; None for other text."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= _SMALL else 10**_SMALL
