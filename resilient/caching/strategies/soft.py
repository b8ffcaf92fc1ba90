"""Serve a value that has grown stale while a new one is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Making, Slot
from resilient.caching.spans import Span, need_order, told

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Soft:
    """Fresh until ``soft_ttl``; from then until ``ttl`` served stale, while it is made anew in the background.

    Raises:
        ConfigurationError: ``soft_ttl`` is not less than ``ttl``.
    """

    name: ClassVar[str] = "soft"
    ttl: Span
    soft_ttl: Span

    def __post_init__(self) -> None:
        need_order(soft_ttl=self.soft_ttl, ttl=self.ttl)

    def __str__(self) -> str:
        return f"{self.name}: fresh for {told(self.soft_ttl)}, then stale until {told(self.ttl)} while it is made anew"

    async def __call__(self, slot: Slot[T]) -> T:
        """The kept value, or a new one."""
        making = Making(self.soft_ttl, self.ttl)
        entry = await slot.read()
        if entry is None:
            return await slot.once(making)
        if slot.is_fresh(entry):
            return slot.serve(entry, "hit")
        slot.refresh(making)
        return slot.serve(entry, "stale")
