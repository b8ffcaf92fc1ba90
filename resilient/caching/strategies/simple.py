"""Keep a value for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Fill, Slot
from resilient.durations import shown
from resilient.entry import Entry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Simple:
    """What is kept is served; else the value is made, once for all who ask meanwhile, and kept for ``ttl`` seconds."""

    name: ClassVar[str] = "simple"
    ttl: float

    def __str__(self) -> str:
        return f"{self.name}: an answer is kept, and served for {shown(self.ttl)}"

    async def __call__(self, slot: Slot[T], fill: Fill[T]) -> T:
        """The kept value, or a new one."""
        entry = await slot.read()
        if entry is not None:
            return slot.serve(entry, "hit")

        async def made() -> tuple[T, Entry | None]:
            value = await fill()
            return value, await slot.put(value, fresh_for=self.ttl, keep_for=self.ttl)

        return await slot.once(made)
