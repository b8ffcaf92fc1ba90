"""One key's place in a cache: all that a strategy sees."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from resilient.entry import Entry
from resilient.events import CacheResult

T = TypeVar("T")
Fill: TypeAlias = Callable[[], Coroutine[Any, Any, T]]
"""Makes the value anew."""


class Slot(Protocol[T]):
    """One key's place, for values of one kind; functions and responses each have their own."""

    async def read(self) -> Entry | None:
        """What is kept and has not expired."""
        ...

    async def read_again(self) -> Entry | None:
        """What is kept, asked for once more because there is nothing else to answer with.

        None at once if the first reading was answered; else the store gets more time than it had.
        """
        ...

    def serve(self, entry: Entry, result: CacheResult) -> T:
        """The value of ``entry``, told as ``result``."""
        ...

    async def put(self, value: T, *, fresh_for: float, keep_for: float) -> Entry | None:
        """Keep ``value`` once it is complete, if it may be kept; seconds.

        Returns:
            What was kept; None if it may not be kept, or is not complete yet.
        """
        ...

    def is_failure(self, value: T) -> bool:
        """Whether ``value`` says that the making failed."""
        ...

    def excuses(self, error: Exception) -> bool:
        """Whether a kept value may stand in for ``error``."""
        ...

    async def discard(self, value: T) -> None:
        """Let go of a value that is not handed on."""
        ...

    async def once(self, fill: Fill[tuple[T, Entry | None]]) -> T:
        """Run ``fill`` for all who miss this key at once; each gets a value of its own."""
        ...


class Strategy(Protocol):
    """When a kept value is served, and when a new one is made."""

    name: ClassVar[str]
    """A word for events and metrics."""

    async def __call__(self, slot: Slot[T], fill: Fill[T]) -> T:
        """The value of ``slot``, made by ``fill`` where need be."""
        ...
