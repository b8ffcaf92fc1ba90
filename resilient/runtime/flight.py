"""Single flight: work that many ask for at once is done once."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol, TypeVar

from resilient.errors import LockedError
from resilient.locks import fork_safe_lock
from resilient.ports import Clock, Job, Signal
from resilient.runtime.forgetting import forgets_in_children
from resilient.runtime.home import Home, is_lost

T = TypeVar("T")

LOOK_AGAIN = 1.0
"""Seconds after which one who waits for another event loop looks whether that still runs."""

_led: ContextVar[frozenset[int]] = ContextVar("resilient_led", default=frozenset())
"""The flights that the current call leads, by their numbers."""

_numbers = itertools.count(1)


class Crew(Protocol):
    """What a flight needs of a runtime."""

    @property
    def clock(self) -> Clock: ...

    def home(self) -> Home | None:
        """Where work of the caller would run: its event loop, or None for its own thread."""
        ...

    def signal(self) -> Signal:
        """A bell that the caller waits for."""
        ...

    async def lead(self, work: Job[None], over: Callable[[], None]) -> Callable[[], None]:
        """Start ``work`` and call ``over`` after its end, even if it never began; returns what stops it."""
        ...


class _NoResult(Exception):
    """The work was given up before it had a result or an error of its own."""


_NO_RESULT = _NoResult()


class _Flight:
    """One piece of work under way, and who asks for it."""

    __slots__ = ("askers", "bells", "error", "home", "key", "landed", "number", "result", "stop")

    def __init__(self, key: str, home: Home | None) -> None:
        self.key = key
        self.home = home
        self.number = next(_numbers)
        self.askers = 0
        self.bells: dict[Signal, None] = {}
        self.landed = False
        self.result: Any = None
        self.error: BaseException | None = _NO_RESULT
        self.stop: Callable[[], None] | None = None


class Flights:
    """The work under way in one runtime; no flight crosses colours: a blocking wait for a task would hang."""

    __slots__ = ("__weakref__", "_lock", "_table")

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._table: dict[str, _Flight] = {}
        forgets_in_children(self)

    def forget(self) -> None:
        """Let every flight go; in a forked child nobody is left to land them."""
        self._table.clear()

    async def share(self, crew: Crew, key: str, job: Job[T], timeout: float | None) -> tuple[T, bool]:
        """As :meth:`resilient.ports.Runtime.share`."""
        ends = math.inf if timeout is None else crew.clock.now() + timeout
        here = crew.home()
        while True:
            flight, leads = self._join(key, here)
            bell: Signal | None = None
            try:
                if leads:
                    flight.stop = await crew.lead(partial(self._fly, flight, job), partial(self._land, flight))
                # Blocking work is over by now, and whoever led it has nothing to wait for.
                if not flight.landed:
                    bell = crew.signal()
                    await self._landing(flight, bell, ends, crew.clock, here)
            except GeneratorExit:
                # Collected with a loop that is gone: at any moment, even while this thread holds the lock.
                raise
            except BaseException:
                if self._leave(flight, bell) and flight.home is here:
                    # As it is where nobody shares: what was stopped has ended before its caller goes on.
                    await self._end(flight, crew.signal())
                raise
            if flight.error is None:
                return flight.result, leads
            if flight.error is _NO_RESULT:
                continue
            if leads:
                raise flight.error
            if isinstance(flight.error, Exception):
                raise _copied(flight.error)
            # The work was stopped before its end: one of those who wait takes it over.

    def _join(self, key: str, here: Home | None) -> tuple[_Flight, bool]:
        """The flight for ``key``, a new one if there is none; and whether it is new."""
        found = self._table.get(key)
        if found is not None and is_lost(found.home, here):
            self._give_up(found)
        with self._lock:
            flight = self._table.get(key)
            leads = flight is None
            if flight is None:
                flight = self._table[key] = _Flight(key, here)
            elif flight.number in _led.get():
                raise LockedError(key)
            flight.askers += 1
        return flight, leads

    async def _landing(self, flight: _Flight, bell: Signal, ends: float, clock: Clock, here: Home | None) -> None:
        """Wait until ``flight`` has landed.

        Raises:
            TimeoutError: the instant ``ends`` came first.
        """
        with self._lock:
            if flight.landed:
                return
            flight.bells[bell] = None
        patience = math.inf if flight.home is here else LOOK_AGAIN
        while True:
            left = math.inf if ends == math.inf else ends - clock.now()
            if await bell.wait(min(left, patience)):
                return
            if left <= patience:
                raise TimeoutError
            if is_lost(flight.home, here):
                self._give_up(flight)

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
            # Work that is collected with its loop ends in a foreign context, which has no such mark.
            with suppress(ValueError):
                _led.reset(mark)
            self._land(flight)

    def _land(self, flight: _Flight) -> None:
        """Tell all who wait; once."""
        if flight.landed:
            return
        with self._lock:
            flight.landed = True
            if self._table.get(flight.key) is flight:
                del self._table[flight.key]
        for bell in flight.bells:
            bell.set()

    def _give_up(self, flight: _Flight) -> None:
        """Have somebody else do the work of ``flight``, whose loop does not run; should it ever again, it stops."""
        self._land(flight)
        if flight.stop is not None:
            flight.stop()

    async def _end(self, flight: _Flight, bell: Signal) -> None:
        """Wait until work that was stopped has landed."""
        with self._lock:
            if flight.landed:
                return
            flight.bells[bell] = None
        await bell.wait()

    def _leave(self, flight: _Flight, bell: Signal | None) -> bool:
        """Stop waiting; the last one to go while the work is under way stops it. Whether it was stopped."""
        with self._lock:
            if flight.landed:
                return False
            flight.askers -= 1
            if bell is not None:
                flight.bells.pop(bell, None)
            abandoned = flight.askers == 0
            if abandoned and self._table.get(flight.key) is flight:
                # Whoever comes from now on starts anew: this one is being stopped.
                del self._table[flight.key]
        if not abandoned or flight.stop is None:
            return False
        flight.stop()
        return True


def leads_nothing() -> None:
    """From now on, in this context, wait for any flight: nobody waits for what is done here."""
    _led.set(frozenset())


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
