"""What is kept for one request: what of it may be served, and how it is served."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.caching.following import points_at_maker
from resilient.caching.guard import Guard
from resilient.caching.http.asked import Asked
from resilient.caching.http.crowd import Crowd
from resilient.caching.http.forgetting import Began, marks_of
from resilient.caching.http.judging import Look, look_at, may_stand_in, why_stale
from resilient.caching.http.kept import Kept, kept_in
from resilient.caching.http.places import Found, find, fits, key_of
from resilient.caching.http.question import Question
from resilient.caching.http.serving import served
from resilient.caching.http.terms import Terms
from resilient.caching.http.told import line_of, name_of
from resilient.caching.strategies.failover import Failover
from resilient.entry import Entry
from resilient.events import CacheLookup, CacheResult, Forwarded
from resilient.http.vary import selecting
from resilient.messages import Response

LAST_RESORT = 0.5
"""Seconds that a failed call waits for a store that did not answer at first."""
GRACE = 0.02
"""Seconds that a call may take past its deadline."""


class Reading:
    """The kept answers to one request; a slot is one that can ask for a new answer too.

    Args:
        terms: how answers are cached.
        asked: the request.
        guard: the store.

    Attributes:
        guard: the store.
        name: the name of the key in the store.
        runtime: how the call waits.
    """

    __slots__ = (
        "_asked", "_began", "_call", "_final", "_found", "_fwd", "_look", "_lookup", "_puts", "_question", "_seen",
        "_terms", "guard", "name", "runtime",
    )  # fmt: skip

    def __init__(self, terms: Terms, asked: Asked, guard: Guard) -> None:
        self._terms = terms
        self._asked = asked
        self._call = asked.call
        self._found: Found | None = None
        self._look: Look | None = None
        """What was seen last."""
        self._fwd: Forwarded = "uri-miss"
        self._seen: float | None = None
        """When that was stored which was read first."""
        self._puts = 0
        """How many answers of the origin had been kept by then."""
        self._began: Began | None = None
        """The moment of the reading, if the origin may be asked as of then."""
        self._question: Question | None = None
        """What the origin was asked since."""
        self._final: Response | None = None
        """An answer that was made here, and is not kept."""
        self._lookup: CacheLookup | None = None
        self.guard = guard
        self.name = key_of(asked.resource, asked.partition)
        self.runtime = asked.call.runtime

    async def read(self) -> Entry | None:
        """The kept answer, if it may be served to this request, now or in the place of a failure."""
        self._puts = self._crowd().puts
        found, marks = await find(self.guard, self._asked, self._terms, self._marks)
        self._found, kept = found, found.chosen
        # Without a look at the marks they are read when the origin is to be asked.
        self._began = None if marks == {} else Began(self.runtime.clock, marks)
        if kept is None:
            self._fwd = "uri-miss" if found.primary is None else "vary-miss"
            return None
        self._seen = kept.times.received_at
        look = self._looked_at(kept)
        if look.is_good or look.use == "behind":
            return found.entry
        waits = self._terms.strategy.name == Failover.name
        return found.entry if waits and may_stand_in(look, self._asked, self._terms, configured=True) else None

    async def newer(self) -> Entry | None:
        """The answer that was kept since the first reading, if it may be served as it is."""
        found, _ = await find(self.guard, self._asked, self._terms)
        kept = found.chosen
        if kept is None or kept.times.received_at == self._seen:
            return None
        return found.entry if self._looked_at(kept).is_good else None

    async def read_again(self) -> Entry | None:
        """The kept answer, if the store did not say at first; a call past its deadline waits for its grace only."""
        if not self.guard.unsure:
            return None
        hurried = self.guard
        self.guard = hurried.patient(min(LAST_RESORT, max(GRACE, self._call.time_left)))
        try:
            return await self.read()
        finally:
            self.guard = hurried

    def is_fresh(self, entry: Entry) -> bool:
        """Whether it is as good as new, or the request takes it as it is."""
        kept, look = self._kept_in(entry), self._look
        return (look if look is not None and look.kept is kept else self._looked_at(kept)).is_new

    def _kept_in(self, entry: Entry) -> Kept:
        found = self._found
        if found is not None and found.entry is entry and found.chosen is not None:
            return found.chosen
        return kept_in(entry, self._terms)

    def _looked_at(self, kept: Kept) -> Look:
        """What may be done with a kept answer for this request, now."""
        look = self._look = look_at(kept, kept.times.elapsed(self.runtime.clock), self._asked, self._terms)
        if look.fwd is not None:
            self._fwd = look.fwd
        return look

    def serve(self, entry: Entry, result: CacheResult) -> Response:
        """A new response like the kept one, with its age (RFC 9111 section 5.1)."""
        kept, question, look = self._kept_in(entry), self._question, self._look
        # A hit is served at the moment at which it was looked at.
        if look is None or look.kept is not kept or question is not None or result != "hit":
            look = self._looked_at(kept)
        answer = kept.answer
        age, ttl = answer.age(look.elapsed), answer.ttl(look.elapsed)
        if result == "hit" and ttl <= 0:
            result = "stale"
        lookup = CacheLookup(
            result=result,
            strategy=self._terms.strategy.name,
            age=age,
            ttl=ttl,
            detail=kept.note if result != "stale" else self._why_stale(look),
            fwd=self._fwd if question is not None or result == "collapsed" else None,
            fwd_status=None if question is None or question.status == answer.status else question.status,
        )
        self._lookup = lookup
        points_at_maker(self._call.trace, entry, result)
        response = self._final = served(
            kept, self._asked, ((b"age", b"%d" % age), (b"cache-status", line_of(lookup, self._name())))
        )
        return response

    def _stand_in(self) -> Entry | None:
        """The kept answer, where the origin or the request permit that it stands in for a failure."""
        found = self._found
        if found is None or found.chosen is None:
            return None
        permitted = may_stand_in(self._looked_at(found.chosen), self._asked, self._terms, configured=False)
        return found.entry if permitted else None

    def _told_apart(self) -> object:
        """What of this request tells it from others for the same resource, as far as is known."""
        latest = self._found.latest if self._found is not None else ()
        return selecting([name for name, _ in latest], self._asked.fields) if latest else ""

    def _is_mine_too(self, entry: Entry) -> bool:
        """Whether another one's answer may be served to this request as well."""
        kept = kept_in(entry, self._terms)
        return fits(kept.answer, self._asked) and self._looked_at(kept).is_good

    def _why_stale(self, look: Look) -> str:
        return why_stale(look, self._asked, self._terms, failed=self._question is not None)

    def _name(self) -> str:
        return self._terms.name or name_of(self._call.client)

    def _marks(self) -> Sequence[str]:
        """Names of the marks that concern it."""
        return marks_of(self._asked.resource, self._call.host.origin, self._asked.secret)

    def _crowd(self) -> Crowd:
        return self._call.host.learned(Crowd, Crowd)
