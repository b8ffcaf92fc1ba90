"""What happened to each decorated call in one stretch of a program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resilient.events import CacheResult


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedCall:
    """One call.

    Attributes:
        key: its key.
        strategy: which strategy answered.
        outcome: what it said.
        age: seconds since the value was stored, None if it was made now.
    """

    key: str
    strategy: str
    outcome: CacheResult
    age: float | None


class Detected:
    """The calls so far, in their order."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: list[DetectedCall] = []

    def note(self, call: DetectedCall) -> None:
        """One more."""
        self._calls.append(call)

    @property
    def calls(self) -> tuple[DetectedCall, ...]:
        """All of them."""
        return tuple(self._calls)

    @property
    def keys(self) -> tuple[str, ...]:
        """Their keys, each once."""
        return tuple(dict.fromkeys(call.key for call in self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[DetectedCall]:
        return iter(self.calls)
