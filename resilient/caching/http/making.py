"""Making an entry of an answer: whether it may be kept, for how long, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from resilient.caching.http.asked import Asked, place_of
from resilient.caching.http.forgetting import Began, group_tag, tag_of
from resilient.caching.http.kept import Kept, Times, said_beside
from resilient.caching.http.places import Found
from resilient.caching.http.stated import AS_STATED, STATED, Spans, span_of
from resilient.caching.http.terms import Terms
from resilient.caching.strategies.early import Early
from resilient.http.answer import Answer, answer
from resilient.http.fields import Fields, Raw
from resilient.http.freshness import HEURISTIC_STATUSES, Lifetime
from resilient.http.groups import groups
from resilient.http.keeping import is_hopeless, why_not_kept
from resilient.http.keeping import kept as kept_fields
from resilient.http.reasons import Reason
from resilient.http.reuse import must_be_validated
from resilient.http.vary import selecting, vary_names
from resilient.outcome import is_failed_status
from resilient.ports import Clock
from resilient.runtime.clock import which_clock

NotKept: TypeAlias = Reason | Literal["condition", "condition-failed", "overtaken", "store", "keeps-better"]
"""Why an answer is not kept; the only words that are said of it."""
UNKEYED = frozenset(
    {
        "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
        "x-forwarded-scheme", "x-forwarded-server", "x-host", "x-original-host", "x-original-url", "x-rewrite-url",
        "x-http-method", "x-http-method-override", "x-method-override",
    }
)  # fmt: skip
"""Request fields that servers are known to answer by without saying so."""
_OF_A_TRACE = frozenset({"traceparent", "tracestate", "baggage"})
"""Request fields that are never the same twice."""


class Draft(NamedTuple):
    """An answer that may be kept, once its body is complete.

    Attributes:
        answer: what the rules say of it.
        raw: the fields that are kept.
        times: when it came, and how long it is good.
        note: the override that changed what it says, or ``ttl``.
        is_public: whether it is everybody's.
        tags: names of its groups in the store.
    """

    answer: Answer
    raw: Raw
    times: Times
    note: str | None
    is_public: bool
    tags: Sequence[str]


_OF_WHOEVER_ASKED = frozenset({401, 403, 407})
"""Refusals, whatever they say of themselves: another one's credentials may do better."""


def draft(
    status: int, fields: Fields, asked: Asked, terms: Terms, began: Began, found: Found, spans: Spans, clock: Clock
) -> Draft | Reason:
    """What is kept of an answer, or why it is not.

    Args:
        status: of the answer.
        fields: all of its fields.
        asked: the request.
        terms: how answers are cached.
        began: when it was asked for.
        found: what is kept of the same resource.
        spans: what the strategy wants.
        clock: what tells the time.
    """
    control, note = terms.control(fields)
    if control.no_store and not control.must_understand:
        return "no-store"
    if spans == AS_STATED and status in HEURISTIC_STATUSES and is_hopeless(fields, control):
        return "no-validator"
    received_at = clock.wall()
    ignored = terms.deviations.ignore_vary
    names = vary_names(fields)
    if ignored and not ignored.isdisjoint(names):
        names = tuple(name for name in names if name not in ignored)
        note = note or "ignore-vary"
    # An answer without a Vary is kept like the latest that had one: servers leave it out of their default answers.
    names = names or tuple(name for name, _ in found.latest)
    if not _OF_A_TRACE.isdisjoint(names):
        return "vary"
    said = answer(
        status,
        fields,
        requested_at=began.sent,
        received_at=received_at,
        selecting=selecting(names, asked.fields) if names else (),
        heuristic_cap=terms.deviations.heuristic_cap,
        control=control,
    )
    stated = max(0.0, said.ttl(0.0))
    fresh, served = span_of(spans.fresh_for, stated), span_of(spans.keep_for, stated)
    if spans.fresh_for is not STATED:
        if status != 206 and not _may_have_a_ttl(status, said, terms):
            return "status"
        note = note or ("statuses" if status in terms.deviations.statuses else "ttl")
        ends = served if isinstance(terms.strategy, Early) else fresh
        said = replace(said, lifetime=Lifetime(ends + said.initial_age, "ttl"))
    elif status in terms.deviations.statuses and not said.lifetime.is_explicit:
        note = note or "statuses"
        said = replace(said, lifetime=Lifetime(said.initial_age, "ttl"))
    if must_be_validated(said):
        served = max(0.0, min(served, said.ttl(0.0)))
    reason = why_not_kept(
        status,
        asking=asked.asking,
        answer=_without_vary(said) if ignored else said,
        unkeyed=UNKEYED,
        window=max(0.0, served - said.ttl(0.0)),
    )
    if reason is not None:
        # The word of the answer itself says more than that it cannot be confirmed.
        return "no-store" if control.no_store else reason
    times = Times(began.sent, received_at, clock.now(), which_clock(clock), fresh, served)
    origin, secret = asked.call.host.origin, asked.secret
    names_of_groups = groups(fields)
    tags = [*names_of_groups, *(group_tag(origin, group, secret) for group in names_of_groups)]
    public = control.is_everybodys and status not in _OF_WHOEVER_ASKED
    if asked.partition and not public:
        tags.append(tag_of(asked.resource))
    return Draft(said, kept_fields(fields, control, received_at), times, note, public, tags)


def finished(draft: Draft, extensions: Mapping[str, Any], asked: Asked, terms: Terms, body: bytes) -> Kept:
    """The answer with its whole raw body."""
    # An age is told anew each time (RFC 9111 section 5.1).
    fields = Fields([line for line in draft.raw if line[0] != b"age"])
    return Kept(
        replace(draft.answer, fields=fields),
        body,
        draft.times,
        terms,
        extensions=said_beside(extensions),
        is_public=draft.is_public,
        note=draft.note,
        place=place_of(asked.call),
    )


def _may_have_a_ttl(status: int, said: Answer, terms: Terms) -> bool:
    """Whether a configured time may stand in for what an answer says.

    Not for a failure; and what caches keep only at the origin's word must have one that it may be kept for a while:
    ``max-age=0``, which frameworks write on all they send, would make a refusal last.
    """
    if status in terms.deviations.statuses:
        return True
    return not is_failed_status(status) and (status in HEURISTIC_STATUSES or said.lifetime.seconds > 0)


def _without_vary(said: Answer) -> Answer:
    """The same, with only those names in its Vary that count."""
    names = b", ".join(name.encode("latin-1") for name, _ in said.selecting)
    raw = [line for line in said.fields.raw if line[0] != b"vary"]
    return replace(said, fields=Fields([*raw, (b"vary", names)]))
