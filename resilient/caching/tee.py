"""Keeping a body while it passes by."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

MAX_BODY = 8 * 1024 * 1024
"""Bytes of the longest body that is kept."""


class Tee:
    """Keeps the pieces of a streamed body as they pass, up to the longest body that is kept."""

    __slots__ = ("_chunks", "_keep", "_length", "_not_kept")

    def __init__(self, keep: Callable[[bytes], Coroutine[Any, Any, object]], not_kept: Callable[[str], None]) -> None:
        self._keep = keep
        self._not_kept = not_kept
        self._chunks: list[bytes] = []
        self._length = 0

    def chunk(self, data: bytes) -> None:
        """One more piece."""
        self._length += len(data)
        if self._length > MAX_BODY:
            self._chunks.clear()
        else:
            self._chunks.append(data)

    async def ended(self, complete: bool, error: BaseException | None) -> None:
        """Keep the body if all of it was read."""
        if not complete:
            self._not_kept("incomplete")
        elif self._length > MAX_BODY:
            self._not_kept("too-large")
        else:
            await self._keep(b"".join(self._chunks))
