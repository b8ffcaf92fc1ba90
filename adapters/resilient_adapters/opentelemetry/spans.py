"""Spans: begun, linked and ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from resilient_adapters.opentelemetry.conventions import Attributes
from resilient_adapters.opentelemetry.harmless import harmless

LINK = "resilient.link"
"""The attribute that says why one span points at another."""


@harmless(INVALID_SPAN)
def begun(
    tracer: Tracer, name: str, kind: SpanKind, around: Context, attributes: Attributes, links: Sequence[Link] = ()
) -> Span:
    """A span that begins now; one that is invalid where nobody makes spans."""
    return tracer.start_span(name, around, kind, attributes, links)


def is_followed(span: Span) -> bool:
    """Whether it can be pointed at, be it recorded or not."""
    return span.get_span_context().is_valid


@harmless(None)
def ended(span: Span, told: Callable[[], Attributes], error: str | None, at: int | None = None) -> None:
    """End it, now or ``at`` an instant, and say what is told of it; ``error`` is a word for what went wrong."""
    if span.is_recording():
        attributes = told()
        if error is not None:
            attributes["error.type"] = error
            span.set_status(Status(StatusCode.ERROR))
        span.set_attributes(attributes)
    span.end(at)


def mark_of(span: Span) -> bytes:
    """What a span is pointed at by, in 24 bytes; none if nobody could find it."""
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return b""
    return context.trace_id.to_bytes(16, "big") + context.span_id.to_bytes(8, "big")


def link_to(mark: bytes, why: str) -> Link | None:
    """A link to the span of ``mark``; None if it is none."""
    if len(mark) != 24:
        return None
    trace_id, span_id = int.from_bytes(mark[:16], "big"), int.from_bytes(mark[16:], "big")
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return Link(context, {LINK: why})
