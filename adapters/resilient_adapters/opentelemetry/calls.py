"""The span of one call, as its caller sees it."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Self

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, set_span_in_context

from resilient.call import INFINITE
from resilient.events import CacheLookup, Paused, RetryExhausted
from resilient.journey import Journey
from resilient.messages import URL, Request, origin_of
from resilient.outcome import Outcome
from resilient.telemetry import Source
from resilient_adapters.opentelemetry.attempts import AttemptSpan
from resilient_adapters.opentelemetry.conventions import Attributes, error_type, request_of, server_of, span_name
from resilient_adapters.opentelemetry.harmless import harmless
from resilient_adapters.opentelemetry.settings import Settings
from resilient_adapters.opentelemetry.spans import begun, described, ended, is_followed, link_to, mark_of


class CallSpan:
    """The span of one call; the spans of its requests are below it, wherever they are sent from.

    Args:
        settings: what was asked for.
        source: whose call it is.
        method: of its request.
        url: of its request.
        template: the route that its options name.
        cause: the span that has caused it, for a call in the background.
    """

    __slots__ = (
        "_cause", "_last", "_method", "_sent", "_settings", "_source", "_span", "_template", "_token", "_url"
    )  # fmt: skip

    def __init__(
        self, settings: Settings, source: Source, method: str, url: URL, template: str | None, cause: Link | None = None
    ) -> None:
        self._settings = settings
        self._source = source
        self._method = method
        self._url = url
        self._template = template
        self._cause = cause
        self._sent = 0
        self._last: AttemptSpan | None = None
        word = "resilient" if cause is None else "resilient refresh"
        attributes: Attributes = {"resilient.client.name": source.name, "resilient.route": source.route}
        if template:
            attributes["url.template"] = template
        self._span = begun(
            settings.tracer,
            f"{word} {span_name(method, template)}",
            SpanKind.INTERNAL,
            contexts.get_current() if cause is None else Context(),
            attributes | server_of(url),
            () if cause is None else (cause,),
        )
        self._token: object = None

    def __enter__(self) -> Self:
        if is_followed(self._span):
            self._token = contexts.attach(set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._token is not None:
            contexts.detach(self._token)  # type: ignore[arg-type] # what attach gave

    @property
    def mark(self) -> bytes:
        """What others may point at."""
        return mark_of(self._span)

    def attempt(self, request: Request, number: int) -> AttemptSpan:
        """The span of a request that is about to be sent, below this one."""
        attributes = request_of(request, self._settings.safe_params)
        if self._template:
            attributes["url.template"] = self._template
        if self._sent:
            attributes["http.request.resend_count"] = self._sent
            attributes["resilient.attempt.kind"] = self._why_again(request, number)
        self._sent += 1
        around = contexts.get_current()
        if is_followed(self._span):
            around = set_span_in_context(self._span, around)
        span = begun(
            self._settings.tracer, span_name(request.method, self._template), SpanKind.CLIENT, around, attributes
        )
        self._last = AttemptSpan(self._settings, span, request, self._source.route)
        return self._last

    def behind(self) -> CallSpan:
        """The span of a call in the background: the root of a trace of its own, which points at this one."""
        cause = link_to(self.mark, "triggered_by") or Link(self._span.get_span_context())
        return CallSpan(self._settings, self._source, self._method, self._url, self._template, cause)

    @harmless(None)
    def points(self, why: Literal["collapsed_into", "filled_by"], mark: bytes) -> None:
        """Its answer is that of the call of ``mark``."""
        link = link_to(mark, why)
        if link is not None and self._span.is_recording():
            self._span.add_link(link.context, link.attributes)

    @harmless(None)
    def ended(self, journey: Journey, outcome: Outcome, status: int | None, error: BaseException | None) -> None:
        """Say what happened, and end it."""
        if self._span.is_recording():
            described(self._span, self._told(journey, outcome))
        wrong: str | None = None
        if error is not None and outcome is not Outcome.CANCELLED:
            wrong = error_type(error)
        elif outcome is Outcome.ERROR and not self._settings.is_ok(self._source.route, status or 0):
            wrong = str(status)
        ended(self._span, wrong)

    def _why_again(self, request: Request, number: int) -> str:
        if number > 1:
            return "retry"
        before = self._last.status if self._last is not None else 0
        if 300 <= before < 400:
            return "redirect"
        return "auth" if before in (401, 407) else "fallback"

    def _told(self, journey: Journey, outcome: Outcome) -> Attributes:
        told: Attributes = {
            "resilient.outcome": outcome.value,
            "resilient.attempts": len(journey.attempts),
            "resilient.circuit.name": origin_of(self._url),
            "resilient.circuit.state": journey.circuit,
            **_cache(journey.cache),
        }
        if asleep := sum(event.delay for event in journey.waits) + sum(each.seconds for each in journey.events(Paused)):
            told["resilient.retry.delay"] = asleep
        if stops := journey.events(RetryExhausted):
            told["resilient.retry.stop"] = stops[-1].stop
        if journey.ended is not None and journey.deadline != INFINITE:
            told["resilient.deadline.remaining"] = round(journey.deadline - journey.ended, 6)
        return told


def _cache(lookup: CacheLookup | None) -> Attributes:
    if lookup is None:
        return {"resilient.cache.status": "off"}
    said: Attributes = {"resilient.cache.status": lookup.result}
    if lookup.age is not None:
        said["resilient.cache.age"] = lookup.age
    if lookup.ttl is not None:
        said["resilient.cache.ttl"] = lookup.ttl
    return said
