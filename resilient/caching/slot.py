"""One key's place in a cache: all that a strategy sees."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar

from resilient.caching.spans import Span
from resilient.entry import Entry
from resilient.events import CacheResult

T = TypeVar("T")
Made: TypeAlias = Callable[[], Coroutine[Any, Any, tuple[T, Entry | None]]]
"""Makes the value anew and puts it into its slot; the value, and what was kept."""


class Slot(Protocol[T]):
    """One key's place, for values of one kind; functions and responses each have their own."""

    async def fill(self) -> T:
        """Make the value anew."""
        ...

    async def read(self) -> Entry | None:
        """What is kept and has not expired."""
        ...

    async def read_again(self) -> Entry | None:
        """What is kept, asked for once more because there is nothing else to answer with.

        None at once if the first reading was answered; else the store gets more time than it had.
        """
        ...

    def is_fresh(self, entry: Entry) -> bool:
        """Whether ``entry`` is as good as new."""
        ...

    def serve(self, entry: Entry, result: CacheResult) -> T:
        """The value of ``entry``, told as ``result``."""
        ...

    async def put(self, value: T, *, fresh_for: Span, keep_for: Span) -> Entry | None:
        """Keep ``value`` once it is complete, if it may be kept.

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

    async def once(self, making: Making, *, everywhere: bool = False) -> T:
        """Make the value once for all who miss this key at the same time; each gets a value of its own.

        Args:
            making: how it is made.
            everywhere: whether those in other processes count too.
        """
        ...

    def refresh(self, making: Making) -> None:
        """Make the value anew in the background, unless that is being done, or failed a moment ago.

        Args:
            making: how it is made, in a slot of its own.
        """
        ...

    async def count(self, entry: Entry) -> int:
        """How often ``entry`` was asked for, this time included."""
        ...

    async def count_anew(self) -> None:
        """Begin to count at 0, since there is another entry."""
        ...

    def failed_lately(self, seconds: float) -> bool:
        """Whether the making failed less than ``seconds`` ago."""
        ...

    def note_failure(self) -> None:
        """Note that the making failed just now."""
        ...


class Strategy(Protocol):
    """When a kept value is served, and when a new one is made."""

    name: ClassVar[str]
    """A word for events and metrics, and for where the values are kept."""

    async def __call__(self, slot: Slot[T]) -> T:
        """The value of ``slot``, made where need be."""
        ...


class Making(NamedTuple):
    """How a value is made and kept.

    Attributes:
        fresh_for: how long it is as good as new.
        keep_for: how long it is kept.
        counted: whether it is counted how often it is asked for.
    """

    fresh_for: Span
    keep_for: Span
    counted: bool = False

    async def fill(self, slot: Slot[T]) -> tuple[T, Entry | None]:
        """Make the value of ``slot`` and put it there; the value, and what was kept."""
        value = await slot.fill()
        kept = await slot.put(value, fresh_for=self.fresh_for, keep_for=self.keep_for)
        if self.counted:
            await slot.count_anew()
        return value, kept
