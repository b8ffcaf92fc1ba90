"""Serve an answer for as long as it says itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Making, Slot
from resilient.caching.spans import Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standard:
    """What is kept is served as long as its origin allows; while that is in the background only, it is made anew.

    Args:
        stated: tells how long that is.
    """

    name: ClassVar[str] = "standard"
    stated: Span

    def __str__(self) -> str:
        return "as RFC 9111 says"

    async def __call__(self, slot: Slot[T]) -> T:
        """The kept value, or a new one."""
        entry = await slot.read()
        if entry is None:
            return await slot.once(Making(self.stated, self.stated))
        if slot.is_fresh(entry):
            return slot.serve(entry, "hit")
        slot.refresh(Making(self.stated, self.stated))
        return slot.serve(entry, "stale")
