"""One question to the origin, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple

from resilient.caching.following import marked
from resilient.caching.guard import Guard
from resilient.caching.http.asked import Asked
from resilient.caching.http.forgetting import Began
from resilient.caching.http.kept import Kept
from resilient.caching.http.making import Draft, NotKept, draft, finished
from resilient.caching.http.places import Found, keep, key_of
from resilient.caching.http.serving import served
from resilient.caching.http.stated import STATED, Spans
from resilient.caching.http.terms import Terms
from resilient.caching.http.validating import Validated, asking_again, confirmed
from resilient.caching.tee import Tee
from resilient.call import Call, Handler
from resilient.entry import Entry
from resilient.events import CacheStored
from resilient.http.fields import Fields, whole_number
from resilient.http.keeping import is_complete
from resilient.http.validation import agrees, merged
from resilient.messages import Request, Response
from resilient.outcome import is_failed_status


class Setting(NamedTuple):
    """What a question is asked in.

    Attributes:
        asked: the request.
        terms: how answers are cached.
        guard: the store.
        found: what is kept of the resource.
        background: whether nobody waits for the answer.
        fence: of the lease under which it is asked, 0 without one.
    """

    asked: Asked
    terms: Terms
    guard: Guard
    found: Found
    background: bool = False
    fence: int = 0


class Question:
    """One question to the origin.

    Args:
        setting: what it is asked in.
        began: the moment at which it is asked.

    Attributes:
        began: as given.
        detail: more on what became of it, in a word of a fixed set.
        status: what the origin answered, None if it gave no answer.
        stored: whether its answer is kept.
        ttl: seconds that this stays fresh, None if it is not kept.
        validated: the kept answer that it confirmed, None if it did not.
    """

    __slots__ = ("_asked", "_call", "_setting", "_terms", "began", "detail", "status", "stored", "ttl", "validated")

    def __init__(self, setting: Setting, began: Began) -> None:
        self._setting = setting
        self._asked = setting.asked
        self._call: Call = setting.asked.call
        self._terms = setting.terms
        self.began = began
        self.detail: str | None = None
        self.status: int | None = None
        self.stored = False
        self.ttl: float | None = None
        self.validated: Validated | None = None

    async def ask(self, proceed: Handler) -> Response:
        """What the origin answers; where something is kept it is asked only for what is new."""
        asked, found = self._asked, self._setting.found
        call = plain = self._call.sending(self._send)
        conditional = False
        if self._terms.rules == "rfc9111" and asked.method == "GET" and not asked.has_range:
            call, conditional = asking_again(call, asked, found)
        response = await proceed(call)
        self.status = response.status_code
        if response.status_code != 304 or not conditional:
            return response
        update, clock = Fields(response.headers.raw), self._call.runtime.clock
        try:
            validated = await confirmed(self._setting.guard, asked, self._terms, found, update, self.began, clock)
        except BaseException:
            await call.discard(response)
            raise
        if validated == "for-caller":
            return response
        await self._call.discard(response)
        if validated is None:
            response = await proceed(plain)
            self.status = response.status_code
            return response
        self.validated = validated
        age = validated.kept.answer.initial_age
        return served(validated.kept, asked, ((b"age", b"%d" % age), *validated.cookies))

    def _send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Send the request, and note when: waiting for a turn, or between attempts, makes no answer older."""
        self.began.sent = self._call.runtime.clock.wall()
        return self._call.send(request)

    async def put(self, value: Response, spans: Spans) -> Entry | None:
        """Keep the answer if it may be kept: now if its body was read, else once the caller has read it."""
        asked, terms, found = self._asked, self._terms, self._setting.found
        if asked.method == "HEAD":
            return await self._put_head(value)
        validated = self.validated
        if validated is not None:
            status, fields = validated.kept.answer.status, validated.fields
        else:
            status, fields = value.status_code, Fields(value.headers.raw)
        made = draft(status, fields, asked, terms, self.began, found, spans, self._call.runtime.clock)
        if not isinstance(made, Draft):
            return self._not_kept(made)
        chosen = found.chosen
        if is_failed_status(status) and chosen is not None and not is_failed_status(chosen.answer.status):
            return self._not_kept("keeps-better")
        if (refusal := self._refusal(value)) is not None:
            return self._not_kept(refusal)
        if validated is not None:
            return await self._keep(made, validated.kept.extensions, validated.kept.body)
        body = self._call.library.body(value)
        complete = partial(self._complete, made, dict(value.extensions), status, fields)
        if body.content is not None:
            return await complete(body.content)
        announced = whole_number(fields.get("content-length") or "")
        if announced is not None and announced > terms.max_body:
            return self._not_kept("too-large")
        body.watch(Tee(complete, self._not_kept, terms.max_body))
        return None

    def _refusal(self, value: Response) -> NotKept | None:
        """Why the condition does not have it kept; one that raises must not fail a call that was answered."""
        holds = self._terms.holds
        try:
            return (
                None
                if holds is None or holds(result=value, args=(), kwargs={}, key=self._setting.found.key)
                else "condition"
            )
        except Exception:  # noqa: BLE001
            return "condition-failed"

    async def _put_head(self, value: Response) -> Entry | None:
        """Freshen what is kept by the answer to HEAD, or let it be stale if that speaks of another one."""
        found, fields, clock = self._setting.found, Fields(value.headers.raw), self._call.runtime.clock
        kept, entry = found.chosen, found.entry
        if kept is None or entry is None or value.status_code != 200 or kept.answer.status != 200:
            return self._not_kept("method")
        if not agrees(kept.answer, fields):
            stale = kept.gone_stale()
            await self._write(stale, stale.entry(entry.tags, 0))
            return self._not_kept("method")
        raw = merged(kept.answer.fields.raw, fields, self._terms.control(fields)[0], clock.wall())
        spans = Spans(STATED, kept.times.served_for) if kept.note is None else kept.times.spans
        made = draft(200, Fields(raw), self._asked.as_get(), self._terms, self.began, found, spans, clock)
        if isinstance(made, Draft):
            await self._keep(made, kept.extensions, kept.body)
        return None

    async def _complete(
        self, made: Draft, extensions: Mapping[str, Any], status: int, fields: Fields, content: bytes
    ) -> Entry | None:
        """Write the answer with its whole raw body, if it is whole."""
        version = extensions.get("http_version")
        framed = "transfer-encoding" in fields or version in (b"HTTP/2", b"HTTP/3") or status == 204
        if not is_complete(len(content), fields.get("content-length"), framed):
            return self._not_kept("incomplete")
        if len(content) > self._terms.max_body:
            return self._not_kept("too-large")
        if "content-encoding" in fields and not self._call.library.decodes(list(fields.raw), content):
            return self._not_kept("undecodable")
        return await self._keep(made, extensions, content)

    async def _keep(self, made: Draft, extensions: Mapping[str, Any], content: bytes) -> Entry | None:
        kept = finished(made, extensions, self._asked, self._terms, content)
        entry = marked(kept.entry(made.tags, self._setting.fence), self._call.trace)
        written = await self._write(kept, entry)
        if written is False:
            return self._not_kept("overtaken")
        if written is None:
            self._not_kept("store")
            return entry
        self.stored, self.ttl, self.detail = True, made.answer.ttl(0.0), made.note
        self._tell(made.times.fresh_for, None)
        return entry

    async def _write(self, kept: Kept, entry: Entry) -> bool | None:
        """Put it in its place; False if something was forgotten meanwhile, None if the store does not say."""
        asked, found, began = self._asked, self._setting.found, self.began
        if began.marks is None:
            return None
        if began.is_too_long_ago or began.is_overtaken:
            return False
        key = key_of(asked.resource, "" if kept.is_public else asked.partition)
        place = found if found.key == key else Found(key)
        return await keep(self._setting.guard, place, kept, entry, began.marks, asked.secret)

    def _not_kept(self, reason: NotKept) -> Entry | None:
        self.detail = reason
        self._tell(None, reason)
        return None

    def _tell(self, ttl: float | None, detail: str | None) -> None:
        strategy, background = self._terms.strategy.name, self._setting.background
        self._call.record(CacheStored(strategy=strategy, ttl=ttl, detail=detail, background=background))
