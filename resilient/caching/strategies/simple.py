"""Keep a value for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Making, Slot
from resilient.caching.spans import Span, told

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Simple:
    """What is kept is served; else the value is made, once for all who ask meanwhile, and kept for ``ttl``."""

    name: ClassVar[str] = "simple"
    ttl: Span

    def __str__(self) -> str:
        return f"{self.name}: what is kept is served for {told(self.ttl)}"

    async def __call__(self, slot: Slot[T]) -> T:
        """The kept value, or a new one."""
        entry = await slot.read()
        if entry is not None:
            return slot.serve(entry, "hit")
        return await slot.once(Making(self.ttl, self.ttl))
