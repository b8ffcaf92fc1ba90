"""Whether an answer may be kept, and what of it (RFC 9111 section 3)."""

from __future__ import annotations

from collections.abc import Collection

from resilient.http.addresses import named_paths
from resilient.http.answer import Answer
from resilient.http.asking import Asking
from resilient.http.dates import format_date
from resilient.http.directives import ResponseControl
from resilient.http.fields import Fields, Raw
from resilient.http.freshness import HEURISTIC_STATUSES
from resilient.http.reasons import Reason
from resilient.http.structured import list_of
from resilient.http.vary import STAR, vary_names

MAX_VARY = 32
"""Names in a Vary; an answer that depends on more is not kept."""

_UNDERSTOOD = frozenset(
    {*range(200, 206), *range(300, 304), 305, 307, 308, *range(400, 418), 421, 422, 426, *range(500, 506)}
)
"""Final statuses of RFC 9110 section 15, about which caches have to know nothing but what is here."""

_OF_ONE_CONNECTION = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""Fields that belong to one connection, or to who talks to a proxy (section 3.1)."""

_NEVER_KEPT = _OF_ONE_CONNECTION | {b"set-cookie", b"set-cookie2"}
"""Cookies are credentials of who asked; left out on purpose, although section 7.3 leaves them in."""

_OF_THE_BODY = frozenset({b"content-encoding", b"content-type", b"vary"})
"""Fields that say how to read the body, and for whom it is."""


def is_hopeless(fields: Fields, control: ResponseControl) -> bool:
    """Whether an answer can never be served again, by what it says: it is never fresh, and cannot be confirmed.

    Most answers that are not kept say nothing at all; for those this is all that has to be read.
    """
    if control.max_age or control.stale_while_revalidate or control.stale_if_error:
        return False
    return not ("etag" in fields or "last-modified" in fields or "expires" in fields)


def why_not_kept(
    status: int, *, asking: Asking, answer: Answer, unkeyed: Collection[str] = (), window: float = 0.0
) -> Reason | None:
    """Why a whole answer is not kept, None if it may be and is of use.

    Args:
        status: of the answer.
        asking: the request.
        answer: the answer.
        unkeyed: names in lower case of request fields that servers are known to answer by without saying so in Vary;
            with one of them, an answer is not kept on a guess.
        window: seconds for which a strategy would serve it stale.
    """
    control = answer.control
    return (
        _forbidden_by_request(asking, answer)
        or _forbidden_by_status(status, answer)
        # Section 5.2.2.3: must-understand takes the place of no-store, for who understands.
        or ("no-store" if control.no_store and not control.must_understand else None)
        or ("event-stream" if _media_type(answer.fields) == "text/event-stream" else None)
        or _varies(asking.fields, answer, unkeyed)
        or (None if _is_of_use(answer, window) else "no-validator")
    )


def _forbidden_by_request(asking: Asking, answer: Answer) -> Reason | None:
    if asking.control.no_store:  # section 5.2.1.5
        return "request-no-store"
    if asking.method == "GET":
        return "request-body" if asking.has_body else None
    # RFC 9110 section 9.3.3: the answer to POST that is also what GET would give, and says for how long.
    named = named_paths(asking.origin, asking.raw_path, answer.fields.lines("content-location"))
    itself = asking.method == "POST" and answer.status == 200 and named == (asking.raw_path,)
    return None if itself and answer.lifetime.source in ("max-age", "expires") else "method"


def _forbidden_by_status(status: int, answer: Answer) -> Reason | None:
    control = answer.control
    if status == 206:
        return "partial"
    if not 200 <= status <= 599 or status == 304:
        return "status"
    if control.must_understand and status not in _UNDERSTOOD:
        return "must-understand"
    allowed = control.public or control.private or answer.lifetime.is_explicit or status in HEURISTIC_STATUSES
    return None if allowed else "status"


def _varies(request: Fields, answer: Answer, unkeyed: Collection[str]) -> Reason | None:
    names = vary_names(answer.fields)
    if names == STAR or len(names) > MAX_VARY:  # section 4.1
        return "vary"
    if answer.lifetime.is_explicit or all(name in names or name not in request for name in unkeyed):
        return None
    return "unkeyed"


def _is_of_use(answer: Answer, window: float) -> bool:
    """Whether it can ever be served: as it is, stale, or once it was confirmed."""
    if answer.has_validator:
        return True
    control = answer.control
    if control.no_cache:
        return False
    late = max(window, control.stale_while_revalidate or 0, control.stale_if_error or 0)
    return answer.ttl(0.0) + (0.0 if control.must_revalidate else late) > 0


def _media_type(fields: Fields) -> str:
    return (fields.get("content-type") or "").partition(";")[0].strip().lower()


def is_complete(length: int, content_length: str | None, framed: bool) -> bool:
    """Whether a body of ``length`` bytes is all of it (RFC 9112 section 8).

    Args:
        length: bytes received.
        content_length: the Content-Length field, None if there is none.
        framed: whether the end of the body was marked otherwise, by chunks or an HTTP/2 frame; a body that ends
            with its connection cannot be told from one that was cut off.
    """
    if content_length is None:
        return framed
    # Compared as text: a number may be longer than Python reads.
    digits = content_length.isascii() and content_length.isdigit()
    return digits and (content_length.lstrip("0") or "0") == str(length)


def _named(fields: Fields, control: ResponseControl) -> frozenset[bytes]:
    """The fields that the answer itself names as not to be kept (sections 3.1 and 5.2.2.4).

    Not those without which its body means something else.
    """
    text = fields.get("connection")
    if text is None and not control.no_cache_fields:
        return frozenset()
    names = [*(text or "").split(","), *control.no_cache_fields]
    return frozenset(name.strip(" \t").lower().encode("latin-1", "replace") for name in names) - _OF_THE_BODY


def kept(fields: Fields, control: ResponseControl, received_at: float) -> Raw:
    """The fields of an answer that are kept with it (section 3.1), and the time at which it came if it has no Date.

    Args:
        fields: all of them.
        control: what the answer says to caches.
        received_at: when it came, seconds since the epoch (RFC 9110 section 6.6.1).
    """
    named = _named(fields, control)
    left_out = _NEVER_KEPT | named if named else _NEVER_KEPT
    status = fields.get("cache-status")
    if status is not None and list_of(status) is None:  # a line of ours behind it could not be read either
        left_out |= {b"cache-status"}
    raw = tuple([line for line in fields.raw if line[0] not in left_out])
    return raw if "date" in fields else (*raw, (b"date", format_date(received_at).encode()))
