"""Make a value once, whoever asks, in whatever process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Making, Slot
from resilient.caching.spans import Span, told

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Locked:
    """What is kept is served; else one caller makes the value, and those of all processes wait for the result."""

    name: ClassVar[str] = "locked"
    ttl: Span

    def __str__(self) -> str:
        return f"{self.name}: made by one of all processes, and served for {told(self.ttl)}"

    async def __call__(self, slot: Slot[T]) -> T:
        """The kept value, or a new one."""
        entry = await slot.read()
        if entry is not None:
            return slot.serve(entry, "hit")
        return await slot.once(Making(self.ttl, self.ttl), everywhere=True)
