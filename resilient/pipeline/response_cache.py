"""Answers that were given before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Self

from resilient.caching.answers import answer_of, meta_of
from resilient.caching.guard import COMMAND_BUDGET, Guard
from resilient.caching.slot import Fill, Strategy
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.simple import Simple
from resilient.caching.tee import MAX_BODY, Tee
from resilient.call import INFINITE, Call, Handler
from resilient.checks import are_all, need
from resilient.durations import Duration, seconds_of
from resilient.entry import Entry
from resilient.errors import ConfigurationError, CorruptEntryError, DeadlineExceededError
from resilient.events import CacheLookup, CacheResult, CacheStored
from resilient.http.directives import cache_control
from resilient.http.storing import (
    is_acceptable,
    is_complete,
    why_not_asked,
    why_not_stored,
)
from resilient.messages import Response
from resilient.outcome import Failure, is_failed_status
from resilient.settings import put_seconds, settings

LAST_RESORT = 0.5
"""Seconds that a failed call waits for a store that did not answer at first."""
GRACE = 0.02
"""Seconds that a call may take past its deadline."""
CREDENTIAL_HEADERS = ("authorization", "cookie", "x-api-key", "api-key")


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
        credential_headers: fields whose values say whose answer it is.
        store_budget: how long a call waits for one command of its store, and twice as long in all; then it goes on
            as if nothing were kept. None: as long as the store takes.

    Raises:
        ConfigurationError: neither ``ttl`` nor ``strategy`` is given, or both.
    """

    ttl: Duration | None = None
    strategy: Strategy | None = None
    credential_headers: Collection[str] = field(default=CREDENTIAL_HEADERS)
    store_budget: Duration | None = COMMAND_BUDGET
    credentials: frozenset[bytes] = field(init=False, repr=False)

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
        given = self.credential_headers
        right = "a list of header fields' names, such as ['authorization']"
        need(not isinstance(given, str) and are_all(str, given), "credential_headers", given, right)
        names = tuple(sorted(name.lower() for name in self.credential_headers))
        object.__setattr__(self, "credential_headers", names)
        object.__setattr__(self, "credentials", frozenset(name.encode("latin-1", "replace") for name in names))
        put_seconds(self, store_budget=self.store_budget)

    @classmethod
    def failover(
        cls,
        *,
        ttl: Duration,
        credential_headers: Collection[str] = CREDENTIAL_HEADERS,
        store_budget: Duration | None = COMMAND_BUDGET,
    ) -> Self:
        """Always ask the origin; if that fails, answer by the last good answer of the past ``ttl``.

        A failure is an error of the call, refusals and timeouts included, or an answer of 500 and above. An
        answer that says ``must-revalidate`` is not kept, since it must not be served stale.
        """
        return cls(
            strategy=Failover(seconds_of(ttl, option="ttl")),
            credential_headers=credential_headers,
            store_budget=store_budget,
        )

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
        slot = ResponseSlot(call, guard, key_of(resource, secret, self._partition(call, fields)), strategy.name)
        try:
            return await strategy(slot, partial(proceed, call))
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
    """The place of one request's answer."""

    __slots__ = ("_call", "_guard", "_key", "_strategy", "_told")

    def __init__(self, call: Call, guard: Guard, key: str, strategy: str) -> None:
        self._call = call
        self._guard = guard
        self._key = key
        self._strategy = strategy
        self._told = False

    async def read(self) -> Entry | None:
        """The kept answer, unless this client could not decode it."""
        entry = await self._guard.get(self._key)
        return None if entry is None else self._readable(entry)

    async def read_again(self) -> Entry | None:
        """The kept answer, if the store did not say at first; a call past its deadline waits for its grace only."""
        if not self._guard.unsure:
            return None
        patience = min(LAST_RESORT, max(GRACE, self._call.time_left))
        entry = await self._guard.get_patiently(self._key, patience)
        return None if entry is None else self._readable(entry)

    def _readable(self, entry: Entry) -> Entry | None:
        """The entry, if it keeps an answer that this request accepts."""
        try:
            answer = answer_of(entry)
        except CorruptEntryError as error:
            self._guard.failed("get", error)
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

    async def put(self, value: Response, *, fresh_for: float, keep_for: float) -> Entry | None:
        """Keep the answer if it may be kept: now if its body was read, else once the caller has read it."""
        headers = value.headers
        directives = cache_control(headers.get_list("cache-control"))
        reason = why_not_stored(
            self._call.request.method,
            value.status_code,
            directives,
            headers.get_list("vary", split_commas=True),
            headers.get("content-type", ""),
        )
        if reason is None and self._strategy == Failover.name and "must-revalidate" in directives:
            reason = "must-revalidate"
        if reason is not None:
            self._not_kept(reason)
            return None
        keep = partial(self.keep, value, fresh_for, keep_for)
        body = self._call.library.body(value)
        if body.content is not None:
            return await keep(body.content)
        body.watch(Tee(keep, self._not_kept))
        return None

    async def keep(self, value: Response, fresh_for: float, keep_for: float, content: bytes) -> Entry | None:
        """Write the answer with its whole raw body."""
        headers = value.headers
        version = value.extensions.get("http_version", b"")
        framed = "transfer-encoding" in headers or version in (b"HTTP/2", b"HTTP/3") or value.status_code == 204
        if not is_complete(len(content), headers.get("content-length"), framed):
            self._not_kept("incomplete")
            return None
        if len(content) > MAX_BODY:
            self._not_kept("too-large")
            return None
        if not self._call.library.decodes(headers.raw, content):
            self._not_kept("undecodable")
            return None
        connection = headers.get_list("connection", split_commas=True)
        meta = meta_of(value.status_code, headers.raw, connection, value.extensions)
        wall = self._call.runtime.clock.wall()
        entry = Entry(body=content, meta=meta, stored_at=wall, fresh_until=wall + fresh_for, expires_at=wall + keep_for)
        if await self._guard.set(self._key, entry):
            self._call.record(CacheStored(strategy=self._strategy, ttl=fresh_for))
        return entry

    def _not_kept(self, reason: str) -> None:
        self._call.record(CacheStored(strategy=self._strategy, detail=reason))

    def is_failure(self, value: Response) -> bool:
        """Whether the origin failed."""
        return is_failed_status(value.status_code)

    def excuses(self, error: Exception) -> bool:
        """Whether a kept answer may stand in: for whatever kept the origin from answering, not for a bug."""
        return self._call.failure_of(error) not in (Failure.OTHER, Failure.INVALID)

    async def discard(self, value: Response) -> None:
        """Close an answer that is not handed on."""
        await self._call.discard(value)

    async def once(self, fill: Fill[tuple[Response, Entry | None]]) -> Response:
        """Ask the origin once for all who miss at once; who asks alone if what comes cannot be shared.

        A streamed call never leads: what it reads, and when, is its caller's affair. Nor do calls share that were
        given different times for their attempts: the impatient one's failure would be that of all.
        """
        call = self._call
        if call.streamed or call.request.method != "GET":
            return (await fill())[0]
        flight = f"{self._key} {call.options.attempt_timeout} {call.request.extensions.get('timeout')}"
        timeout = None if call.time_left == INFINITE else call.time_left
        leads = False

        async def mine() -> tuple[Response, Entry | None]:
            nonlocal leads
            leads = True
            return await fill()

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
            return (await fill())[0]
        return self.serve(entry, "collapsed")

    def tell_if_missed(self) -> None:
        """Record a miss, unless something was served."""
        if not self._told:
            self._call.record(CacheLookup(result="miss", strategy=self._strategy))
