"""Make a value anew before it expires, so that nobody waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Making, Slot
from resilient.caching.spans import Span, need_order, told

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Early:
    """Good until ``ttl``; the first call after ``early_ttl`` has it made anew in the background.

    Raises:
        ConfigurationError: ``early_ttl`` is not less than ``ttl``.
    """

    name: ClassVar[str] = "early"
    ttl: Span
    early_ttl: Span

    def __post_init__(self) -> None:
        need_order(early_ttl=self.early_ttl, ttl=self.ttl)

    def __str__(self) -> str:
        return f"{self.name}: served for {told(self.ttl)}, made anew after {told(self.early_ttl)}"

    async def __call__(self, slot: Slot[T]) -> T:
        """The kept value, or a new one."""
        making = Making(self.early_ttl, self.ttl)
        entry = await slot.read()
        if entry is None:
            return await slot.once(making)
        if not slot.is_fresh(entry):
            slot.refresh(making)
        return slot.serve(entry, "hit")
