"""Text that is safe to show: nothing that a terminal would obey."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` with a sign in the place of each control character, but for tabs and ends of lines."""
    return "".join(one if one.isprintable() or one in "\t\n" else "�" for one in text.replace("\r\n", "\n"))
