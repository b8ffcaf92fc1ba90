"""Counts over the last seconds."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

BUCKETS = 10
"""A window moves on in steps of this part of its span, so it covers between nine and ten of them."""


class Figures(NamedTuple):
    """Calls of a window; ``slow`` ones are among the ``failed``."""

    calls: int
    failed: int
    slow: int


class Window:
    """Calls and failures of the last ``span`` seconds.

    The counts only ever grow and are noted at the start of each bucket: a window is the difference between
    now and the note of its first bucket. A bucket knows its start, not its length, so that another ``span``
    fits at once.

    Not locked: it belongs to a machine that is.
    """

    __slots__ = ("_calls", "_failed", "_notes", "_slow", "_span", "_start")

    def __init__(self) -> None:
        self._calls = self._failed = self._slow = 0
        self._span = 0.0
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._start = -math.inf
        self._notes = deque([(self._start, Figures(self._calls, self._failed, self._slow))])

    def ok(self, span: float, now: float) -> None:
        """Count a call that went well."""
        if now - self._start >= span / BUCKETS:
            self._turn(span, now)
        self._calls += 1

    def failed(self, span: float, now: float, *, slow: bool = False) -> Figures:
        """Count one that did not, or that was too ``slow``; what the window holds with it."""
        self.ok(span, now)
        self._failed += 1
        self._slow += slow
        return self._since(self._notes[0][1])

    def figures(self, now: float) -> Figures:
        """What the window holds; its span is the one last counted by."""
        for start, before in self._notes:
            if start > now - self._span:
                return self._since(before)
        return Figures(0, 0, 0)

    def _since(self, before: Figures) -> Figures:
        return Figures(self._calls - before.calls, self._failed - before.failed, self._slow - before.slow)

    def _turn(self, span: float, now: float) -> None:
        """Open a bucket, and drop those that are out of the window."""
        width = span / BUCKETS
        self._span, self._start = span, now - now % width
        self._notes.append((self._start, Figures(self._calls, self._failed, self._slow)))
        # Half a bucket of tolerance: starts are multiples of the width only up to rounding.
        while self._notes[0][0] < self._start - span + width / 2:
            self._notes.popleft()
