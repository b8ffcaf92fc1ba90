"""Giving a kept answer to a request: whole, in part, without its body, or as a 304."""

from __future__ import annotations

from resilient.caching.http.asked import Asked
from resilient.caching.http.kept import Kept
from resilient.http.fields import Raw
from resilient.http.ranges import part, part_fields
from resilient.http.validation import is_not_modified, not_modified
from resilient.messages import Response


def is_servable(kept: Kept, asked: Asked) -> bool:
    """Whether the request asks for something that can be cut from the answer."""
    return not asked.has_range or asked.method != "GET" or part(asked.fields, kept.answer, len(kept.body)) is not None


def served(kept: Kept, asked: Asked, beside: Raw) -> Response:
    """A new response like the kept one, or the part of it that the request wants.

    Args:
        kept: the answer.
        asked: the request.
        beside: what is added to its fields.
    """
    answer = kept.answer
    status, raw, body = answer.status, answer.fields.raw, kept.body
    if asked.is_conditional and is_not_modified(asked.fields, answer):
        status, raw, body = 304, not_modified(raw), b""
    elif asked.has_range and asked.method == "GET":
        wanted = part(asked.fields, answer, len(body))
        if isinstance(wanted, range):
            status, raw = 206, part_fields(raw, wanted, len(body))
            body = body[wanted.start : wanted.stop]
    if asked.method == "HEAD":
        body = b""
    response = asked.call.library.response(status, (*raw, *beside), body)
    if status == answer.status:
        response.extensions.update(kept.extensions)
    elif (version := kept.extensions.get("http_version")) is not None:
        response.extensions["http_version"] = version
    return response
