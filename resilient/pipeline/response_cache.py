"""Answers that were given before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Self, TypedDict, Unpack

from resilient.caching.answers import answer_of, meta_of
from resilient.caching.conditions import Condition, ConditionOption, condition_of
from resilient.caching.guard import COMMAND_BUDGET, Guard
from resilient.caching.names import COUNT, named
from resilient.caching.pauses import Pauses
from resilient.caching.slot import Making, Strategy
from resilient.caching.spans import Span
from resilient.caching.strategies.early import Early
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.locked import Locked
from resilient.caching.strategies.simple import Simple
from resilient.caching.strategies.soft import Soft
from resilient.caching.tee import MAX_BODY, Tee
from resilient.caching.through import Through
from resilient.caching.turns import made_in_turn, make_behind
from resilient.call import INFINITE, Call, Handler
from resilient.checks import are_all, need
from resilient.durations import Duration, seconds_of
from resilient.entry import Entry
from resilient.errors import ConfigurationError, CorruptEntryError, DeadlineExceededError
from resilient.events import BackgroundFailed, CacheLookup, CacheRefreshed, CacheResult, CacheStored
from resilient.http.directives import cache_control
from resilient.http.storing import combined, is_acceptable, is_complete, why_not_asked, why_not_stored
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status
from resilient.settings import put_seconds, settings

LAST_RESORT = 0.5
"""Seconds that a failed call waits for a store that did not answer at first."""
GRACE = 0.02
"""Seconds that a call may take past its deadline."""
CREDENTIAL_HEADERS = ("authorization", "cookie", "x-api-key", "api-key")


class More(TypedDict, total=False):
    """Options of :class:`ResponseCache` that do not depend on its strategy."""

    condition: ConditionOption
    credential_headers: Collection[str]
    store_budget: Duration | None


@settings
class ResponseCache:
    """Keep answers to GET, and answer GET and HEAD from them.

    Kept is the raw body with its header fields, less Set-Cookie and those of the connection. An answer is
    private to the credentials that asked for it. Not kept: what says ``no-store`` or ``no-cache``, partial
    content, event streams, answers that vary by more than Accept-Encoding, incomplete bodies, and bodies above
    8 MiB. A streamed answer passes through while it is kept.

    Args:
        ttl: how long an answer is kept and served; replaces the freshness that the answer states.
        strategy: when a kept answer is served, in place of ``ttl``.
        condition: which answers may be kept, as far as all else allows it: a function of the response, whose body it
            cannot see, such as ``lambda response: response.status_code == 200``.
        credential_headers: fields whose values say whose answer it is.
        store_budget: how long a call waits for one command of its store, and twice as long in all; then it goes on
            as if nothing were kept. None: as long as the store takes.

    Raises:
        ConfigurationError: neither ``ttl`` nor ``strategy`` is given, or both.
    """

    ttl: Duration | None = None
    strategy: Strategy | None = None
    condition: ConditionOption = None
    credential_headers: Collection[str] = field(default=CREDENTIAL_HEADERS)
    store_budget: Duration | None = COMMAND_BUDGET
    credentials: frozenset[bytes] = field(init=False, repr=False)
    holds: Condition | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if (self.ttl is None) == (self.strategy is None):
            raise ConfigurationError(
                f"ResponseCache(ttl={self.ttl!r}, strategy={self.strategy!r}) is not right; give one of the two, "
                "such as ttl='5m'"
            )
        named = isinstance(getattr(self.strategy, "name", None), str)
        need(self.strategy is None or (callable(self.strategy) and named), "strategy", self.strategy, "a strategy")
        if self.ttl is not None:
            object.__setattr__(self, "strategy", Simple(seconds_of(self.ttl, option="ttl")))
        object.__setattr__(self, "holds", condition_of(self.condition))
        given = self.credential_headers
        right = "a list of header fields' names, such as ['authorization']"
        need(not isinstance(given, str) and are_all(str, given), "credential_headers", given, right)
        names = tuple(sorted(name.lower() for name in self.credential_headers))
        object.__setattr__(self, "credential_headers", names)
        object.__setattr__(self, "credentials", frozenset(name.encode("latin-1", "replace") for name in names))
        put_seconds(self, store_budget=self.store_budget)

    @classmethod
    def early(cls, *, ttl: Duration, early_ttl: Duration, **more: Unpack[More]) -> Self:
        """Serve a kept answer for ``ttl``; the first call after ``early_ttl`` has it asked for anew in the background.

        Args:
            ttl: how long an answer is kept.
            early_ttl: after how long it is asked for anew; less than ``ttl``.
            more: the other options of the class.
        """
        return cls(strategy=Early(_seconds(ttl, "ttl"), _seconds(early_ttl, "early_ttl")), **more)

    @classmethod
    def soft(cls, *, ttl: Duration, soft_ttl: Duration, **more: Unpack[More]) -> Self:
        """Serve a kept answer for ``ttl``; after ``soft_ttl`` it is stale, and asked for anew in the background.

        The question in the background has a deadline as long as that of the call which found the answer stale. If
        it fails, the stale answer is kept; the next try is after 1 s, then 2 s, up to 30 s. An answer that says
        ``must-revalidate`` is not served stale.

        Args:
            ttl: how long an answer is kept.
            soft_ttl: how long it is fresh; less than ``ttl``.
            more: the other options of the class.
        """
        return cls(strategy=Soft(_seconds(ttl, "ttl"), _seconds(soft_ttl, "soft_ttl")), **more)

    @classmethod
    def locked(cls, *, ttl: Duration, **more: Unpack[More]) -> Self:
        """Serve a kept answer for ``ttl``; of all processes that share the store one asks for it, the others wait.

        Args:
            ttl: how long an answer is kept.
            more: the other options of the class.
        """
        return cls(strategy=Locked(_seconds(ttl, "ttl")), **more)

    @classmethod
    def failover(cls, *, ttl: Duration, retry_after: Duration | None = None, **more: Unpack[More]) -> Self:
        """Always ask the origin; if that fails, answer by the last good answer of the past ``ttl``.

        A failure is an error of the call, refusals and timeouts included, or an answer of 500 and above. An
        answer that says ``must-revalidate`` is not kept, since it must not be served stale.

        Args:
            ttl: how long the last good answer may stand in.
            retry_after: for how long after a failure it does so without asking.
            more: the other options of the class.
        """
        pause = 0.0 if retry_after is None else _seconds(retry_after, "retry_after")
        return cls(strategy=Failover(_seconds(ttl, "ttl"), pause), **more)

    def __str__(self) -> str:
        return str(self.strategy)

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Answer from what is kept, where the strategy says so, else by what ``proceed`` answers."""
        request = call.request
        if request.method not in ("GET", "HEAD") or call.store is None or call.options.cache is False:
            return await proceed(call)
        fields = {name.lower(): value for name, value in request.headers.raw}
        directives = cache_control(request.headers.get_list("cache-control")) if b"cache-control" in fields else {}
        reason = why_not_asked(request.method, fields, directives)
        if reason is not None:
            return await _past(call, proceed, reason)
        budget = None if self.store_budget is None else float(self.store_budget)  # type: ignore[arg-type] # seconds
        guard = Guard(call.store, call.runtime, call.record, budget)
        secret = await guard.secret()
        if secret is None:
            return await _past(call, proceed, "store")
        strategy = self.strategy
        assert strategy is not None  # made in __post_init__
        # Which resource is meant depends on the Host field too (RFC 9110 section 7.1).
        resource = b"%b %b%b" % (fields.get(b"host", b""), call.host.origin.encode(), request.url.raw_path)
        key = key_of(resource, secret, self._partition(call, fields))
        slot = ResponseSlot(self, call, proceed, guard, key)
        try:
            return await strategy(slot)
        finally:
            slot.tell_if_missed()

    def _partition(self, call: Call, fields: Mapping[bytes, bytes]) -> bytes:
        """Whose answers these are: what was named in the request's options, else the credentials."""
        if call.options.partition is not None:
            return b"named " + call.options.partition.encode("utf-8", "surrogatepass")  # no field's name has a space
        if self.credentials.isdisjoint(fields):
            return b""
        raw = [(name.lower(), value) for name, value in call.request.headers.raw]
        return b"\n".join(sorted(name + b":" + value for name, value in raw if name in self.credentials))


