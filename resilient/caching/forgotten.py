"""What was forgotten, and when: a value whose making began before that is not kept afterwards."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from resilient.caching.control import Command
from resilient.caching.names import matcher
from resilient.locks import fork_safe_lock

_FORGETTING = frozenset({Command.DELETE, Command.DELETE_MANY, Command.DELETE_MATCH, Command.DELETE_TAGS, Command.CLEAR})
MOST_NAMES = 10_000
"""Keys and tags that are remembered; what is older counts as forgotten since."""
MOST_PATTERNS = 64
"""Patterns that are remembered in the same way."""


class Forgotten:
    """The keys, tags and patterns that were forgotten in this process, each with a number that grows."""

    __slots__ = ("_floor", "_keys", "_last", "_lock", "_patterns", "_tags")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._last = 0
        self._floor = 0
        """What is no longer remembered has this number at most."""
        self._keys: OrderedDict[str, int] = OrderedDict()
        self._tags: OrderedDict[str, int] = OrderedDict()
        self._patterns: deque[tuple[re.Pattern[str], int]] = deque()

    def note(self, command: Command, names: Sequence[str]) -> None:
        """Note what ``command`` is about to forget, if it does; ``names`` are its arguments."""
        if command not in _FORGETTING:
            return
        with self._lock:
            self._last += 1
            if command is Command.CLEAR:
                self._floor = self._last
            elif command is Command.DELETE_MATCH:
                self._patterns.append((matcher(names[0]), self._last))
                if len(self._patterns) > MOST_PATTERNS:
                    self._floor = max(self._floor, self._patterns.popleft()[1])
            else:
                self._remember(self._tags if command is Command.DELETE_TAGS else self._keys, names)

    @property
    def last(self) -> int:
        """The number of the last time that anything was forgotten; 0 if nothing ever was."""
        return self._last

    def when(self, key: str, tags: Iterable[str]) -> int:
        """The number of the last time that ``key``, or something with these tags, was forgotten; 0 if never."""
        if not self._last:
            return 0
        with self._lock:
            found = [self._floor, self._keys.get(key, 0), *(self._tags.get(tag, 0) for tag in tags)]
            found += [number for pattern, number in self._patterns if pattern.fullmatch(key)]
        return max(found)

    def _remember(self, known: OrderedDict[str, int], names: Sequence[str]) -> None:
        for name in names:
            known.pop(name, None)
            known[name] = self._last
            if len(known) > MOST_NAMES:
                self._floor = max(self._floor, known.popitem(last=False)[1])
