"""What many who ask one origin at once have to know of each other."""

from __future__ import annotations

from collections import OrderedDict

from resilient.locks import fork_safe_lock

APART = 60.0
"""Seconds after an answer that could not be shared in which nobody waits for another one of its kind."""
MOST = 10_000
"""Keys that are remembered; the oldest go first."""


class Crowd:
    """What was learned of an origin's answers.

    Attributes:
        puts: how many answers were kept; whoever saw it change looks once more.
    """

    __slots__ = ("_alone", "_lock", "puts")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._alone: OrderedDict[str, float] = OrderedDict()
        self.puts = 0

    def kept(self, key: str) -> None:
        """An answer was kept, which others can be given too."""
        self.puts += 1
        if self._alone:
            with self._lock:
                self._alone.pop(key, None)

    def not_shared(self, key: str, now: float) -> None:
        """An answer was nobody's but its caller's."""
        with self._lock:
            self._alone[key] = now
            self._alone.move_to_end(key)
            if len(self._alone) > MOST:
                self._alone.popitem(last=False)

    def goes_apart(self, key: str, now: float) -> bool:
        """Whether to ask without waiting for others, since their answer would not do."""
        at = self._alone.get(key)
        return at is not None and now - at < APART
