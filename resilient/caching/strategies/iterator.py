"""Keep what an iterator yields, and yield it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Making, Slot
from resilient.caching.spans import Span, told

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Replay:
    """What was yielded to the end is yielded again for ``ttl``; it is kept while it passes, and nobody waits for it."""

    name: ClassVar[str] = "iterator"
    ttl: Span

    def __str__(self) -> str:
        return f"{self.name}: yielded again for {told(self.ttl)}"

    async def __call__(self, slot: Slot[T]) -> T:
        """All of it, kept or new, where nothing passes bit by bit."""
        entry = await slot.read()
        if entry is not None:
            return slot.serve(entry, "hit")
        value, _ = await Making(self.ttl, self.ttl).fill(slot)
        return value
