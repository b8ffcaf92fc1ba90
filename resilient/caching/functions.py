"""The place of one call's value: what a strategy sees of a decorated function."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from resilient.caching.control import Command
from resilient.caching.detecting import DetectedCall
from resilient.caching.following import followed, marked, marked_to_keep, points_at_maker, tell_the_end
from resilient.caching.guard import Guard
from resilient.caching.names import COUNT, named
from resilient.caching.plans import Asked, Plan
from resilient.caching.raised import Raised, parts_of, revived
from resilient.caching.scopes import NOWHERE
from resilient.caching.slot import Made, Making
from resilient.caching.spans import Span
from resilient.caching.through import Through
from resilient.caching.turns import made_in_turn, make_behind
from resilient.entry import Entry
from resilient.errors import CorruptEntryError, LockedError, StoreError
from resilient.events import BackgroundFailed, CacheLookup, CacheRefreshed, CacheResult, CacheStored
from resilient.ports import Runtime
from resilient.telemetry import FunctionTrace

logger = logging.getLogger("resilient.cache")

Fill: TypeAlias = Callable[[], Coroutine[Any, Any, object]]
"""Calls a function."""
_RAISED = "raised"
"""In the metadata: the value is an exception."""


class FunctionSlot:
    """The place of one call's value.

    Args:
        plan: how the function's calls are cached.
        runtime: the colour of the function.
        key: the call's key.
        asked: the call.
        fill: calls the function.
        patient: whether nobody waits, so that the store may take as long as it does.
        cause: follows the call for which this one is made in the background.

    Attributes:
        fence: of the lease under which the value is made, 0 without one.
        guard: the store.
        name: the name that the key has there.
        runtime: the colour of the function.
        trace: follows the call, None if nobody does.
    """

    __slots__ = (
        "_asked", "_at_hand", "_background", "_blind", "_core", "_fill", "_key", "_lookup", "_plan", "_puts", "_seen",
        "_since", "_tags", "_values", "fence", "guard", "name", "runtime", "trace",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        runtime: Runtime,
        key: str,
        asked: Asked,
        fill: Fill,
        *,
        patient: bool = False,
        cause: FunctionTrace | None = None,
    ) -> None:
        core = self._core = plan.core
        self._plan = plan
        self._key = key
        self._asked = asked
        self._fill = fill
        self._values = core.values
        self._blind = core.is_off(Command.GET, key)
        self._puts = core.puts
        self._seen: float | None = None
        """When that was stored which was read first."""
        self._at_hand: tuple[Entry, object] | None = None
        """An entry and its value, which nobody has got yet."""
        self._tags: tuple[str, ...] | None = None
        self._lookup: CacheLookup | None = None
        self._background = patient
        mount = core.mounts.of(key)
        # Nobody waits for what this process remembers.
        waits = core.waits_for(mount)
        hurried = waits and not patient
        through = Through(core, runtime, self._values, plan.namespace, mount)
        budget = mount.budget if hurried else None
        self.guard = Guard(through, runtime, core.record, budget, mount.health, core.tell, waits)
        self.name = plan.name(key)
        self.runtime = runtime
        self.fence = 0
        tracer = core.sinks.tracer
        if cause is not None:
            self.trace: FunctionTrace | None = cause.behind()
        else:
            named = through.name
            self.trace = None if tracer is None else tracer.begin_function(core.sinks.source, plan.function, named)

    def over(self, value: object, error: BaseException | None) -> None:
        """Tell who follows the call that it came to ``value``, or to ``error``."""
        if self.trace is not None:
            tell_the_end(self.trace, self._lookup, value, error)

    async def fill(self) -> object:
        """Call the function, unless the tags of the call are refused."""
        self.begin()
        return await self._fill()

    def begin(self) -> None:
        """Note what holds when the making begins: the tags, while the arguments are as the caller gave them.

        Raises:
            ConfigurationError: an argument has no form that is the same in every process.
        """
        if self._tags is None:
            self._tags = self._plan.tags(*self._asked)
        self._since = self._core.forgotten.when(self._key, self._tags)

    async def read(self) -> Entry | None:
        """The kept value, unless it cannot be decoded."""
        if self._blind:
            return None
        self._puts = self._core.puts
        entry = self._decoded(await self.guard.get(self._key))
        self._seen = None if entry is None else entry.stored_at
        return entry

    async def read_again(self) -> Entry | None:
        """The kept value, if the store did not say at first."""
        if self._blind or not self.guard.unsure:
            return None
        return self._decoded(await self.guard.get_patiently(self._key, self._core.mounts.of(self._key).timeout))

    async def newer(self) -> Entry | None:
        """What was put there since the first reading."""
        entry = self._decoded(await self.guard.get(self._key))
        return None if entry is None or entry.stored_at == self._seen else entry

    def is_fresh(self, entry: Entry) -> bool:
        """Whether it is as good as new."""
        return entry.is_fresh(self._core.clock.wall())

    def serve(self, entry: Entry, result: CacheResult) -> object:
        """The value, the caller's own."""
        at_hand, self._at_hand = self._at_hand, None
        value = at_hand[1] if at_hand is not None and at_hand[0] is entry else self._value_of(entry)
        wall = self._core.clock.wall()
        self._tell(result, entry.age(wall), entry.fresh_until - wall)
        points_at_maker(self.trace, entry, result)
        return value

    async def put(self, value: object, *, fresh_for: Span, keep_for: Span) -> Entry | None:
        """Keep the value, if its condition holds; a value that cannot be kept is told, and goes its way."""
        plan, asked = self._plan, self._asked
        self._core.pauses.succeeded(self.name)
        result = value.error if isinstance(value, Raised) else value
        holds = plan.condition
        if holds is not None and not holds(result=result, args=asked.args, kwargs=asked.kwargs, key=self._key):
            self.not_kept("condition")
            return None
        keep, fresh = self._seconds(keep_for, result), self._seconds(fresh_for, result)
        if plan.spread is not None:
            keep, fresh = plan.spread(keep), plan.spread(fresh)
        wall = self._core.clock.wall()
        like = Entry(
            body=b"",
            stored_at=wall,
            fresh_until=wall + min(fresh, keep),
            expires_at=wall + keep,
            tags=self._tags or (),
            fence=self.fence,
        )
        try:
            entry = marked_to_keep(self._encoded(value, like), self.trace)
        except StoreError as error:
            logger.warning("a result of %s cannot be kept: %s", plan.function, error)
            self.not_kept("unencodable")
            return None
        if self._core.is_off(Command.SET, self._key):
            self.not_kept("disabled")
        elif self._core.forgotten.when(self._key, like.tags) != self._since:
            # It was made of what was there before.
            self.not_kept("overtaken")
            return None
        elif await self.guard.set(self._key, entry):
            self._core.puts += 1
            self._core.record(
                CacheStored(strategy=plan.strategy.name, function=plan.function, ttl=fresh, background=self._background)
            )
        return entry

    def not_kept(self, reason: str) -> None:
        """Tell that a value was made but is not kept; ``reason`` is one of a few words."""
        plan = self._plan
        self._core.record(
            CacheStored(strategy=plan.strategy.name, function=plan.function, detail=reason, background=self._background)
        )

    def is_failure(self, value: object) -> bool:
        """A function fails by an exception; one that is kept like a result is none."""
        return False

    def excuses(self, error: Exception) -> bool:
        """Whether it is one of those for which a kept value may stand in."""
        return not self._blind and isinstance(error, self._plan.excused)

    async def discard(self, value: object) -> None:
        """A value is let go of by not using it."""

    async def once(self, making: Making, *, everywhere: bool = False) -> object:
        """Make the value once for all callers who miss it; with ``get`` switched off each makes its own."""
        if self._blind or not self._plan.protected:
            return (await making.fill(self))[0]
        leads = False

        async def lead() -> tuple[object, Entry | None]:
            nonlocal leads
            leads = True
            if self._core.puts != self._puts and (entry := await self.newer()) is not None:
                # It was put there between our reading and now.
                return self.serve(entry, "hit"), entry
            fill = partial(making.fill, self)
            value, entry = await (self._in_turn(fill) if everywhere else fill())
            entry = entry or self._aside(value)
            return value, None if entry is None else marked(entry, self.trace)

        self.begin()
        # Who comes after an invalidation does not join what began before it.
        flight = f"{self._plan.number} {self._since} {self.name}"
        transaction = self._core.scopes.here().transaction
        if transaction is not None and not transaction.over:
            # What is made of things that are not committed is for nobody outside.
            flight += f" {id(transaction)}"
        try:
            value, entry = (await self.runtime.share(flight, lead))[0]
        except LockedError as error:
            raise LockedError(self._key) if error.key == flight else error from None
        if leads:
            return value
        if entry is not None:
            return self.serve(entry, "collapsed")
        self._tell("collapsed")
        return value

    async def _in_turn(self, fill: Made[object]) -> tuple[object, Entry | None]:
        """Make the value as the only one of all processes, unless this very call is making one under that name."""
        scopes = self._core.scopes
        here = scopes.here()
        if self.name in here.turns:
            return await fill()
        scopes.enter(here._replace(turns=here.turns | {self.name}))
        try:
            made = await made_in_turn(self, fill, None)
        except GeneratorExit:
            # Collected with its loop, in a foreign context.
            raise
        except BaseException:
            scopes.leave()
            raise
        scopes.leave()
        return made

    def refresh(self, making: Making) -> None:
        """Make the value anew in the background, once for all processes; not if it could not be kept."""
        if self._core.is_off(Command.SET, self._key):
            return
        # It belongs to no transaction, and nothing is switched off for it.
        with self._core.scopes.within(NOWHERE):
            slot = FunctionSlot(
                self._plan, self.runtime, self._key, self._asked, self._fill, patient=True, cause=self.trace
            )
            slot._seen = self._seen
            made = partial(followed, slot.trace, partial(making.fill, slot), slot._made_behind)
            make_behind(slot, made, self._core.pauses, self._refreshed)

    def _made_behind(self, made: tuple[object, Entry | None] | None, error: BaseException | None) -> None:
        self.over(None if made is None else made[0], error)

    def _refreshed(self, seconds: float, error: Exception | None) -> None:
        """Tell what became of work in the background."""
        plan = self._plan
        if error is None:
            self._core.record(CacheRefreshed(strategy=plan.strategy.name, function=plan.function, seconds=seconds))
            return
        kind = type(error).__qualname__
        self._core.record(
            BackgroundFailed(what="refresh", strategy=plan.strategy.name, function=plan.function, error=kind)
        )

    async def count(self, entry: Entry) -> int:
        """One hit more of ``entry``, counted for all who share the store; 0 if it does not say."""
        return await self.guard.incr(named(COUNT, self._key), entry.expires_at)

    async def count_anew(self) -> None:
        """Begin to count at 0."""
        await self.guard.ask("delete", lambda: self.guard.store.delete(named(COUNT, self._key)), 0)

    def failed_lately(self, seconds: float) -> bool:
        """Whether the function failed less than ``seconds`` ago."""
        return self._core.pauses.failed_within(self.name, self._core.clock.now(), seconds)

    def note_failure(self) -> None:
        """Note that the function failed just now."""
        self._core.pauses.failed(self.name, self._core.clock.now())

    def tell_if_missed(self) -> None:
        """Tell of a miss, unless something was served."""
        if self._lookup is None:
            self._tell("bypass" if self._blind else "miss")

    def copy_of(self, value: object) -> tuple[object, int]:
        """A value that is not changed by who changes ``value``, and the bytes that it takes.

        Raises:
            StoreError: it is no value that can be kept.
        """
        wall = self._core.clock.wall()
        entry = self._encoded(value, Entry(body=b"", stored_at=wall, fresh_until=wall, expires_at=wall))
        return self._value_of(entry), len(entry.body)

    def _aside(self, value: object) -> Entry | None:
        """A value that is not kept, as an entry for those who wait for it: its maker may change it by then."""
        wall = self._core.clock.wall()
        try:
            return self._encoded(value, Entry(body=b"", stored_at=wall, fresh_until=wall, expires_at=wall))
        except StoreError:
            return None

    def _decoded(self, entry: Entry | None) -> Entry | None:
        """The entry, if there is a value in it."""
        if entry is None:
            return None
        try:
            self._at_hand = (entry, self._value_of(entry))
        except CorruptEntryError as error:
            self.guard.failed("get", error)
            return None
        return entry

    def _value_of(self, entry: Entry) -> object:
        value = self._values.value_of(self._key, entry)
        if not entry.meta.get(_RAISED):
            return value
        try:
            return revived(value)
        except (LookupError, TypeError, ValueError) as error:
            raise CorruptEntryError("an entry holds no exception", rejected="value") from error

    def _encoded(self, value: object, like: Entry) -> Entry:
        if not isinstance(value, Raised):
            return self._values.entry_of(self._key, value, like)
        entry = self._values.entry_of(self._key, parts_of(value), like)
        return replace(entry, meta={**entry.meta, _RAISED: True})

    def _seconds(self, span: Span, result: object) -> float:
        return span if isinstance(span, float | int) else span.seconds(*self._asked, result)

    def _tell(self, result: CacheResult, age: float | None = None, ttl: float | None = None) -> None:
        plan = self._plan
        strategy = plan.strategy.name
        lookup = CacheLookup(result=result, strategy=strategy, function=plan.function, age=age, ttl=ttl)
        self._lookup = lookup
        self._core.record(lookup)
        detected = self._core.scopes.here().detected
        if detected is not None:
            detected.note(DetectedCall(key=self._key, strategy=strategy, outcome=result, age=age))
