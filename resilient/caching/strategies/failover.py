"""Keep the last good value for the day on which there is no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from resilient.caching.slot import Slot
from resilient.caching.spans import Span, told

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failover:
    """The value is made anew; if that fails, the last good one of the past ``ttl`` stands in.

    Args:
        ttl: how long the last good value may stand in.
        retry_after: seconds after a failure in which the kept value is served without a try; 0 for none.
        fresh_for: how long it is served without a try as it is.
    """

    name: ClassVar[str] = "failover"
    ttl: Span
    retry_after: float = 0.0
    fresh_for: Span = 0.0

    def __str__(self) -> str:
        return f"{self.name}: the last good answer of the past {told(self.ttl)} stands in for a failure"

    async def __call__(self, slot: Slot[T]) -> T:
        """A new value, or the last good one."""
        # Read before the origin is asked: when its time has run out, there is none left for reading.
        entry = await slot.read()
        if entry is not None and self.fresh_for and slot.is_fresh(entry):
            return slot.serve(entry, "hit")
        if entry is not None and self.retry_after and slot.failed_lately(self.retry_after):
            return slot.serve(entry, "stale")
        try:
            value = await slot.fill()
        except Exception as error:
            if not slot.excuses(error):
                raise
            slot.note_failure()
            entry = entry or await slot.read_again()
            if entry is None:
                raise
            return slot.serve(entry, "stale")
        if slot.is_failure(value):
            slot.note_failure()
            try:
                entry = entry or await slot.read_again()
            except BaseException:
                await slot.discard(value)
                raise
            if entry is not None:
                await slot.discard(value)
                return slot.serve(entry, "stale")
        await slot.put(value, fresh_for=self.fresh_for, keep_for=self.ttl)
        return value
