"""Marks, which a store keeps for a while where answers of HTTP were forgotten."""

from __future__ import annotations

import secrets
from typing import Final

from resilient.caching.names import MARK
from resilient.entry import Entry

MARKED = 600.0
"""Seconds that a mark stays; what takes longer to come is not kept."""
EVERYWHERE: Final = MARK + "everywhere"
"""The mark of what is forgotten by a tag, a prefix or a partition, wherever it came from."""


def mark(wall: float) -> Entry:
    """A mark, unlike any other."""
    return Entry(body=secrets.token_bytes(8), stored_at=wall, fresh_until=wall + MARKED, expires_at=wall + MARKED)
