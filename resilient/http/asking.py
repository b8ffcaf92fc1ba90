"""A request, as the rules see it: what they need of it, read once."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from resilient.http.directives import RequestControl, request_control
from resilient.http.fields import Fields
from resilient.http.reasons import Reason


class Asking(Struct, frozen=True):
    """A request.

    Attributes:
        method: its method; methods have a case (RFC 9110 section 9.1).
        origin: scheme, host and port of its target.
        raw_path: path and query of its target.
        fields: its header fields.
        control: what it wants of caches.
    """

    method: str
    origin: str
    raw_path: bytes
    fields: Fields
    control: RequestControl

    @property
    def has_body(self) -> bool:
        """Whether it has a body (RFC 9112 section 6)."""
        return "transfer-encoding" in self.fields or (self.fields.get("content-length") or "0").strip("0 \t") != ""


def asking(method: str, origin: str, raw_path: bytes, raw: Iterable[tuple[bytes, bytes]]) -> Asking:
    """Read a request."""
    fields = Fields(raw)
    return Asking(method, origin, raw_path, fields, request_control(fields))


def why_bypassed(request: Asking) -> Reason | None:
    """Why no kept answer may stand for the one to ``request``, None if one may."""
    if request.method not in ("GET", "HEAD"):
        return "method"
    if request.control.no_store:  # RFC 9111 section 5.2.1.5
        return "request-no-store"
    if request.has_body:  # what it means is for the origin to say, RFC 9110 section 9.3.1
        return "request-body"
    if "if-match" in request.fields or "if-unmodified-since" in request.fields:  # RFC 9111 section 4.3.2
        return "conditional"
    return None
