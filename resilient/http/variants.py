"""Which of several answers to one URL a request gets (RFC 9111 section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.http.answer import Answer
from resilient.http.codings import is_acceptable
from resilient.http.fields import Fields
from resilient.http.vary import matches, selecting


def selected(variants: Sequence[Answer], request: Fields) -> Answer | None:
    """The latest answer that stands for ``request``, None if none does.

    One without Vary stands for every request only while no later one has a Vary: servers leave it out of their
    default answer. Nor does one whose coding the request does not accept, Vary or not.
    """
    best: Answer | None = None
    for variant in variants:
        if best is not None and _rank(variant) <= _rank(best):
            continue
        if _stands_for(variant, request):
            best = variant
    if best is None or best.selecting or not _is_followed(best, variants):
        return best
    return selected([variant for variant in variants if variant.selecting], request)


def _stands_for(variant: Answer, request: Fields) -> bool:
    stored, fields = variant.selecting, variant.fields
    if stored and not matches(stored, selecting([name for name, _ in stored], request), fields.get("content-language")):
        return False
    coding = fields.get("content-encoding")
    return coding is None or is_acceptable(coding, request.get("accept-encoding"))


def _is_followed(best: Answer, variants: Sequence[Answer]) -> bool:
    return any(variant.selecting and _rank(variant) > _rank(best) for variant in variants)


def _rank(answer: Answer) -> tuple[float, float]:
    return answer.date, answer.received_at
