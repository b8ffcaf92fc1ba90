"""The place of one request's answer: what a strategy sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from resilient.caching.guard import Guard
from resilient.caching.http.asked import Asked
from resilient.caching.http.crowd import Crowd
from resilient.caching.http.forgetting import Began, begun, marks_of
from resilient.caching.http.kept import Kept, kept_in
from resilient.caching.http.making import Draft, NotKept, Spans, draft, finished
from resilient.caching.http.places import Found, find, fits, keep, key_of
from resilient.caching.http.serving import is_servable, served
from resilient.caching.http.stated import STATED
from resilient.caching.http.terms import Terms
from resilient.caching.http.told import Told, mark, name_of
from resilient.caching.http.validating import Validated, asking_again, confirmed
from resilient.caching.names import COUNT, named
from resilient.caching.pauses import Pauses
from resilient.caching.slot import Making
from resilient.caching.spans import Span
from resilient.caching.strategies.failover import Failover
from resilient.caching.tee import Tee
from resilient.caching.through import Through
from resilient.caching.turns import made_in_turn, make_behind
from resilient.call import INFINITE, Handler
from resilient.entry import Entry
from resilient.errors import DeadlineExceededError
from resilient.events import BackgroundFailed, CacheRefreshed, CacheResult, CacheStored
from resilient.http.fields import Fields, whole_number
from resilient.http.keeping import is_complete
from resilient.http.reuse import FAILED, Use, must_be_validated, stands_in, verdict
from resilient.http.status import Forwarded
from resilient.http.validation import agrees, merged
from resilient.http.vary import selecting
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status

LAST_RESORT = 0.5
"""Seconds that a failed call waits for a store that did not answer at first."""
GRACE = 0.02
"""Seconds that a call may take past its deadline."""
_UNAVAILABLE: Final = 504


class ResponseSlot:
    """The place of one request's answer.

    Args:
        terms: how answers are cached.
        asked: the request.
        proceed: asks for the answer.
        guard: the store.

    Attributes:
        fence: of the lease under which the answer is asked for, 0 without one.
        guard: the store.
        name: the name of the key in the store.
        runtime: how the call waits.
    """

    __slots__ = (
        "_asked", "_background", "_began", "_call", "_detail", "_final", "_found", "_fwd", "_fwd_status",
        "_proceed", "_puts", "_seen", "_sent", "_stored", "_strategy", "_terms", "_told", "_ttl", "_validated", "fence", "guard", "name",
        "runtime",
    )  # fmt: skip

    def __init__(self, terms: Terms, asked: Asked, proceed: Handler, guard: Guard) -> None:
        self._terms = terms
        self._strategy = terms.strategy.name
        self._asked = asked
        self._call = asked.call
        self._proceed = proceed
        self._found: Found | None = None
        self._seen: float | None = None
        """When that was stored which was read first."""
        self._began: Began | None = None
        self._validated: Validated | None = None
        self._final: Response | None = None
        """An answer that was made here, and is not kept."""
        self._told: Told | None = None
        self._fwd: Forwarded = "uri-miss"
        self._fwd_status: int | None = None
        self._detail: str | None = None
        self._sent = False
        self._stored = False
        self._ttl: float | None = None
        self._background = False
        self._puts = 0
        self.fence = 0
        self.guard = guard
        self.name = key_of(asked.resource, asked.partition)
        self.runtime = asked.call.runtime

    # --- what is kept ---

    async def read(self) -> Entry | None:
        """The kept answer, if it may be served to this request, now or in the place of a failure."""
        self._puts = self._crowd().puts
        found = self._found = await find(self.guard, self._asked, self._terms)
        kept = found.chosen
        if kept is None:
            self._fwd = "uri-miss" if found.primary is None else "vary-miss"
            return None
        self._seen = kept.times.received_at
        return found.entry if self._is_of_use(kept) else None

    async def newer(self) -> Entry | None:
        """The answer that was kept since the first reading, if it may be served as it is."""
        found = await find(self.guard, self._asked, self._terms)
        kept = found.chosen
        if kept is None or kept.times.received_at == self._seen or self._use(kept) not in ("fresh", "stale"):
            return None
        return found.entry

    async def read_again(self) -> Entry | None:
        """The kept answer, if the store did not say at first; a call past its deadline waits for its grace only."""
        if not self.guard.unsure:
            return None
        patience = min(LAST_RESORT, max(GRACE, self._call.time_left))
        hurried, self.guard = self.guard, self.guard.patient(patience)
        try:
            return await self.read()
        finally:
            self.guard = hurried

    def is_fresh(self, entry: Entry) -> bool:
        """Whether it is as good as new, or the request takes it as it is."""
        kept = kept_in(entry, self._terms)
        use = self._use(kept)
        return use == "stale" or (use == "fresh" and self._elapsed(kept) < kept.times.fresh_for)

    def _is_of_use(self, kept: Kept) -> bool:
        if self._use(kept) in ("fresh", "stale", "behind"):
            return True
        return self._strategy == Failover.name and self._may_stand_in(kept, configured=True)

    def _use(self, kept: Kept) -> Use:
        """What may be done with a kept answer for this request."""
        control, elapsed = self._asked.control, self._elapsed(kept)
        if not is_servable(kept, self._asked):
            self._fwd = "partial"
            return "validate"
        found = verdict(kept.answer, control, elapsed, self._terms.max_stale)
        if found.why is None:
            return found.use
        self._fwd = found.why
        waits = self._strategy == Failover.name or control.max_age is not None or control.min_fresh is not None
        if found.why == "request" or waits or must_be_validated(kept.answer):
            return found.use
        # Past its freshness the strategy serves it, while it is asked for anew.
        return "behind" if elapsed < kept.times.served_for else found.use

    def _elapsed(self, kept: Kept) -> float:
        return kept.times.elapsed(self.runtime.clock)

    def _may_stand_in(self, kept: Kept, *, configured: bool) -> bool:
        """Whether it may be served because the origin failed, by the strategy's word or by that of either side."""
        control, elapsed, answer = self._asked.control, self._elapsed(kept), kept.answer
        if is_failed_status(answer.status) or not is_servable(kept, self._asked):
            return False
        if not configured:
            return stands_in(answer, control, elapsed, cap=self._terms.max_stale)
        return elapsed < kept.times.served_for and not (must_be_validated(answer) or control.no_cache)

    def serve(self, entry: Entry, result: CacheResult) -> Response:
        """A new response like the kept one, with its age (RFC 9111 section 5.1)."""
        kept = kept_in(entry, self._terms)
        answer, elapsed = kept.answer, self._elapsed(kept)
        age, ttl = answer.age(elapsed), answer.ttl(elapsed)
        detail = kept.note
        if result == "hit" and ttl <= 0:
            result = "stale"
        if result == "stale":
            detail = self._detail or self._why_stale(kept)
        asked = self._sent or result == "collapsed"
        told = self._told = Told(
            result=result,
            strategy=self._strategy,
            fwd=self._fwd if asked else None,
            status=self._fwd_status if asked and self._fwd_status != answer.status else None,
            age=age,
            ttl=ttl,
            detail=detail,
        )
        beside = ((b"age", b"%d" % age), (b"cache-status", told.line(self._name())))
        response = self._final = served(kept, self._asked, beside)
        return response

    def _why_stale(self, kept: Kept) -> str:
        if self._asked.control.max_stale is not None:
            return "max-stale"
        if self._elapsed(kept) < kept.times.served_for:
            return self._strategy
        return "stale-while-revalidate"

    def _name(self) -> str:
        return self._terms.name or name_of(self._call.client)

    # --- asking the origin ---

    async def begin(self) -> Began:
        """Note what holds when the asking begins."""
        if self._began is None:
            asked = self._asked
            names = marks_of(asked.resource, self._call.host.origin, asked.secret)
            self._began = await begun(self.guard, self.runtime.clock, names)
        return self._began

    async def fill(self) -> Response:
        """Ask the origin, only for what is new where something is kept; what is kept may stand in for a failure."""
        self._began = None
        await self.begin()
        if self._asked.control.only_if_cached:
            self._detail = "only-if-cached"
            self._final = self._call.library.response(_UNAVAILABLE, ((b"content-length", b"0"),), b"")
            return self._final
        found = self._found or Found(self.name)
        validates = self._terms.rules == "rfc9111" and not self._asked.has_range and self._asked.method == "GET"
        call, conditional = asking_again(self._call, self._asked, found) if validates else (self._call, False)
        self._sent = True
        try:
            response = await self._proceed(call)
            if response.status_code == 304 and conditional:
                response = await self._confirm(found, response)
        except Exception as error:
            stale = self._in_place_of_failure(self.excuses(error))
            if stale is None:
                raise
            self.note_failure()
            return stale
        self._fwd_status = response.status_code if self._validated is None else 304
        if response.status_code in FAILED:
            stale = self._in_place_of_failure(True)
            if stale is not None:
                self.note_failure()
                await self.discard(response)
                return stale
        return response

    def _in_place_of_failure(self, excused: bool) -> Response | None:
        """The kept answer, where the origin or the request permit that it stands in; never in the background."""
        found = self._found
        if not excused or self._background or found is None or found.chosen is None or found.entry is None:
            return None
        if not self._may_stand_in(found.chosen, configured=False):
            return None
        self._detail = "stale-if-error"
        return self.serve(found.entry, "stale")

    async def _confirm(self, found: Found, response: Response) -> Response:
        """What a 304 says: that a kept answer still holds, that the caller's does, or nothing that helps."""
        update = Fields(response.headers.raw)
        began = await self.begin()
        validated = await confirmed(self.guard, self._asked, self._terms, found, update, began, self.runtime.clock)
        if validated == "for-caller":
            return response
        await self.discard(response)
        if validated is None:
            return await self._proceed(self._call)
        self._validated = validated
        age = validated.kept.answer.initial_age
        return served(validated.kept, self._asked, ((b"age", b"%d" % age), *validated.cookies))

    # --- keeping ---

    async def put(self, value: Response, *, fresh_for: Span, keep_for: Span) -> Entry | None:
        """Keep the answer if it may be kept: now if its body was read, else once the caller has read it."""
        if value is self._final:
            return None
        if self._asked.method == "HEAD":
            return await self._put_head(value)
        call, terms, asked = self._call, self._terms, self._asked
        began, found = await self.begin(), self._found or Found(self.name)
        validated = self._validated
        if validated is not None:
            status, fields = validated.kept.answer.status, validated.fields
        else:
            status, fields = value.status_code, Fields(value.headers.raw)
        made = draft(status, fields, asked, terms, began, found, Spans(fresh_for, keep_for), self.runtime.clock)
        if not isinstance(made, Draft):
            return self._not_kept(made)
        chosen = found.chosen
        if is_failed_status(status) and chosen is not None and not is_failed_status(chosen.answer.status):
            return self._not_kept("keeps-better")
        holds = terms.holds
        if holds is not None and not holds(result=value, args=(), kwargs={}, key=self.name):
            return self._not_kept("condition")
        if validated is not None:
            return await self._keep(made, validated.kept.extensions, validated.kept.body)
        body = call.library.body(value)
        complete = partial(self._complete, made, dict(value.extensions), status, fields)
        if body.content is not None:
            return await complete(body.content)
        announced = whole_number(fields.get("content-length") or "")
        if announced is not None and announced > terms.max_body:
            return self._not_kept("too-large")
        body.watch(Tee(complete, self._not_kept, terms.max_body))
        return None

    async def _put_head(self, value: Response) -> None:
        """Freshen what is kept by the answer to HEAD, or let it be stale if that speaks of another one."""
        found, fields = self._found, Fields(value.headers.raw)
        kept = None if found is None else found.chosen
        if kept is None or value.status_code != 200 or kept.answer.status != 200:
            return self._not_kept("method")
        began, now = await self.begin(), self.runtime.clock
        if not agrees(kept.answer, fields):
            tags = found.entry.tags if found is not None and found.entry is not None else ()
            stale = kept.gone_stale()
            await self._write(stale, stale.entry(tags, 0), began)
            return self._not_kept("method")
        raw = merged(kept.answer.fields.raw, fields, self._terms.control(fields)[0], now.wall())
        spans = Spans(STATED, kept.times.served_for) if kept.note is None else Spans(*kept.times[-2:])
        made = draft(200, Fields(raw), self._asked.as_get(), self._terms, began, found or Found(self.name), spans, now)
        if isinstance(made, Draft):
            await self._keep(made, kept.extensions, kept.body)
        return None

    async def _complete(
        self, made: Draft, extensions: Mapping[str, Any], status: int, fields: Fields, content: bytes
    ) -> Entry | None:
        """Write the answer with its whole raw body, if it is whole."""
        version = extensions.get("http_version")
        framed = "transfer-encoding" in fields or version in (b"HTTP/2", b"HTTP/3") or status == 204
        if not is_complete(len(content), fields.get("content-length"), framed or made.answer.has_validator):
            return self._not_kept("incomplete")
        if len(content) > self._terms.max_body:
            return self._not_kept("too-large")
        if "content-encoding" in fields and not self._call.library.decodes(list(fields.raw), content):
            return self._not_kept("undecodable")
        return await self._keep(made, extensions, content)

    async def _keep(self, made: Draft, extensions: Mapping[str, Any], content: bytes) -> Entry | None:
        kept = finished(made, extensions, self._asked, self._terms, content)
        entry = kept.entry(made.tags, self.fence)
        began = await self.begin()
        if began.marks is None:
            self._not_kept("store")
            return entry
        written = await self._write(kept, entry, began)
        if written is False:
            return self._not_kept("overtaken")
        if written:
            self._stored, self._ttl = True, made.answer.ttl(0.0)
            self._detail = made.note
            self._crowd().kept(self.name)
            fresh = made.times.fresh_for
            self._call.record(CacheStored(strategy=self._strategy, ttl=fresh, background=self._background))
        return entry

    async def _write(self, kept: Kept, entry: Entry, began: Began) -> bool | None:
        """Put it in its place; False if something was forgotten meanwhile, None if the store does not say."""
        if began.marks is None:
            return None
        if began.is_too_long_ago:
            return False
        asked = self._asked
        key = key_of(asked.resource, "" if kept.is_public else asked.partition)
        found = self._found if self._found is not None and self._found.key == key else Found(key)
        return await keep(self.guard, found, kept, entry, began.marks, asked.secret)

    def _not_kept(self, reason: NotKept) -> None:
        self._detail = reason
        self._call.record(CacheStored(strategy=self._strategy, detail=reason, background=self._background))

    # --- failures ---

    def is_failure(self, value: Response) -> bool:
        """Whether the origin failed."""
        return value is not self._final and is_failed_status(value.status_code)

    def excuses(self, error: Exception) -> bool:
        """Whether a kept answer may stand in: for whatever kept the origin from answering, not for a bug."""
        return self._call.failure_of(error) not in (Failure.OTHER, Failure.INVALID)

    def failed_lately(self, seconds: float) -> bool:
        """Whether the origin failed to answer this less than ``seconds`` ago."""
        return self._pauses().failed_within(self.name, self.runtime.clock.now(), seconds)

    def note_failure(self) -> None:
        """Note that the origin failed just now."""
        self._pauses().failed(self.name, self.runtime.clock.now())

    def _pauses(self) -> Pauses:
        return self._call.host.learned(Pauses, Pauses)

    def _crowd(self) -> Crowd:
        return self._call.host.learned(Crowd, Crowd)

    async def discard(self, value: Response) -> None:
        """Close an answer that is not handed on."""
        await self._call.discard(value)

    # --- many at once ---

    async def once(self, making: Making, *, everywhere: bool = False) -> Response:
        """Ask the origin once for all who miss at once; who asks alone if what comes cannot be shared.

        A streamed call never leads: what it reads, and when, is its caller's affair. Nor do calls share that were
        given different times for their attempts: the impatient one's failure would be that of all. One for which
        the cache's ``get`` is switched off wants an answer of its own.
        """
        call, store, crowd = self._call, self.guard.store, self._crowd()
        blind = isinstance(store, Through) and not store.reads(self.name)
        apart = crowd.goes_apart(self.name, self.runtime.clock.now()) and not everywhere
        if blind or apart or call.streamed or not self._asked.is_plain:
            return (await making.fill(self))[0]
        timeout = None if call.time_left == INFINITE else call.time_left
        began = await self.begin()
        flight = f"{self.name} {began.token()} {self._selecting()} {call.options.attempt_timeout} {call.asked}"
        leads = False

        async def mine() -> tuple[Response, Entry | None]:
            nonlocal leads
            leads = True
            if crowd.puts != self._puts and (entry := await self.newer()) is not None:
                # It was put there between our reading and now.
                return self.serve(entry, "hit"), entry
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
                if entry is None:
                    crowd.not_shared(self.name, self.runtime.clock.now())
                return made
        if entry is None or not self._is_mine_too(entry):
            return (await making.fill(self))[0]
        return self.serve(entry, "collapsed")

    def _selecting(self) -> object:
        """What of this request told apart the answers that are kept already."""
        latest = self._found.latest if self._found is not None else ()
        return selecting([name for name, _ in latest], self._asked.fields) if latest else ""

    def _is_mine_too(self, entry: Entry) -> bool:
        """Whether another one's answer may be served to this request as well."""
        kept = kept_in(entry, self._terms)
        return fits(kept.answer, self._asked) and self._use(kept) in ("fresh", "stale")

    def refresh(self, making: Making) -> None:
        """Ask the origin in the background, in a call of its own, once for all processes."""
        if self._asked.method != "GET":
            return
        call = self._call.behind()
        guard = Guard(self.guard.store, self.runtime, call.record, None)
        slot = ResponseSlot(self._terms, self._asked.behind(call), self._proceed, guard)
        slot._seen = self._seen
        slot._found = self._found
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

    # --- the end ---

    def finish(self, response: Response) -> Response:
        """Tell what became of the call, in its answer too."""
        told = self._told
        if told is None or response is not self._final:
            status = response.status_code
            told = Told(
                result="miss" if self._validated is None else "revalidated",
                strategy=self._strategy,
                fwd=self._fwd,
                status=self._fwd_status if self._fwd_status != status else None,
                stored=self._stored,
                ttl=self._ttl,
                detail=self._detail,
            )
            mark(response, told, self._name())
        self._call.record(told.event())
        return response

    def failed(self) -> None:
        """Tell of a call that has no answer."""
        self._call.record(Told(result="miss", strategy=self._strategy, fwd=self._fwd).event())

    async def count(self, entry: Entry) -> int:
        """One hit more of ``entry``, counted for all who share the store; 0 if it does not say."""
        return await self.guard.incr(named(COUNT, self.name), entry.expires_at)

    async def count_anew(self) -> None:
        """Begin to count at 0."""
        await self.guard.ask("delete", lambda: self.guard.store.delete(named(COUNT, self.name)), 0)


class FailedStatusError(Exception):
    """The origin answered that it failed; the kept answer stays."""
