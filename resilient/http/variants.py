"""Which of several answers to one URL a request gets (RFC 9111 section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.http.answer import Answer
from resilient.http.codings import is_acceptable
from resilient.http.fields import Fields
from resilient.http.vary import Selecting, matches, selecting


def selected(variants: Sequence[Answer], request: Fields) -> Answer | None:
    """The latest answer that stands for ``request``, None if none does.

    One without Vary stands for every request only while no later one has a Vary: servers leave it out of their
    default answer. Nor does one whose coding the request does not accept, Vary or not.
    """
    best: Answer | None = None
    for variant in variants:
        if best is not None and _rank(variant) <= _rank(best):
            continue
        if stands_for(variant, selecting(_names(variant.selecting), request)) and is_acceptable(
            variant.fields.get("content-encoding"), request.get("accept-encoding")
        ):
            best = variant
    if best is None or best.selecting or not _is_followed(best, variants):
        return best
    return selected([variant for variant in variants if variant.selecting], request)


def stands_for(variant: Answer, asked: Selecting) -> bool:
    """Whether ``variant`` was selected by the same fields; its language may do in place of a wish for it."""
    return matches(variant.selecting, asked, variant.fields.get("content-language"))


def _names(selecting: Selecting) -> list[str]:
    return [name for name, _ in selecting]


def _is_followed(best: Answer, variants: Sequence[Answer]) -> bool:
    return any(variant.selecting and _rank(variant) > _rank(best) for variant in variants)


def _rank(answer: Answer) -> tuple[float, float]:
    return answer.date, answer.received_at
