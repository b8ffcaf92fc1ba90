"""The place of one request's answer: what a strategy sees of it."""

from __future__ import annotations

from functools import partial
from typing import Final

from resilient.caching.following import asked_behind
from resilient.caching.guard import Guard
from resilient.caching.http.asked import Asked
from resilient.caching.http.forgetting import Began, begun
from resilient.caching.http.places import Found
from resilient.caching.http.question import Question, Setting
from resilient.caching.http.reading import Reading
from resilient.caching.http.sharing import shared
from resilient.caching.http.stated import Spans
from resilient.caching.http.terms import Terms
from resilient.caching.http.told import mark
from resilient.caching.names import COUNT, named
from resilient.caching.pauses import Pauses
from resilient.caching.slot import Making
from resilient.caching.spans import Span
from resilient.caching.through import Through
from resilient.caching.turns import make_behind
from resilient.call import Handler
from resilient.entry import Entry
from resilient.events import BackgroundFailed, CacheLookup, CacheRefreshed
from resilient.http.reuse import FAILED
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status

_UNAVAILABLE: Final = 504


class ResponseSlot(Reading):
    """The place of one request's answer.

    Args:
        terms: how answers are cached.
        asked: the request.
        proceed: asks for the answer.
        guard: the store.

    Attributes:
        fence: of the lease under which the answer is asked for, 0 without one.
    """

    __slots__ = ("_background", "_proceed", "fence")

    def __init__(self, terms: Terms, asked: Asked, proceed: Handler, guard: Guard) -> None:
        super().__init__(terms, asked, guard)
        self._proceed = proceed
        self._background = False
        self.fence = 0

    # --- asking the origin ---

    async def begin(self) -> Began:
        """The moment at which an asking begins, which is now."""
        return await begun(self.guard, self.runtime.clock, self._marks())

    async def fill(self) -> Response:
        """Ask the origin, only for what is new where something is kept; what is kept may stand in for a failure."""
        began, self._began = self._began or await self.begin(), None
        question = self._question = self.question(began)
        if self._asked.control.only_if_cached:
            question.detail = "only-if-cached"
            self._final = self._call.library.response(_UNAVAILABLE, ((b"content-length", b"0"),), b"")
            return self._final
        try:
            response = await question.ask(self._proceed)
        except Exception as error:
            stale = self._in_place_of_failure() if self.excuses(error) else None
            if stale is None:
                raise
            return stale
        if response.status_code not in FAILED or (stale := self._in_place_of_failure()) is None:
            return response
        await self.discard(response)
        return stale

    def question(self, began: Began) -> Question:
        """A question that is asked now."""
        found = self._found or Found(self.name)
        setting = Setting(self._asked, self._terms, self.guard, found, self._background, self.fence)
        return Question(setting, began)

    def _in_place_of_failure(self) -> Response | None:
        """The kept answer, where it may stand in; never in the background."""
        entry = None if self._background else self._stand_in()
        if entry is None:
            return None
        self.note_failure()
        return self.serve(entry, "stale")

    async def put(self, value: Response, *, fresh_for: Span, keep_for: Span) -> Entry | None:
        """Keep the answer if it may be kept: now if its body was read, else once the caller has read it."""
        question = self._question
        if value is self._final or question is None:
            return None
        try:
            entry = await question.put(value, Spans(fresh_for, keep_for))
        except BaseException:
            await self.discard(value)
            raise
        if question.stored:
            self._crowd().kept(self.name)
        return entry

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
        began = self._began or await self.begin()
        flight = f"{self.name} {began.token()} {self._told_apart()} {call.options.attempt_timeout} {call.asked}"

        async def made() -> tuple[Response, Entry | None]:
            if crowd.puts != self._puts and (entry := await self.newer()) is not None:
                # It was put there between our reading and now.
                return self.serve(entry, "hit"), entry
            # Whoever had to wait for a turn asks later than he read.
            self._began = None if everywhere else began
            return await making.fill(self)

        self._began = None
        response, entry = await shared(call, flight, made, slot=self if everywhere else None)
        if response is not None:
            if entry is None:
                crowd.not_shared(self.name, self.runtime.clock.now())
            return response
        if entry is None or not self._is_mine_too(entry):
            return (await making.fill(self))[0]
        return self.serve(entry, "collapsed")

    def refresh(self, making: Making) -> None:
        """Ask the origin in the background, in a call of its own, once for all processes."""
        if self._asked.method != "GET":
            return
        call = self._call.behind()
        guard = Guard(self.guard.store, self.runtime, call.record, None, None, self.guard.tell)
        slot = ResponseSlot(self._terms, self._asked.behind(call), self._proceed, guard)
        slot._seen = self._seen
        slot._found = self._found
        if self._found is not None:
            slot.name = self._found.key  # of whoever's answer it is: everybody's is asked for once
        slot._background = True

        async def made() -> tuple[Response, Entry | None]:
            value, entry = await asked_behind(call, partial(making.fill, slot))
            await slot.discard(value)
            if slot.is_failure(value):
                raise FailedStatusError(value.status_code)
            return value, entry

        make_behind(slot, made, self._pauses(), self._refreshed)

    def _refreshed(self, seconds: float, error: Exception | None) -> None:
        """Tell what became of a question in the background."""
        strategy = self._terms.strategy.name
        if error is None:
            self._call.tell(CacheRefreshed(strategy=strategy, seconds=seconds))
        else:
            self._call.tell(BackgroundFailed(what="refresh", strategy=strategy, error=type(error).__qualname__))

    async def count(self, entry: Entry) -> int:
        """One hit more of ``entry``, counted for all who share the store; 0 if it does not say."""
        return await self.guard.incr(named(COUNT, self.name), entry.expires_at)

    async def count_anew(self) -> None:
        """Begin to count at 0."""
        await self.guard.ask("delete", lambda: self.guard.store.delete(named(COUNT, self.name)), 0)

    # --- the end ---

    def finish(self, response: Response) -> Response:
        """Tell what became of the call, in its answer too."""
        lookup, question = self._lookup, self._question
        if lookup is None or response is not self._final:
            lookup = self._missed() if question is None else self._asked_for(question, response.status_code)
            mark(response, lookup, self._name())
        self._call.record(lookup)
        return response

    def failed(self) -> None:
        """Tell of a call that has no answer."""
        self._call.record(self._missed())

    def _missed(self) -> CacheLookup:
        return CacheLookup(result="miss", strategy=self._terms.strategy.name, fwd=self._fwd)

    def _asked_for(self, question: Question, status: int) -> CacheLookup:
        return CacheLookup(
            result="miss" if question.validated is None else "revalidated",
            strategy=self._terms.strategy.name,
            ttl=question.ttl,
            detail=question.detail,
            fwd=None if question.status is None else self._fwd,  # who wants only what is kept is not passed on
            fwd_status=None if question.status == status else question.status,
            stored=question.stored,
        )


class FailedStatusError(Exception):
    """The origin answered that it failed; the kept answer stays."""
