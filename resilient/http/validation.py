"""Asking the origin whether a kept answer still holds, and a caller's own question (RFC 9111 section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.http.answer import Answer
from resilient.http.dates import parse_date
from resilient.http.directives import ResponseControl
from resilient.http.etags import ETag, is_star, parse_etag, parse_etags
from resilient.http.fields import Fields, Raw
from resilient.http.keeping import kept

CONDITIONS = frozenset({b"if-none-match", b"if-modified-since"})
"""The fields that :func:`conditions` gives."""

_STAYS = frozenset({b"content-encoding", b"content-length", b"content-md5", b"content-range", b"etag"})
"""What the kept bytes depend on: no 304 changes it (RFC 9111 section 3.2)."""

_OF_A_304 = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"last-modified", b"vary"}
)  # fmt: skip
"""RFC 9110 section 15.4.5, and Last-Modified for who has no tag."""


def conditions(request: Fields, variants: Sequence[Answer], chosen: Answer | None) -> Raw:
    """The lines of If-None-Match and If-Modified-Since to send in place of the caller's (RFC 9111 section 4.3.1).

    The tag of the answer that stands for the request, the strong ones of all others, and the caller's. A date or a
    weak tag of another variant would have the origin confirm what was never asked for: variants may have them in
    common.

    Args:
        request: the caller's fields.
        variants: all answers that are kept for the URL.
        chosen: the one among them that stands for the request.
    """
    own = tuple([line for line in request.raw if line[0] in CONDITIONS])
    wanted = request.get("if-none-match")
    if _stands_alone(wanted):
        return own
    nominated = _tags(variants, chosen)
    since = b"" if chosen is None or chosen.last_modified is None else _value(chosen, b"last-modified")
    if not nominated and not (since and wanted is None):
        return own
    if chosen is None and wanted is None and own:
        return own  # his date is none of ours, and a date and our tags together would ask two questions at once
    lines = [*([] if wanted is None else [wanted.encode("latin-1")]), *_unknown(nominated, wanted)]
    sent = [(b"if-none-match", b", ".join(lines))] if lines else []
    return (*sent, (b"if-modified-since", since)) if since else tuple(sent)


def freshened(
    request: Fields, variants: Sequence[Answer], chosen: Answer | None, not_modified: Fields
) -> tuple[Answer, ...]:
    """The answers that a 304 to :func:`conditions` freshens (RFC 9111 section 4.3.4); the first is to be served.

    Args:
        request: the caller's fields.
        variants: all answers that are kept for the URL.
        chosen: the one among them that stands for the request.
        not_modified: the fields of the 304.
    """
    tag = parse_etag(not_modified.get("etag"))
    if tag is not None and tag.is_strong:
        same = [variant for variant in variants if tag.strongly(variant.etag)]
        same.sort(key=lambda variant: (variant is chosen, variant.date, variant.received_at), reverse=True)
    else:
        same = [chosen] if chosen is not None and tag is not None and tag.weakly(chosen.etag) else []
    if same:
        return tuple(same)
    if chosen is None or not chosen.has_validator or _stands_alone(request.get("if-none-match")):
        return ()
    changed_at = parse_date(not_modified.get("last-modified"))
    if tag is None and changed_at is not None:
        return (chosen,) if changed_at == chosen.last_modified else ()
    # Nothing to tell by: it can only mean the one that was asked about. A 304 that names another tag than the only one
    # it was asked about says the same, if not well.
    alone = len(variants) == 1 and not _foreign(request, chosen)
    return (chosen,) if alone else ()


def is_for_caller(request: Fields, variants: Sequence[Answer], chosen: Answer | None, not_modified: Fields) -> bool:
    """Whether a 304 that freshens nothing answers the caller's own condition (RFC 9111 section 4.3.2).

    If it does not, the origin has to be asked without conditions. Arguments as for :func:`freshened`.
    """
    own = tuple([line for line in request.raw if line[0] in CONDITIONS])
    if own == conditions(request, variants, chosen):
        return bool(own)  # nothing of ours was sent
    tag = parse_etag(not_modified.get("etag"))
    return tag is not None and any(map(tag.weakly, parse_etags(request.get("if-none-match") or "")))


def merged(stored: Raw, update: Fields, control: ResponseControl, received_at: float) -> Raw:
    """The fields of a kept answer after a 304, or a HEAD that agrees (RFC 9111 section 3.2).

    Args:
        stored: its fields until now.
        update: those of the later message.
        control: what that says to caches.
        received_at: when it came, seconds since the epoch.
    """
    news = tuple([line for line in kept(update, control, received_at) if line[0] not in _STAYS])
    # An age that was true of the first message is not of this one.
    gone = (
        {name for name, _ in news} | {b"age"} | {name.encode("latin-1", "replace") for name in control.no_cache_fields}
    )
    return (*[line for line in stored if line[0] not in gone], *news)


def is_not_modified(request: Fields, answer: Answer) -> bool:
    """Whether the caller has what he would be served, so that he gets a 304 (RFC 9111 section 4.3.2)."""
    if answer.status != 200:
        return False
    wanted = request.get("if-none-match")
    if wanted is not None:  # before the date, RFC 9110 section 13.2.2
        return is_star(wanted) or (answer.etag is not None and any(map(answer.etag.weakly, parse_etags(wanted))))
    since = parse_date(request.get("if-modified-since"))
    if since is None:
        return False
    return (answer.date if answer.last_modified is None else answer.last_modified) <= since


def not_modified(stored: Raw) -> Raw:
    """The fields of a 304 that is made from a kept answer."""
    return tuple([line for line in stored if line[0] in _OF_A_304])


def agrees(answer: Answer, head: Fields) -> bool:
    """Whether a 200 to HEAD is about the kept answer, so that it freshens it (RFC 9111 section 4.3.5)."""
    return all(
        head.get(name) is None or head.get(name) == answer.fields.get(name)
        for name in ("etag", "last-modified", "content-length")
    )


def _stands_alone(wanted: str | None) -> bool:
    """Whether a caller's If-None-Match is a star, or nothing that can be joined with tags."""
    return wanted is not None and not parse_etags(wanted)


def _tags(variants: Sequence[Answer], chosen: Answer | None) -> list[bytes]:
    """The kept tags that may be asked about, that of the chosen answer first."""
    others = [one.etag for one in variants if one.etag is not None and one.etag.is_strong]
    if chosen is not None and chosen.etag is not None and not chosen.etag.is_quoted:
        others = []  # who writes no quotes reads no lists
    tags = others if chosen is None or chosen.etag is None else [chosen.etag, *others]
    return list(dict.fromkeys(str(tag).encode("latin-1") for tag in tags))


def _unknown(tags: Sequence[bytes], wanted: str | None) -> list[bytes]:
    """Those of ``tags`` that the caller does not name himself."""
    named = {str(tag).encode("latin-1") for tag in parse_etags(wanted or "")}
    return [tag for tag in tags if tag not in named]


def _foreign(request: Fields, chosen: Answer) -> list[ETag]:
    """The caller's tags that are not the chosen answer's."""
    return [tag for tag in parse_etags(request.get("if-none-match") or "") if not tag.weakly(chosen.etag)]


def _value(answer: Answer, name: bytes) -> bytes:
    return (answer.fields.get(name.decode()) or "").encode("latin-1")
