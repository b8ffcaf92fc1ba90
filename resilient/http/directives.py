"""Cache-Control, as RFC 9111 section 5.2 writes it, and what other fields say in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from msgspec import Struct

from resilient.http.fields import Fields, members, whole_number
from resilient.http.structured import dictionary

OVERFLOW = 2**31
"""Seconds; a larger number means no more than this (RFC 9111 section 1.2.2)."""

_SEPARATORS = re.compile(r"[\s,]*")  # empty list members are allowed, RFC 9110 section 5.6.1
# Possessive, so that no text takes longer to read than once through.
_DIRECTIVE = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]++)       # a token, RFC 9110 section 5.6.2
        (?:\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"  # an argument as a quoted string ...
                      |(?P<plain>[^\s,"]*+)))?       # ... or as a token
        \s*+(?=,|$)""",
    re.VERBOSE,
)


class RequestControl(Struct, frozen=True):
    """What a request wants of a cache (RFC 9111 section 5.2.1); numbers are seconds.

    Attributes:
        no_store: nothing of this exchange may be kept.
        no_cache: nothing may be served without asking the origin.
        only_if_cached: the origin may not be asked.
        max_age: no older answer is wanted.
        min_fresh: for so long the answer has to stay fresh.
        max_stale: an answer may be stale for so long; without a number, for any time.
        stale_if_error: so stale an answer may stand in for a failure (RFC 5861 section 4).
    """

    no_store: bool = False
    no_cache: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    min_fresh: int | None = None
    max_stale: int | None = None
    stale_if_error: int | None = None


class ResponseControl(Struct, frozen=True):
    """What an answer says to a private cache (RFC 9111 section 5.2.2); numbers are seconds.

    Attributes:
        no_store: it may not be kept.
        no_cache: it may not be served without asking the origin.
        no_cache_fields: names in lower case; only these fields may not be.
        must_revalidate: it may not be served stale.
        must_understand: it may be kept only by who knows its status; then ``no_store`` does not count.
        public: it may be kept, whatever its status.
        private: it may be kept for one user.
        immutable: it does not change while it is fresh (RFC 8246).
        max_age: how long it is fresh.
        s_maxage: how long it is fresh where several users share it.
        stale_while_revalidate: how stale it may be served while it is asked for anew (RFC 5861 section 3).
        stale_if_error: how stale it may stand in for a failure (RFC 5861 section 4).
        targeted: whether all this was written for this cache (RFC 9213), so that Expires does not count.
    """

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[str] = frozenset()
    must_revalidate: bool = False
    must_understand: bool = False
    public: bool = False
    private: bool = False
    immutable: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    targeted: bool = False

    @property
    def is_everybodys(self) -> bool:
        """Whether it says so (section 3.5); where it says two things, the more careful one counts (section 4.2.1)."""
        return not self.private and self.s_maxage != 0 and (self.public or self.s_maxage is not None)


def request_control(fields: Fields) -> RequestControl:
    """What a request says in Cache-Control or, without that, in Pragma (RFC 9111 section 5.4)."""
    text = fields.get("cache-control")
    if text is not None:
        return (_request_control if len(text) > _REMEMBERED else _known_request_control)(text)
    return _PRAGMA if "no-cache" in cache_control(fields.lines("pragma")) else _NOTHING_ASKED


def response_control(fields: Fields, targets: Sequence[str] = ()) -> ResponseControl:
    """What an answer says in the first of ``targets`` that it has, else in Cache-Control (RFC 9213 section 2.2).

    Args:
        fields: of the answer.
        targets: names in lower case of fields that are written for this cache. What is empty or cannot be read is
            passed over.
    """
    for name in targets:
        if (text := fields.get(name)) is not None and (control := _targeted_control(text)) is not None:
            return control
    text = fields.get("cache-control")
    if text is None:
        return _NOTHING_SAID
    return (_response_control if len(text) > _REMEMBERED else _known_response_control)(text)


def cache_control(lines: Sequence[str]) -> dict[str, str | None]:
    """The directives of a message's Cache-Control fields; names in lower case, of duplicates the first.

    What cannot be read is left out, up to the next comma (RFC 9111 section 5.2.3: unknown directives are ignored).
    """
    found: dict[str, str | None] = {}
    for name, value in _directives(",".join(lines)):
        found.setdefault(name, value)
    return found


