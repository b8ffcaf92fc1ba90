"""Under which name a store keeps what a strategy keeps for a key."""

from __future__ import annotations

import re
from typing import Final

NAMESPACES: Final = ("", "early", "soft", "locked", "failover", "hit", "iterator")
"""Where strategies keep their values; ``@cache`` keeps them under the key itself."""

COUNT: Final = "count"
"""Where the hits of a key are counted."""

MARK: Final = "http-mark:"
"""How the names of marks begin, which say what was forgotten of the answers of HTTP."""

_OWN = re.compile(r"~[a-z]+:")


def named(namespace: str, key: str) -> str:
    """The name of ``key`` in ``namespace``."""
    return f"~{namespace}:{key}" if namespace else key


def all_names(key: str) -> list[str]:
    """Every name that ``key`` may have in a store."""
    return [named(namespace, key) for namespace in (*NAMESPACES, COUNT)]


def key_of(name: str) -> str:
    """The key that has ``name``, whatever its namespace."""
    own = _OWN.match(name)
    return name[own.end() :] if own else name


def is_mark(name: str) -> bool:
    """Whether it is the name of a mark."""
    return name.startswith(MARK)


def matcher(pattern: str) -> re.Pattern[str]:
    """What matches the keys that ``pattern`` means: ``*`` is any text, also none; all else is itself."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
