"""The span of one request on the wire."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from opentelemetry import context as contexts
from opentelemetry.trace import Span, set_span_in_context

from resilient.messages import Request, Response
from resilient.outcome import Failure
from resilient_adapters.opentelemetry.conventions import Attributes, error_type, peer_of, protocol_of
from resilient_adapters.opentelemetry.harmless import harmless
from resilient_adapters.opentelemetry.settings import Settings
from resilient_adapters.opentelemetry.spans import ended

_NOT_TWICE: str = getattr(contexts, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
"""By this OpenTelemetry's own instrumentation of HTTP libraries knows that a request has a span already. It has no
public name yet; where it gets another, requests have two spans."""


class AttemptSpan:
    """The span of one request: begun before it is sent, ended when the header fields of its answer have come.

    Args:
        settings: what was asked for.
        span: its span.
        request: the request.
        labels: its method, and where it goes.
        route: of the call.

    Attributes:
        headers: the fields by which the origin can go on with the trace.
        status: the answer's, 0 before it.
    """

    __slots__ = ("_around", "_began", "_labels", "_route", "_settings", "_span", "_token", "headers", "status")

    def __init__(self, settings: Settings, span: Span, request: Request, labels: Attributes, route: str) -> None:
        self._settings = settings
        self._span = span
        self._labels = labels
        self._route = route
        self._around = set_span_in_context(span, contexts.get_current())
        self._began: float | None = time.perf_counter()
        self.status = 0
        self.headers: Mapping[str, str] = settings.propagation.fields(request.url, self._around)

    def __enter__(self) -> Self:
        self._token = contexts.attach(contexts.set_value(_NOT_TWICE, True, self._around))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        contexts.detach(self._token)

    @harmless(None)
    def answered(self, response: Response) -> None:
        """The header fields of the answer have come."""
        self.status = response.status_code
        said: Attributes = {"http.response.status_code": self.status, **protocol_of(response)}
        error = None
        if self.status >= 400 and not self._settings.is_ok(self._route, self.status):
            error = str(self.status)
        self._end(error, said, response)

    @harmless(None)
    def failed(self, error: BaseException, failure: Failure) -> None:
        """There was no answer; a body that broke later is the call's affair. A cancellation is no error."""
        if self._began is not None:
            self._end(None if failure is Failure.CANCELLED else error_type(error), {}, None)

    def _end(self, error: str | None, said: Attributes, response: Response | None) -> None:
        if self._began is None:
            return
        seconds, self._began = time.perf_counter() - self._began, None
        ended(self._span, lambda: said if response is None else {**said, **peer_of(response)}, error)
        labels = {**self._labels, **said}
        labels.pop("http.request.method_original", None)
        if error is not None:
            labels["error.type"] = error
        self._settings.request_duration.record(seconds, labels)
