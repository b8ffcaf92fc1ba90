"""What happened in a cache so far, as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resilient.events import CacheLookup, CacheStored, Event, StoreEvicted, StoreFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What a cache did in this process since it was made.

    Attributes:
        calls: how many decorated calls ended how: ``hit``, ``stale``, ``miss``, ``collapsed``, ``bypass``.
        by_strategy: the same by strategy.
        stored: how many values were written.
        not_stored: how many were made but not written, by the reason.
        errors: how often a store failed, by the kind of trouble; ``degraded`` if it was not even asked.
        degraded: the names of the stores that are left alone now, since they fail.
        evicted: how many entries stores dropped to make room.
        entries: how many entries the stores keep.
        size: bytes that they take.
    """

    calls: Mapping[str, int]
    by_strategy: Mapping[str, Mapping[str, int]]
    stored: int
    not_stored: Mapping[str, int]
    errors: Mapping[str, int]
    degraded: Sequence[str]
    evicted: int
    entries: int
    size: int

    @property
    def hit_ratio(self) -> float:
        """The share of calls that were answered from the cache, stale answers included; 0 without a call."""
        answered = sum(self.calls.get(result, 0) for result in ("hit", "stale", "revalidated", "collapsed"))
        return answered / all_calls if (all_calls := sum(self.calls.values())) else 0.0


class Figures:
    """Counts events."""

    __slots__ = ("errors", "evicted", "lookups", "not_stored", "stored")

    def __init__(self) -> None:
        self.lookups: Counter[tuple[str, str]] = Counter()
        self.not_stored: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.stored = 0
        self.evicted = 0

    def count(self, event: Event) -> None:
        """One more of its kind."""
        if isinstance(event, CacheLookup):
            self.lookups[event.strategy, event.result] += 1
        elif isinstance(event, CacheStored):
            if event.detail is None:
                self.stored += 1
            else:
                self.not_stored[event.detail] += 1
        elif isinstance(event, StoreFailed):
            self.errors[event.kind] += 1
        elif isinstance(event, StoreEvicted):
            self.evicted += event.entries

    def stats(self, entries: int, size: int, degraded: Sequence[str]) -> Stats:
        """All of it, with what the stores keep, and which of them are left alone."""
        calls: Counter[str] = Counter()
        strategies: dict[str, Counter[str]] = {}
        for (strategy, result), count in list(self.lookups.items()):
            calls[result] += count
            strategies.setdefault(strategy, Counter())[result] += count
        return Stats(
            calls=calls,
            by_strategy=strategies,
            stored=self.stored,
            not_stored=dict(self.not_stored),
            errors=dict(self.errors),
            degraded=degraded,
            evicted=self.evicted,
            entries=entries,
            size=size,
        )
