"""Answers that were given before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from functools import lru_cache
from hashlib import blake2b
from typing import Self, TypedDict, Unpack

from resilient.caching.conditions import Condition, ConditionOption, condition_of
from resilient.caching.guard import COMMAND_BUDGET, Guard
from resilient.caching.responses import Manner, ResponseSlot
from resilient.caching.slot import Strategy
from resilient.caching.strategies.early import Early
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.locked import Locked
from resilient.caching.strategies.simple import Simple
from resilient.caching.strategies.soft import Soft
from resilient.call import Call, Handler
from resilient.checks import are_all, need
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError
from resilient.events import CacheLookup
from resilient.http.directives import cache_control
from resilient.http.storing import why_not_asked
from resilient.messages import Response
from resilient.settings import put_seconds, settings

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
        guard = Guard(call.store, call.runtime, call.record, budget, call.store_health)
        secret = await guard.secret()
        if secret is None:
            return await _past(call, proceed, "store")
        strategy = self.strategy
        assert strategy is not None  # made in __post_init__
        # Which resource is meant depends on the Host field too (RFC 9110 section 7.1).
        resource = b"%b %b%b" % (fields.get(b"host", b""), call.host.origin.encode(), request.url.raw_path)
        key = key_of(resource, secret, self._partition(call, fields))
        slot = ResponseSlot(Manner(strategy, self.holds), call, proceed, guard, key)
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


def _seconds(duration: Duration, option: str) -> float:
    return seconds_of(duration, option=option)
