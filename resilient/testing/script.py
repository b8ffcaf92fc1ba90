"""The language in which a test says how an origin behaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Self, TypeAlias, Unpack

from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.testing import checks
from resilient.testing.reply import Details, Latency, Reply, drawn

Verdict: TypeAlias = Reply | int | Exception | None
"""What a function answers: a reply, a status, an error to raise, or None for the rest of the script."""

Behaviour: TypeAlias = Callable[[Any, int, float], Verdict]
"""Decides for a request, its number (from 1), and the seconds since the origin was made."""


@dataclass(slots=True, eq=False)
class _Rule:
    """One sentence of a script."""

    behaviour: Behaviour
    path: str | None
    window: tuple[float, float] | None
    left: int | None
    rate: float | None
    number: int

    def applies(self, path: str, now: float) -> bool:
        if self.path is not None and not fnmatchcase(path, self.path):
            return False
        return self.window is None or self.window[0] <= now < self.window[1]

    @property
    def is_general(self) -> bool:
        return self.left is None and self.rate is None and self.window is None

    @property
    def order(self) -> tuple[bool, int, int]:
        """Smaller comes first: a path before none; what is limited in times, in time, by dice, not at all."""
        if self.left is not None:
            return self.path is None, 0, self.number
        kind = 1 if self.window is not None else 2 if self.rate is not None else 3
        return self.path is None, kind, -self.number


@dataclass(slots=True, eq=False)
class _Book:
    """All that was said about one origin; shared by the narrowed scripts."""

    random: Random
    rules: list[_Rule] = field(default_factory=list[_Rule])
    lock: threading.Lock = field(default_factory=threading.Lock)
    asked: int = 0
    said: int = 0


class Script:
    """How an origin behaves, said in sentences; without any it answers 200 and ``ok``.

    What is said with ``times=`` happens first, in the order in which it was said. Then what holds
    :meth:`during` a span of time, then what happens at a ``rate=``, then the last sentence that was said
    without any of these. Sentences :meth:`at` a path come before those about every path.

    Args:
        seed: of the dice for rates and latencies.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._book = _Book(Random(seed))
        self._path: str | None = None
        self._window: tuple[float, float] | None = None

    def at(self, path: str) -> Script:
        """The script for requests of ``path`` only; ``*`` stands for any characters."""
        return self._narrowed(path, self._window)

    def during(self, start: float, end: float) -> Script:
        """The script from ``start`` until ``end``, in seconds since the origin was made."""
        need(start < end, "end", end, f"an end after the start, {start!r}")
        return self._narrowed(self._path, (start, end))

    def answers(
        self,
        status: int = 200,
        *,
        times: int | None = None,
        rate: float | None = None,
        **details: Unpack[Details],
    ) -> Self:
        """Answer so.

        Args:
            status: of the answer.
            times: how often; from now on if not given.
            rate: the share of requests that meet it, from 0.0 to 1.0; the others meet the rest of the script.
            details: ``body``, ``headers``, ``retry_after``, ``latency`` and others, see :class:`Reply`.
        """
        return self.replies(Reply(status=status, **details), times=times, rate=rate)

    def fails(
        self,
        *,
        times: int | None = None,
        rate: float | None = None,
        error: str | None = None,
        status: int | None = None,
        **details: Unpack[Details],
    ) -> Self:
        """Fail: with an ``error`` such as "connect" or "read", or with a ``status``; 500 if neither is given.

        Args:
            times: how often; from now on if not given.
            rate: the share of requests that fail, from 0.0 to 1.0; the others meet the rest of the script.
            error: how the connection fails, one of those of :class:`Reply`.
            status: the status of an answer instead.
            details: as for :meth:`answers`.
        """
        if error is not None and status is not None:
            raise ConfigurationError(f"error={error!r}, status={status!r}: a request fails in one of the two ways")
        reply = Reply(status=500 if status is None else status, error=error, **details)
        return self.replies(reply, times=times, rate=rate)

    def hangs(self, *, phase: str = "read", times: int | None = None, rate: float | None = None) -> Self:
        """Do nothing for ever, in the ``phase`` "connect" or "read"; the caller's timeout for it ends it."""
        return self.replies(Reply(hangs=phase), times=times, rate=rate)

    def replies(self, reply: Reply, *, times: int | None = None, rate: float | None = None) -> Self:
        """Do what ``reply`` says."""

        def behaviour(_request: object, _number: int, _now: float) -> Reply:
            return reply

        return self.behaves(behaviour, times=times, rate=rate)

    def behaves(self, behaviour: Behaviour, *, times: int | None = None, rate: float | None = None) -> Self:
        """Do what ``behaviour(request, number, now)`` says, see :data:`Verdict`."""
        if times is not None:
            checks.count(times, option="times")
        if rate is not None:
            checks.rate(rate, option="rate")
        book = self._book
        with book.lock:
            book.said += 1
            rule = _Rule(behaviour, self._path, self._window, times, rate, book.said)
            if rule.is_general:
                # The last word counts: what was said in general about the same path is over.
                book.rules = [old for old in book.rules if not (old.is_general and old.path == rule.path)]
            book.rules = sorted([*book.rules, rule], key=lambda rule: rule.order)
        return self

    def forgets(self) -> None:
        """Take back what was said; of a narrowed script, what was said about its path and span of time."""
        with self._book.lock:
            self._book.rules = [
                rule
                for rule in self._book.rules
                if (self._path is not None and rule.path != self._path)
                or (self._window is not None and rule.window != self._window)
            ]

    def decide(self, request: Any, path: str, now: float) -> Reply | Exception:
        """What happens to ``request`` of ``path``, ``now`` seconds after the origin was made."""
        book = self._book
        with book.lock:
            book.asked += 1
            number = book.asked
            chosen = [rule for rule in book.rules if rule.applies(path, now)]
        for rule in chosen:
            if self._is_up(rule) and (verdict := rule.behaviour(request, number, now)) is not None:
                return Reply(status=verdict) if isinstance(verdict, int) else verdict
        return Reply()

    def draw(self, latency: Latency) -> float:
        """Seconds of ``latency`` this time."""
        with self._book.lock:
            return drawn(latency, self._book.random)

    def _is_up(self, rule: _Rule) -> bool:
        """Whether ``rule`` is used this time: its dice fall so, and it is not used up."""
        with self._book.lock:
            if rule.rate is not None and self._book.random.random() >= rule.rate:
                return False
            if rule.left is None:
                return True
            rule.left -= 1
            if rule.left <= 0:
                self._book.rules = [other for other in self._book.rules if other is not rule]
            return rule.left >= 0

    def _narrowed(self, path: str | None, window: tuple[float, float] | None) -> Script:
        made = Script()
        made._book, made._path, made._window = self._book, path, window
        return made
