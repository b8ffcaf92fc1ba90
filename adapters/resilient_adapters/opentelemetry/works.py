"""The span of work that has others below it: a call of a client, or of a function."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from resilient_adapters.opentelemetry.conventions import Attributes
from resilient_adapters.opentelemetry.harmless import harmless
from resilient_adapters.opentelemetry.settings import Settings
from resilient_adapters.opentelemetry.spans import begun, ended, is_followed, link_to, mark_of


class WorkSpan:
    """The span of some work; it begins when its ``with`` block is entered first, and is current in there.

    Args:
        settings: what was asked for.
        name: of the span, without its first word.
        attributes: what is known from the start.
        cause: the mark of what has caused it, for work in the background, which is the root of a trace of its own.
    """

    __slots__ = ("_attributes", "_cause", "_name", "_settings", "_span", "_token")

    def __init__(self, settings: Settings, name: str, attributes: Attributes, cause: bytes | None) -> None:
        self._settings = settings
        self._name = name
        self._attributes = attributes
        self._cause = cause
        self._span: Span | None = None
        self._token: object = None

    def __enter__(self) -> Self:
        span = self._span or self._begin()
        if is_followed(span):
            self._token = contexts.attach(set_span_in_context(span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._token is not None:
            contexts.detach(self._token)  # type: ignore[arg-type] # what attach gave

    def _begin(self) -> Span:
        cause = self._cause
        link = None if cause is None else link_to(cause, "triggered_by")
        self._span = begun(
            self._settings.tracer,
            f"{'resilient' if cause is None else 'resilient refresh'} {self._name}",
            SpanKind.INTERNAL,
            contexts.get_current() if cause is None else Context(),
            self._attributes,
            () if link is None else (link,),
        )
        return self._span

    @property
    def mark(self) -> bytes:
        """What others may point at."""
        return b"" if self._span is None else mark_of(self._span)

    @harmless(None)
    def points(self, why: Literal["collapsed_into", "filled_by"], mark: bytes) -> None:
        """What it gives was made by the work of ``mark``."""
        if why == "filled_by" and not self._settings.filled_by:
            return
        span = self._span
        if span is not None and span.is_recording() and (link := link_to(mark, why)) is not None:
            span.add_link(link.context, link.attributes)

    def _over(self, told: Callable[[], Attributes], error: str | None) -> None:
        """End it: say what happened, and ``error``, a word for what went wrong."""
        if self._span is not None:
            ended(self._span, told, error)
