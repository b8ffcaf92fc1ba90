"""What a request says to a cache."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from resilient.caching.http.terms import Terms
from resilient.call import Call
from resilient.http.asking import Asking, why_bypassed
from resilient.http.directives import RequestControl, request_control
from resilient.http.fields import Fields, members
from resilient.http.reasons import Reason

NOBODY = ""
"""The partition of what was asked for without credentials, and of answers that are everybody's."""
_NOTHING: Final = RequestControl()
_SPECIAL: Final = frozenset(
    {
        b"cache-control", b"pragma", b"range", b"if-match", b"if-none-match", b"if-modified-since",
        b"if-unmodified-since", b"if-range", b"content-length", b"transfer-encoding",
    }
)  # fmt: skip
"""Fields without any of which a request is a plain question."""
_CLEAR: Final = _SPECIAL | {b"host", b"user-agent", b"connection"}
_CONDITIONS: Final = _SPECIAL & {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}


def _is_clear(name: bytes) -> bool:
    """Whether a field is kept as it is where it selects; others may be secret."""
    return name in _CLEAR or name.startswith(b"accept")


class Asked:
    """A request as the cache reads it; most say nothing to a cache, and cost little.

    Args:
        call: the request's call.
        terms: how answers are cached.
        credentials: names of the fields whose values say whose answer it is.
        secret: the store's, for digests.

    Attributes:
        bypasses: why no kept answer may stand for its own, None if one may.
        control: its Cache-Control, or Pragma.
        is_conditional: whether it has conditions of its own.
        is_plain: whether it may share its question with others, and be answered by whatever they get.
        method: its method.
        partition: a digest of whose answer it is, empty for nobody's.
        resource: a digest of what is asked for.
        secret: as given.
        values: its fields by their names in lower case; of several lines the last.
    """

    __slots__ = (
        "_asking", "bypasses", "call", "control", "has_range", "is_conditional", "is_plain",
        "method", "partition", "resource", "secret", "values",
    )  # fmt: skip

    def __init__(self, call: Call, terms: Terms, credentials: frozenset[bytes], secret: bytes) -> None:
        request = call.request
        raw = request.headers.raw
        values = self.values = {name.lower(): value for name, value in raw}
        self._asking: Asking | None = None
        self.secret = secret
        self.call = call
        self.method = request.method
        # Which resource is meant depends on the Host field too (RFC 9110 section 7.1).
        self.resource = resource_of(values.get(b"host", b""), call.host.origin, request.url.raw_path, secret)
        self.partition = self._whose(credentials, secret)
        self.control = _NOTHING
        self.bypasses: Reason | None = None
        self.is_conditional = self.has_range = False
        self.is_plain = self.method == "GET"
        if _SPECIAL.isdisjoint(values) and self.method in ("GET", "HEAD"):
            return
        control = request_control(Fields(raw))
        if terms.deviations.ignore_request:
            control = _NOTHING
        elif terms.rules == "ttl-only":
            control = RequestControl(no_store=control.no_store)
        self.control = control
        self._asking = self._read(control)
        self.bypasses = why_bypassed(self._asking)
        self.is_conditional = not _CONDITIONS.isdisjoint(values)
        self.has_range = b"range" in values
        alone = self.is_conditional or self.has_range or self.bypasses or control.only_if_cached
        self.is_plain = self.method == "GET" and not alone

    def as_get(self) -> Asked:
        """The same question by GET."""
        made = copy(self)
        made.method, made._asking = "GET", None
        return made

    def behind(self, call: Call) -> Asked:
        """The plain question of a ``call`` in the background: what its caller wanted of it is no matter there."""
        request = call.request
        raw = [line for line in request.headers.raw if line[0].lower() not in _SPECIAL]
        if len(raw) != len(request.headers.raw):
            call = call.asking(call.library.with_fields(request, raw))
        made = copy(self)
        made.call, made._asking, made.control = call, None, _NOTHING
        made.is_conditional = made.has_range = False
        made.is_plain = True
        return made

    @property
    def asking(self) -> Asking:
        """The request as the rules see it; what may be secret of its fields as digests."""
        if self._asking is None:
            self._asking = self._read(self.control)
        return self._asking

    @property
    def fields(self) -> Fields:
        """Its fields; what may be secret of them as digests."""
        return self.asking.fields

    def _read(self, control: RequestControl) -> Asking:
        request = self.call.request
        fields = Fields(request.headers.raw)
        if not all(map(_is_clear, self.values)):
            fields = Fields([(name, self._veiled(name, fields)) for name in dict(fields.raw)])
        return Asking(self.method, self.call.host.origin, request.url.raw_path, fields, control)

    def _veiled(self, name: bytes, fields: Fields) -> bytes:
        text = fields.get(name.decode("latin-1")) or ""
        # In the one spelling in which such values are compared.
        return (
            text.encode("latin-1")
            if _is_clear(name)
            else digest(",".join(members(text)).encode(), self.secret).encode()
        )

    def _whose(self, credentials: frozenset[bytes], secret: bytes) -> str:
        """Whose answer it is: what was named in the request's options, else the credentials."""
        named = self.call.options.partition
        if named is not None:
            return partition_of(named, secret)
        if credentials.isdisjoint(self.values):
            return NOBODY
        raw = [(name.lower(), value) for name, value in self.call.request.headers.raw]
        return digest(b"\n".join(sorted(name + b":" + value for name, value in raw if name in credentials)), secret)


def partition_of(named: str, secret: bytes) -> str:
    """The partition of that name."""
    return digest(b"named " + named.encode("utf-8", "surrogatepass"), secret)  # no field's name has a space


def resource_of(host: bytes, origin: str, raw_path: bytes, secret: bytes) -> str:
    """A digest of what is asked for."""
    return _resource(b"%b %b%b" % (host, origin.encode(), raw_path), secret)


def digest(text: bytes, secret: bytes) -> str:
    """What only who has ``secret`` can tell from any other text."""
    return blake2b(text, key=secret, digest_size=16).hexdigest()


# What is asked for often is asked for again; credentials are not remembered.
_resource = lru_cache(maxsize=4096)(digest)


def place_of(call: Call) -> str:
    """Origin and path, for people; a query may hold what nobody should read."""
    return call.host.origin + call.request.url.path
