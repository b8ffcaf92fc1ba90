"""Single flight: work that many ask for at once is done once."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

from resilient.errors import LockedError
from resilient.locks import fork_safe_lock
from resilient.ports import Clock, Job, Signal

T = TypeVar("T")

_led: ContextVar[frozenset[int]] = ContextVar("resilient_led", default=frozenset())
"""The flights that the current call leads, by their numbers."""

_numbers = itertools.count(1)


class Crew(Protocol):
    """What a flight needs of a runtime."""

    @property
    def clock(self) -> Clock: ...

    def signal(self) -> Signal:
        """A bell that the caller waits for."""
        ...

    async def lead(self, work: Job[None], over: Callable[[], None]) -> Callable[[], None]:
        """Start ``work`` and call ``over`` after its end, even if it never began; returns what stops it."""
        ...


class _Flight:
    """One piece of work under way, and who waits for it."""

    __slots__ = ("bells", "error", "key", "landed", "number", "result", "stop")

    def __init__(self, key: str) -> None:
        self.key = key
        self.number = next(_numbers)
        self.bells: list[Signal] = []
        self.landed = False
        self.result: Any = None
        self.error: BaseException | None = _Unborn()
        self.stop: Callable[[], None] | None = None


class _Unborn(Exception):
    """The work was stopped before it began."""


class Flights:
    """The work under way in one runtime; no flight crosses colours: a blocking wait for a task would hang."""

    __slots__ = ("__weakref__", "_lock", "_table")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._table: dict[str, _Flight] = {}
        _tables.add(self)

    def forget(self) -> None:
        """Let every flight go; in a forked child nobody is left to land them."""
        self._table.clear()

    async def share(self, crew: Crew, key: str, job: Job[T], timeout: float | None) -> tuple[T, bool]:
        """As :meth:`resilient.ports.Runtime.share`."""
        ends = None if timeout is None else crew.clock.now() + timeout
        while True:
            bell = crew.signal()
            flight, leads = self._join(key, bell)
            try:
                if leads:
                    work, over = partial(self._fly, flight, job), partial(self._land, flight)
                    flight.stop = await crew.lead(work, over)
                landed = await bell.wait(None if ends is None else ends - crew.clock.now())
            finally:
                self._leave(flight, bell)
            if not landed:
                raise TimeoutError
            if flight.error is None:
                return flight.result, leads
            if isinstance(flight.error, _Unborn):
                continue
            if leads:
                raise flight.error
            if isinstance(flight.error, Exception):
                raise _copied(flight.error)
            # The work was stopped before its end: one of those who wait takes it over.

    def _join(self, key: str, bell: Signal) -> tuple[_Flight, bool]:
        """The flight for ``key``, a new one if there is none; and whether it is new."""
        with self._lock:
            flight = self._table.get(key)
            leads = flight is None
            if flight is None:
                flight = self._table[key] = _Flight(key)
            elif flight.number in _led.get():
                raise LockedError(key)
            flight.bells.append(bell)
        return flight, leads

    async def _fly(self, flight: _Flight, job: Job[T]) -> None:
        mark = _led.set(_led.get() | {flight.number})
        try:
            flight.result = await job()
            flight.error = None
        except Exception as error:  # noqa: BLE001 - it is raised where the result is waited for
            flight.error = error
        except BaseException as error:
            flight.error = error
            raise
        finally:
            _led.reset(mark)
            self._land(flight)

    def _land(self, flight: _Flight) -> None:
        """Tell all who wait; once."""
        with self._lock:
            if flight.landed:
                return
            flight.landed = True
            if self._table.get(flight.key) is flight:
                del self._table[flight.key]
            for bell in flight.bells:
                bell.set()

    def _leave(self, flight: _Flight, bell: Signal) -> None:
        """Stop waiting; the last one to go while the work is under way stops it."""
        with self._lock:
            flight.bells.remove(bell)
            abandoned = not flight.bells and not flight.landed
            if abandoned and self._table.get(flight.key) is flight:
                # Whoever comes from now on starts anew: this one is being stopped.
                del self._table[flight.key]
        if abandoned and flight.stop is not None:
            flight.stop()


def _copied(error: Exception) -> Exception:
    """A copy for one of many who wait: one object raised in several places gets a garbled traceback."""
    try:
        made = copy.copy(error)
    except Exception:  # noqa: BLE001 - of any class, with any constructor
        # Its constructor wants more than its arguments; an error that only its data makes will do.
        made = type(error).__new__(type(error), *error.args)
        made.args = error.args
        made.__dict__.update(error.__dict__)
    if notes := getattr(error, "__notes__", None):
        made.__notes__ = list(notes)
    made.__cause__ = error
    return made


_tables: WeakSet[Flights] = WeakSet()


def _forget_all() -> None:
    for flights in list(_tables):
        flights.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