async def _past(call: Call, proceed: Handler, reason: str) -> Response:
    call.record(CacheLookup(result="bypass", strategy="none", detail=reason))
    return await proceed(call)


def key_of(resource: bytes, secret: bytes, partition: bytes) -> str:
    """The key of an answer: digests that only ``secret`` can make, so that nothing leaks from a key."""
    return f"http:{_resource(resource, secret)}:{_digest(partition, secret) if partition else 'everybody'}"


def _digest(text: bytes, secret: bytes) -> str:
    return blake2b(text, key=secret, digest_size=16).hexdigest()


# What is asked for often is asked for again; credentials are not remembered.
_resource = lru_cache(maxsize=4096)(_digest)


class ResponseSlot:
    """The place of one request's answer.

    Args:
        stage: how answers are cached.
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
        "_background",
        "_call",
        "_holds",
        "_proceed",
        "_seen",
        "_stage",
        "_strategy",
        "_told",
        "fence",
        "guard",
        "name",
        "runtime",
    )

    def __init__(self, stage: ResponseCache, call: Call, proceed: Handler, guard: Guard, key: str) -> None:
        assert stage.strategy is not None  # made with the stage
        self._stage = stage
        self._strategy = stage.strategy.name
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
        holds = self._stage.holds
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
        slot = ResponseSlot(self._stage, call, self._proceed, guard, self.name)
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


def _seconds(duration: Duration, option: str) -> float:
    return seconds_of(duration, option=option)


def _plain(span: Span) -> float:
    """Seconds; those of a response depend on nothing but its policy."""
    assert isinstance(span, float | int)
    return span
