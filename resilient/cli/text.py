"""Text that is safe to show: no secrets, and nothing that a terminal would obey."""

from __future__ import annotations

import re

_USER = re.compile(r"(?<=://)[^/?#\s@]*@")
_QUERY_VALUE = re.compile(r"([?&][^=&#\s]+=)[^&#\s>\"']+")


def without_secrets(text: str) -> str:
    """``text`` with the users and the values of queries taken out of its addresses."""
    return _QUERY_VALUE.sub(r"\1…", _USER.sub("", text))


def printable(text: str) -> str:
    """``text`` with a sign in the place of each control character, but for tabs and ends of lines."""
    return "".join(one if one.isprintable() or one in "\t\n" else "�" for one in text.replace("\r\n", "\n"))
