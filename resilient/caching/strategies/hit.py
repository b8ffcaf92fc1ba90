"""Serve a value so many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Making, Slot
from resilient.caching.spans import Span, told
from resilient.checks import is_count, need

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit:
    """What is kept is served ``cache_hits`` times, for ``ttl`` at most.

    Args:
        ttl: how long it is kept at most.
        cache_hits: how often it is served.
        update_after: after so many times it is made anew in the background, and the counting starts again.

    Raises:
        ConfigurationError: a number is not above 0, or ``update_after`` not below ``cache_hits``.
    """

    name: ClassVar[str] = "hit"
    ttl: Span
    cache_hits: int
    update_after: int | None = None

    def __post_init__(self) -> None:
        need(is_count(self.cache_hits), "cache_hits", self.cache_hits, "a whole number above 0")
        right = f"a whole number above 0 and below cache_hits={self.cache_hits}"
        after = self.update_after
        need(after is None or (is_count(after) and after < self.cache_hits), "update_after", after, right)

    def __str__(self) -> str:
        return f"{self.name}: served {self.cache_hits} times, for {told(self.ttl)} at most"

    async def __call__(self, slot: Slot[T]) -> T:
        """The kept value, or a new one."""
        making = Making(self.ttl, self.ttl, counted=True)
        entry = await slot.read()
        if entry is None or (hits := await slot.count(entry)) > self.cache_hits:
            return await slot.once(making)
        if self.update_after is not None and hits >= self.update_after:
            slot.refresh(making)
        return slot.serve(entry, "hit")
