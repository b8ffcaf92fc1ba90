"""The span of one call, as its caller sees it."""

from __future__ import annotations

from functools import partial

from opentelemetry import context as contexts
from opentelemetry.trace import SpanKind, set_span_in_context

from resilient.call import INFINITE
from resilient.events import Paused, RetryExhausted
from resilient.journey import Journey
from resilient.messages import URL, Request, origin_of
from resilient.outcome import Outcome
from resilient.telemetry import Source
from resilient_adapters.opentelemetry.attempts import AttemptSpan
from resilient_adapters.opentelemetry.conventions import (
    Attributes,
    cached,
    error_type,
    method_of,
    server_of,
    shown,
    span_name,
)
from resilient_adapters.opentelemetry.harmless import harmless
from resilient_adapters.opentelemetry.settings import Settings
from resilient_adapters.opentelemetry.spans import begun, is_followed
from resilient_adapters.opentelemetry.works import WorkSpan


class CallSpan(WorkSpan):
    """The span of one call; the spans of its requests are below it, wherever they are sent from.

    Args:
        settings: what was asked for.
        source: whose call it is.
        method: of its request.
        url: of its request.
        template: the route that its options name.
        cause: the mark of the call that has caused it, for a call in the background.
    """

    __slots__ = ("_last", "_method", "_sent", "_source", "_template", "_url")

    def __init__(
        self,
        settings: Settings,
        source: Source,
        method: str,
        url: URL,
        template: str | None,
        cause: bytes | None = None,
    ) -> None:
        attributes: Attributes = {"resilient.client.name": source.name, "resilient.route": source.route}
        if template:
            attributes["url.template"] = template
        super().__init__(settings, span_name(method, template), attributes | server_of(url), cause)
        self._source = source
        self._method = method
        self._url = url
        self._template = template
        self._sent = 0
        self._last: AttemptSpan | None = None

    def attempt(self, request: Request, number: int) -> AttemptSpan:
        """The span of a request that is about to be sent, below this one."""
        labels = method_of(request.method) | server_of(request.url)
        attributes = {**labels, "url.full": shown(request.url, self._settings.safe_params)}
        if self._template:
            attributes["url.template"] = self._template
        if self._sent:
            attributes["http.request.resend_count"] = self._sent
            attributes["resilient.attempt.kind"] = self._why_again(request, number)
        self._sent += 1
        around = contexts.get_current()
        if self._span is not None and is_followed(self._span):
            around = set_span_in_context(self._span, around)
        span = begun(
            self._settings.tracer, span_name(request.method, self._template), SpanKind.CLIENT, around, attributes
        )
        self._last = AttemptSpan(self._settings, span, request, labels, self._source.route)
        return self._last

    def behind(self) -> CallSpan:
        """The span of a call in the background: the root of a trace of its own, which points at this one."""
        return CallSpan(self._settings, self._source, self._method, self._url, self._template, self.mark)

    @harmless(None)
    def ended(self, journey: Journey, outcome: Outcome, status: int | None, error: BaseException | None) -> None:
        """Say what happened, and end it."""
        wrong: str | None = None
        if error is not None and outcome is not Outcome.CANCELLED:
            wrong = error_type(error)
        elif outcome is Outcome.ERROR and not self._settings.is_ok(self._source.route, status or 0):
            wrong = str(status)
        self._over(partial(self._told, journey, outcome), wrong)

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
            **self._said_by_cache(journey),
        }
        if asleep := sum(event.delay for event in journey.waits) + sum(each.seconds for each in journey.events(Paused)):
            told["resilient.retry.delay"] = asleep
        if stops := journey.events(RetryExhausted):
            told["resilient.retry.stop"] = stops[-1].stop
        if journey.ended is not None and journey.deadline != INFINITE:
            told["resilient.deadline.remaining"] = round(journey.deadline - journey.ended, 6)
        return told

    def _said_by_cache(self, journey: Journey) -> Attributes:
        if self._cause is not None:
            # It does not ask the cache, it fills it.
            return {}
        said = cached(journey.cache)
        if journey.store:
            said["resilient.cache.store"] = journey.store
        if self._settings.key_hash and journey.key_hash:
            said["resilient.cache.key_hash"] = journey.key_hash
        return said
