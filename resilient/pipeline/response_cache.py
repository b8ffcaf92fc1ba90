"""Answers that were given before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field
from typing import Self, TypedDict, Unpack

from resilient.caching.conditions import ConditionOption, condition_of
from resilient.caching.guard import COMMAND_BUDGET, Guard
from resilient.caching.http.asked import Asked
from resilient.caching.http.slot import ResponseSlot
from resilient.caching.http.stated import STATED, Spans
from resilient.caching.http.terms import Overrides, Rules, Terms, deviations_of, rules_of, words_of
from resilient.caching.http.told import mark, name_of
from resilient.caching.http.writing import written
from resilient.caching.slot import Strategy
from resilient.caching.strategies.early import Early
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.locked import Locked
from resilient.caching.strategies.simple import Simple
from resilient.caching.strategies.soft import Soft
from resilient.caching.strategies.standard import Standard
from resilient.caching.tee import MAX_BODY
from resilient.call import Call, Handler
from resilient.checks import are_all, need
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError
from resilient.events import CacheLookup, Forwarded
from resilient.messages import Response
from resilient.settings import put_seconds, settings
from resilient.stores.parameters import bytes_of

CREDENTIAL_HEADERS = ("authorization", "cookie", "x-api-key", "api-key")
MAX_STALE: Duration = "1d"
"""How stale an answer is served at most because its origin or a request allow it."""


class More(TypedDict, total=False):
    """Options of :class:`ResponseCache` that do not depend on its strategy."""

    rules: Rules
    overrides: Overrides | None
    condition: ConditionOption
    credential_headers: Collection[str]
    max_stale: Duration
    max_body: int | str
    name: str | None
    store_budget: Duration | None


@settings
class ResponseCache:
    """Keep answers, and answer GET and HEAD from them: a private HTTP cache as RFC 9111 describes it.

    An answer is served as long as it says itself; what is stale is asked for only if it has changed. Kept is the raw
    body with its header fields, less Set-Cookie and those of the connection. An answer is private to the credentials
    that asked for it, unless it says ``public`` or ``s-maxage``. A streamed answer passes through while it is kept.

    Args:
        ttl: how long an answer is fresh, in place of what it states itself; all else it says still counts.
        strategy: when a kept answer is served, in place of ``ttl``.
        rules: ``"rfc9111"``; or ``"ttl-only"`` with a ``ttl`` or a strategy: of all that either side says about
            caching only ``no-store`` and ``Vary`` count, and nothing is ever confirmed by the origin.
        overrides: deviations from the rules by name, see :class:`resilient.caching.http.terms.Overrides`; each shows in
            Cache-Status where it made a difference.
        condition: which answers may be kept, as far as all else allows it: a function of the response, whose body it
            cannot see, such as ``lambda response: response.status_code == 200``.
        credential_headers: fields whose values say whose answer it is.
        max_stale: how stale an answer is served at most because its origin or the request allow it. The windows of a
            strategy are its own.
        max_body: the longest body that is kept: bytes, or text such as ``"8MiB"``.
        name: of this cache in Cache-Status; None for the client's, or ``resilient``.
        store_budget: how long a call waits for one command of its store, and twice as long in all; then it goes on
            as if nothing were kept. None: as long as the store takes.

    Raises:
        ConfigurationError: an option is wrong, or both ``ttl`` and ``strategy`` are given.
    """

    ttl: Duration | None = None
    strategy: Strategy | None = None
    rules: Rules = "rfc9111"
    overrides: Overrides | None = None
    condition: ConditionOption = None
    credential_headers: Collection[str] = field(default=CREDENTIAL_HEADERS)
    max_stale: Duration = MAX_STALE
    max_body: int | str = MAX_BODY
    name: str | None = None
    store_budget: Duration | None = COMMAND_BUDGET
    credentials: frozenset[bytes] = field(init=False, repr=False)
    terms: Terms = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.ttl is not None and self.strategy is not None:
            raise ConfigurationError(
                f"ResponseCache(ttl={self.ttl!r}, strategy={self.strategy!r}) is not right; give one of the two, "
                "such as ttl='5m'"
            )
        named = isinstance(getattr(self.strategy, "name", None), str)
        need(self.strategy is None or (callable(self.strategy) and named), "strategy", self.strategy, "a strategy")
        rules = rules_of(self.rules)
        right = "it together with a ttl or a strategy, such as ttl='5m'"
        need(rules == "rfc9111" or self.ttl is not None or self.strategy is not None, "rules", rules, right)
        if self.ttl is not None:
            object.__setattr__(self, "strategy", Simple(seconds_of(self.ttl, option="ttl")))
        given = self.credential_headers
        right = "a list of header fields' names, such as ['authorization']"
        need(not isinstance(given, str) and are_all(str, given), "credential_headers", given, right)
        names = tuple(sorted(name.lower() for name in self.credential_headers))
        object.__setattr__(self, "credential_headers", names)
        object.__setattr__(self, "credentials", frozenset(name.encode("latin-1", "replace") for name in names))
        put_seconds(self, store_budget=self.store_budget)
        name = self.name
        need(
            name is None or (isinstance(name, str) and name.isascii() and name.isprintable() and name != ""),
            "name",
            name,
            "a word of ASCII",
        )
        strategy, deviations = self.strategy or Standard(STATED), deviations_of(self.overrides)
        terms = Terms(
            strategy=strategy,
            holds=condition_of(self.condition),
            rules=rules,
            deviations=deviations,
            max_stale=0.0 if self.max_stale == 0 else seconds_of(self.max_stale, option="max_stale"),
            max_body=bytes_of(self.max_body, option="max_body"),
            name=name,
            words=words_of(strategy, rules, deviations),
        )
        object.__setattr__(self, "terms", terms)

    @classmethod
    def early(cls, *, ttl: Duration, early_ttl: Duration, **more: Unpack[More]) -> Self:
        """Serve a kept answer for ``ttl``; the first call after ``early_ttl`` has it asked for anew in the background.

        Args:
            ttl: how long an answer is kept.
            early_ttl: after how long it is asked for anew; less than ``ttl``.
            more: the other options of the class.
        """
        return cls(strategy=Early(seconds_of(ttl, option="ttl"), seconds_of(early_ttl, option="early_ttl")), **more)

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
        return cls(strategy=Soft(seconds_of(ttl, option="ttl"), seconds_of(soft_ttl, option="soft_ttl")), **more)

    @classmethod
    def locked(cls, *, ttl: Duration, **more: Unpack[More]) -> Self:
        """Serve a kept answer for ``ttl``; of all processes that share the store one asks for it, the others wait.

        Args:
            ttl: how long an answer is kept.
            more: the other options of the class.
        """
        return cls(strategy=Locked(seconds_of(ttl, option="ttl")), **more)

    @classmethod
    def failover(cls, *, ttl: Duration, retry_after: Duration | None = None, **more: Unpack[More]) -> Self:
        """Ask the origin unless the kept answer is fresh; if that fails, give the last good one of the past ``ttl``.

        A failure is an error of the call, refusals and timeouts included, or an answer of 500 and above. An
        answer that says ``must-revalidate`` does not stand in, since it must not be served stale.

        Args:
            ttl: how long the last good answer may stand in.
            retry_after: for how long after a failure it does so without asking.
            more: the other options of the class.
        """
        pause = 0.0 if retry_after is None else seconds_of(retry_after, option="retry_after")
        return cls(strategy=Failover(seconds_of(ttl, option="ttl"), pause, STATED), **more)

    def __str__(self) -> str:
        return str(self.terms.strategy)

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Answer from what is kept, where the rules and the strategy say so, else by what ``proceed`` answers."""
        if call.store is None:
            return await proceed(call)
        budget = None if self.store_budget is None else float(self.store_budget)  # type: ignore[arg-type] # seconds
        tell = call.tell if call.is_heard else None
        guard = Guard(call.store, call.runtime, call.record, budget, call.store_health, tell)
        secret = await guard.secret()
        if secret is None:
            return await self._past(call, proceed, "bypass", "store")
        terms = self.terms
        asked = Asked(call, terms, self.credentials, secret)
        journey = call.journey
        journey.store, journey.key_hash = call.store.name, asked.resource[:8]
        if asked.bypasses == "method":
            return await self._written(asked, proceed, guard)
        if call.options.cache is False or asked.bypasses is not None:
            return await self._past(call, proceed, "bypass", asked.bypasses or "options")
        slot = ResponseSlot(terms, asked, proceed, guard)
        try:
            response = await terms.strategy(slot)
        except BaseException:
            slot.failed()
            raise
        return slot.finish(response)

    async def _past(self, call: Call, proceed: Handler, fwd: Forwarded, detail: str) -> Response:
        """Let the request pass by what is kept."""
        lookup = CacheLookup(result="bypass", strategy="none", fwd=fwd, detail=detail)
        try:
            response = await proceed(call)
        except BaseException:
            call.record(lookup)
            raise
        mark(response, lookup, self.terms.name or name_of(call.client))
        call.record(lookup)
        return response

    async def _written(self, asked: Asked, proceed: Handler, guard: Guard) -> Response:
        """Let a request pass that may change something; the answer to a POST may be one to GET too."""
        call = asked.call
        slot = ResponseSlot(self.terms, asked, proceed, guard)
        may_be_kept = asked.method == "POST" and call.options.cache is not False
        question = slot.question(await slot.begin()) if may_be_kept else None
        response = await self._past(call, proceed, "method", "method")
        began = None if question is None else question.began
        try:
            alone = await written(call, response, guard, asked.secret, began)
            if question is not None and alone and "content-location" in response.headers:
                await question.put(response, Spans(STATED, STATED))
        except BaseException:
            await call.discard(response)
            raise
        return response