def _directives(text: str) -> Iterator[tuple[str, str | None]]:
    """All directives in ``text``, duplicates too."""
    at = 0
    while (at := _after_separators(text, at)) < len(text):
        match = _DIRECTIVE.match(text, at)
        if match is None:
            comma = text.find(",", at)
            at = len(text) if comma < 0 else comma + 1
            continue
        quoted = match["quoted"]
        yield match["name"].lower(), match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = match.end()


def _after_separators(text: str, at: int) -> int:
    found = _SEPARATORS.match(text, at)
    return at if found is None else found.end()


def _seconds(value: str | None) -> int | None:
    """A number of seconds (RFC 9111 section 1.2.2), None if it is none."""
    number = whole_number(value or "")
    return None if number is None else min(number, OVERFLOW)


_NOTHING_ASKED = RequestControl()
_NOTHING_SAID = ResponseControl()
_PRAGMA = RequestControl(no_cache=True)


_REMEMBERED = 256
"""Characters; texts of Cache-Control are few and hold no secret, so they are read once, but no longer ones are kept."""


def _request_control(text: str) -> RequestControl:
    """Of several numbers for one thing the strictest counts, and what is no number counts as the strictest."""
    given: dict[str, list[str | None]] = {}
    for name, value in _directives(text):
        given.setdefault(name, []).append(value)
    unbounded = [None if value is None else _seconds(value) or 0 for value in given.get("max-stale", ())]
    fresh = [_seconds(value) for value in given.get("min-fresh", ())]
    return RequestControl(
        no_store="no-store" in given,
        no_cache="no-cache" in given,
        only_if_cached="only-if-cached" in given,
        max_age=_least(given, "max-age"),
        min_fresh=max((OVERFLOW if number is None else number for number in fresh), default=None),
        max_stale=min((OVERFLOW if number is None else number for number in unbounded), default=None),
        stale_if_error=_least(given, "stale-if-error"),
    )


def _response_control(text: str) -> ResponseControl:
    """Of duplicates the strictest counts (RFC 9111 section 4.2.1), and what is no number is 0: stale at once."""
    given: dict[str, list[str | None]] = {}
    for name, value in _directives(text):
        given.setdefault(name, []).append(value)
    names = [frozenset(map(str.lower, members(value or ""))) for value in given.get("no-cache", ())]
    unqualified = not all(names)
    return ResponseControl(
        no_store="no-store" in given,
        no_cache=bool(names) and unqualified,
        no_cache_fields=frozenset[str]().union(*names),
        must_revalidate="must-revalidate" in given,
        must_understand="must-understand" in given,
        public="public" in given,
        private="private" in given,
        immutable="immutable" in given,
        max_age=_least(given, "max-age"),
        s_maxage=_least(given, "s-maxage"),
        stale_while_revalidate=_least(given, "stale-while-revalidate"),
        stale_if_error=_least(given, "stale-if-error"),
    )


_known_request_control = lru_cache(maxsize=1024)(_request_control)
_known_response_control = lru_cache(maxsize=4096)(_response_control)


def _least(given: dict[str, list[str | None]], name: str) -> int | None:
    return min((_seconds(value) or 0 for value in given.get(name, ())), default=None)


def _targeted_control(text: str) -> ResponseControl | None:
    """What a field of RFC 9213 says; a value of the wrong type is as good as none (section 2.1)."""
    given = dictionary(text)
    if not given:
        return None

    def seconds(name: str) -> int | None:
        value = given.get(name)
        return min(value, OVERFLOW) if type(value) is int and value >= 0 else None

    no_cache = given.get("no-cache")
    names = frozenset(map(str.lower, members(no_cache))) if isinstance(no_cache, str) else frozenset[str]()
    return ResponseControl(
        no_store=given.get("no-store") is True,
        no_cache=no_cache is True,
        no_cache_fields=names,
        must_revalidate=given.get("must-revalidate") is True,
        must_understand=given.get("must-understand") is True,
        public=given.get("public") is True,
        private=bool(given.get("private")),
        immutable=given.get("immutable") is True,
        max_age=seconds("max-age"),
        s_maxage=seconds("s-maxage"),
        stale_while_revalidate=seconds("stale-while-revalidate"),
        stale_if_error=seconds("stale-if-error"),
        targeted=True,
    )
