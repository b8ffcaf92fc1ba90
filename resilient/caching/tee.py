"""Keeping a body while it passes by."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal

from resilient.locks import fork_safe_lock

MAX_BODY = 8 * 1024 * 1024
"""Bytes of the longest body that is kept, where nobody says otherwise."""
MAX_HELD = 64 * 1024 * 1024
"""Bytes that this process holds of all bodies that are passing by; of more bodies nothing is kept."""


class Held:
    """The bytes that are held of bodies under way."""

    __slots__ = ("_lock", "_most", "size")

    def __init__(self, most: int) -> None:
        self._lock = fork_safe_lock()
        self._most = most
        self.size = 0

    def take(self, size: int) -> bool:
        """Hold so many more, if there is room."""
        with self._lock:
            if self.size + size > self._most:
                return False
            self.size += size
            return True

    def give_back(self, size: int) -> None:
        """Hold so many less."""
        with self._lock:
            self.size -= size


HELD = Held(MAX_HELD)


class Tee:
    """Keeps the pieces of a streamed body as they pass, up to the longest body that is kept.

    Args:
        keep: called with the whole body once it is complete.
        not_kept: told why it is not kept.
        most: bytes of the longest body.
        held: what all bodies under way may take together.
    """

    __slots__ = ("_chunks", "_held", "_keep", "_length", "_most", "_not_kept", "_taken")

    def __init__(
        self,
        keep: Callable[[bytes], Coroutine[Any, Any, object]],
        not_kept: Callable[[Literal["incomplete", "too-large"]], object],
        most: int = MAX_BODY,
        held: Held = HELD,
    ) -> None:
        self._keep = keep
        self._not_kept = not_kept
        self._most = most
        self._held = held
        self._chunks: list[bytes] | None = []
        self._length = 0
        self._taken = 0

    def chunk(self, data: bytes) -> None:
        """One more piece."""
        self._length += len(data)
        if self._chunks is None:
            return
        if self._length > self._most or not self._held.take(len(data)):
            self._let_go()
            return
        self._taken += len(data)
        self._chunks.append(data)

    async def ended(self, complete: bool, error: BaseException | None) -> None:
        """Keep the body if all of it was read."""
        chunks = self._chunks
        self._let_go()
        if not complete:
            self._not_kept("incomplete")
        elif chunks is None:
            self._not_kept("too-large")
        else:
            await self._keep(b"".join(chunks))

    def _let_go(self) -> None:
        self._chunks = None
        taken, self._taken = self._taken, 0
        if taken:
            self._held.give_back(taken)

    def __del__(self) -> None:
        # A body that nobody closed.
        self._let_go()
