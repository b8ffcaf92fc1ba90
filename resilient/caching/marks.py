"""Marks, which a store keeps for a while where answers of HTTP were forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Final

from resilient.caching.control import Command
from resilient.caching.forgotten import Forgotten
from resilient.caching.names import MARK
from resilient.entry import Entry

MARKED = 600.0
"""Seconds that a mark stays; what takes longer to come is not kept."""
EVERYWHERE: Final = MARK + "everywhere"
"""The mark of what is forgotten by a tag, a prefix or a partition, wherever it came from."""


LEFT = Forgotten()
"""The marks that this process left, by their names, which no two stores have in common but one."""


def leaving(names: Collection[str], wall: float) -> dict[str, Entry | None]:
    """Marks that are about to be left under these names."""
    LEFT.note(Command.DELETE_TAGS, tuple(names))
    return {name: mark(wall) for name in names}


def mark(wall: float) -> Entry:
    """A mark, unlike any other."""
    return Entry(body=secrets.token_bytes(8), stored_at=wall, fresh_until=wall + MARKED, expires_at=wall + MARKED)
