"""The place of one request's answer: what a strategy sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from resilient.caching.answers import answer_of, meta_of
from resilient.caching.conditions import Condition
from resilient.caching.guard import Guard
from resilient.caching.names import COUNT, named
from resilient.caching.pauses import Pauses
from resilient.caching.slot import Making, Strategy
from resilient.caching.spans import Span
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.soft import Soft
from resilient.caching.tee import MAX_BODY, Tee
from resilient.caching.through import Through
from resilient.caching.turns import made_in_turn, make_behind
from resilient.call import INFINITE, Call, Handler
from resilient.entry import Entry
from resilient.errors import CorruptEntryError, DeadlineExceededError
from resilient.events import BackgroundFailed, CacheLookup, CacheRefreshed, CacheResult, CacheStored
from resilient.http.directives import cache_control
from resilient.http.storing import combined, is_acceptable, is_complete, why_not_stored
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status

LAST_RESORT = 0.5
"""Seconds that a failed call waits for a store that did not answer at first."""
GRACE = 0.02
"""Seconds that a call may take past its deadline."""


class Manner(NamedTuple):
    """How answers are cached.

    Attributes:
        strategy: when a kept answer is served.
        holds: which answers may be kept, None for all.
    """

    strategy: Strategy
    holds: Condition | None


class ResponseSlot:
    """The place of one request's answer.

    Args:
        manner: how answers are cached.
        call: the request's call.
        proceed: asks for the answer.
        guard: the store.
        key: the answer's key, which is its name in the store too.

    Attributes:
        fence: of the lease under which the answer is asked for, 0 without one.
        guard: the store.
        name: the name of the key in the store.
        runtime: how the call waits.
    """

    __slots__ = (
        "_background", "_call", "_manner", "_proceed", "_seen", "_strategy", "_told", "fence", "guard", "name",
        "runtime",
    )  # fmt: skip

    def __init__(self, manner: Manner, call: Call, proceed: Handler, guard: Guard, key: str) -> None:
        self._manner = manner
        self._strategy = manner.strategy.name
        self._call = call
        self._proceed = proceed
        self._seen: float | None = None
        """When that was stored which was read first."""
        self._told = False
        self._background = False
        self.fence = 0
        self.guard = guard
        self.name = key
        self.runtime = call.runtime

    async def fill(self) -> Response:
        """Ask the origin."""
        return await self._proceed(self._call)

    async def read(self) -> Entry | None:
        """The kept answer, unless this client could not decode it."""
        entry = await self.guard.get(self.name)
        if entry is None or self._readable(entry) is None:
            return None
        self._seen = entry.stored_at
        return entry

    async def newer(self) -> Entry | None:
        """The answer that was kept since the first reading."""
        entry = await self.guard.get(self.name)
        return None if entry is None or entry.stored_at == self._seen else self._readable(entry)

    def is_fresh(self, entry: Entry) -> bool:
        """Whether it is as good as new."""
        return entry.is_fresh(self.runtime.clock.wall())

    async def read_again(self) -> Entry | None:
        """The kept answer, if the store did not say at first; a call past its deadline waits for its grace only."""
        if not self.guard.unsure:
            return None
        patience = min(LAST_RESORT, max(GRACE, self._call.time_left))
        entry = await self.guard.get_patiently(self.name, patience)
        return None if entry is None else self._readable(entry)

    def _readable(self, entry: Entry) -> Entry | None:
        """The entry, if it keeps an answer that this request accepts."""
        try:
            answer = answer_of(entry)
        except CorruptEntryError as error:
            self.guard.failed("get", error)
            return None
        if answer.coding and not is_acceptable(answer.coding, self._call.request.headers.get("accept-encoding")):
            return None
        return entry

    def serve(self, entry: Entry, result: CacheResult) -> Response:
        """A new response like the kept one, with its age (RFC 9111 section 5.1)."""
        wall = self._call.runtime.clock.wall()
        age = entry.age(wall)
        self._told = True
        self._call.record(CacheLookup(result=result, strategy=self._strategy, age=age, ttl=entry.fresh_until - wall))
        answer = answer_of(entry)
        body = b"" if self._call.request.method == "HEAD" else entry.body
        response = self._call.library.response(answer.status, (*answer.fields, (b"age", b"%d" % age)), body)
        response.extensions.update(answer.extensions)
        return response

    async def put(self, value: Response, *, fresh_for: Span, keep_for: Span) -> Entry | None:
        """Keep the answer if it may be kept: now if its body was read, else once the caller has read it."""
        fields = combined(value.headers.raw)
        directives = cache_control([fields["cache-control"]]) if "cache-control" in fields else {}
        reason = why_not_stored(
            self._call.request.method,
            value.status_code,
            directives,
            fields.get("vary", "").split(","),
            fields.get("content-type", ""),
        )
        fresh, kept = _plain(fresh_for), _plain(keep_for)
        if "must-revalidate" in directives and self._strategy in (Soft.name, Failover.name):
            kept = min(kept, fresh)  # section 5.2.2.2 of RFC 9111: never stale
            reason = reason or (None if kept > 0 else "must-revalidate")
        holds = self._manner.holds
        if reason is None and holds is not None and not holds(result=value, args=(), kwargs={}, key=self.name):
            reason = "condition"
        if reason is not None:
            self._not_kept(reason)
            return None
        keep = partial(self._keep, value, fields, fresh, kept)
        body = self._call.library.body(value)
        if body.content is not None:
            return await keep(body.content)
        body.watch(Tee(keep, self._not_kept))
        return None

    async def _keep(
        self, value: Response, fields: Mapping[str, str], fresh_for: float, keep_for: float, content: bytes
    ) -> Entry | None:
        """Write the answer with its whole raw body."""
        version = value.extensions.get("http_version")
        framed = "transfer-encoding" in fields or version in (b"HTTP/2", b"HTTP/3") or value.status_code == 204
        if not is_complete(len(content), fields.get("content-length"), framed):
            self._not_kept("incomplete")
            return None
        if len(content) > MAX_BODY:
            self._not_kept("too-large")
            return None
        raw = value.headers.raw
        if "content-encoding" in fields and not self._call.library.decodes(raw, content):
            self._not_kept("undecodable")
            return None
        connection = fields["connection"].split(",") if "connection" in fields else ()
        meta = meta_of(value.status_code, raw, connection, value.extensions)
        wall = self._call.runtime.clock.wall()
        entry = Entry(
            body=content,
            meta=meta,
            stored_at=wall,
            fresh_until=wall + fresh_for,
            expires_at=wall + keep_for,
            fence=self.fence,
        )
        if await self.guard.set(self.name, entry):
            self._call.record(CacheStored(strategy=self._strategy, ttl=fresh_for, background=self._background))
        return entry

    def _not_kept(self, reason: str) -> None:
        self._call.record(CacheStored(strategy=self._strategy, detail=reason, background=self._background))

    def is_failure(self, value: Response) -> bool:
        """Whether the origin failed."""
        return is_failed_status(value.status_code)

    def excuses(self, error: Exception) -> bool:
        """Whether a kept answer may stand in: for whatever kept the origin from answering, not for a bug."""
        return self._call.failure_of(error) not in (Failure.OTHER, Failure.INVALID)

    async def discard(self, value: Response) -> None:
        """Close an answer that is not handed on."""
        await self._call.discard(value)

    async def once(self, making: Making, *, everywhere: bool = False) -> Response:
        """Ask the origin once for all who miss at once; who asks alone if what comes cannot be shared.

        A streamed call never leads: what it reads, and when, is its caller's affair. Nor do calls share that were
        given different times for their attempts: the impatient one's failure would be that of all. One for which
        the cache's ``get`` is switched off wants an answer of its own.
        """
        call, store = self._call, self.guard.store
        blind = isinstance(store, Through) and not store.reads(self.name)
        if blind or call.streamed or call.request.method != "GET":
            return (await making.fill(self))[0]
        flight = f"{self.name} {call.options.attempt_timeout} {call.asked}"
        timeout = None if call.time_left == INFINITE else call.time_left
        leads = False

        async def mine() -> tuple[Response, Entry | None]:
            nonlocal leads
            leads = True
            if everywhere:
                return await made_in_turn(self, partial(making.fill, self), timeout)
            return await making.fill(self)

        try:
            (made, entry), _ = await call.runtime.share(flight, mine, timeout)
        except TimeoutError:
            if call.time_left > 0:
                raise  # somebody else's
            raise DeadlineExceededError(call.deadline - call.journey.started) from None
        except DeadlineExceededError:
            if leads:
                raise
            entry = None  # the leader's time was over, not ours
        else:
            if leads:
                return made
        if entry is None or self._readable(entry) is None:
            return (await making.fill(self))[0]
        return self.serve(entry, "collapsed")

    def refresh(self, making: Making) -> None:
        """Ask the origin in the background, in a call of its own, once for all processes."""
        call = self._call.behind()
        guard = Guard(self.guard.store, self.runtime, call.record, None)
        slot = ResponseSlot(self._manner, call, self._proceed, guard, self.name)
        slot._seen = self._seen
        slot._background = True

        async def made() -> tuple[Response, Entry | None]:
            value, entry = await making.fill(slot)
            await slot.discard(value)
            if slot.is_failure(value):
                raise FailedStatusError(value.status_code)
            return value, entry

        make_behind(slot, made, self._pauses(), self._refreshed)

    def _refreshed(self, seconds: float, error: Exception | None) -> None:
        """Tell what became of a question in the background."""
        if error is None:
            self._call.tell(CacheRefreshed(strategy=self._strategy, seconds=seconds))
        else:
            self._call.tell(BackgroundFailed(what="refresh", strategy=self._strategy, error=type(error).__qualname__))

    async def count(self, entry: Entry) -> int:
        """One hit more of ``entry``, counted for all who share the store; 0 if it does not say."""
        return await self.guard.incr(named(COUNT, self.name), entry.expires_at)

    async def count_anew(self) -> None:
        """Begin to count at 0."""
        await self.guard.ask("delete", lambda: self.guard.store.delete(named(COUNT, self.name)), 0)

    def failed_lately(self, seconds: float) -> bool:
        """Whether the origin failed to answer this less than ``seconds`` ago."""
        return self._pauses().failed_within(self.name, self.runtime.clock.now(), seconds)

    def note_failure(self) -> None:
        """Note that the origin failed just now."""
        self._pauses().failed(self.name, self.runtime.clock.now())

    def _pauses(self) -> Pauses:
        return self._call.host.learned(Pauses, Pauses)

    def tell_if_missed(self) -> None:
        """Record a miss, unless something was served."""
        if not self._told:
            self._call.record(CacheLookup(result="miss", strategy=self._strategy))


class FailedStatusError(Exception):
    """The origin answered that it failed; the kept answer stays."""


def _plain(span: Span) -> float:
    """Seconds; those of a response depend on nothing but its policy."""
    assert isinstance(span, float | int)
    return span
