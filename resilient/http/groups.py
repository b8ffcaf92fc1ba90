"""Groups of answers that an origin invalidates together (RFC 9875)."""

from __future__ import annotations

from resilient.http.fields import Fields
from resilient.http.invalidation import invalidates
from resilient.http.structured import Token, list_of

MAX_GROUPS = 64
"""Groups of one answer; at least 32 have to be borne (section 2)."""
MAX_LENGTH = 128
"""Characters of a group; at least 32 have to be borne."""


def groups(fields: Fields) -> tuple[str, ...]:
    """The groups that an answer belongs to, among the answers of its origin (section 2); names have a case."""
    return _names(fields.get("cache-groups"))


def invalidated_groups(method: str, status: int, fields: Fields) -> tuple[str, ...]:
    """The groups of its origin that an answer invalidates (section 3); none if its request was safe or it is an error.

    Args:
        method: of the request.
        status: of the answer.
        fields: of the answer.
    """
    return _names(fields.get("cache-group-invalidation")) if invalidates(method, status) else ()


def _names(text: str | None) -> tuple[str, ...]:
    """The strings of a list; what is no list of strings says nothing, and what is beyond the limits is left out."""
    found = None if text is None else list_of(text)
    if found is None or not all(isinstance(name, str) and not isinstance(name, Token) for name in found):
        return ()
    names = [name for name in found if isinstance(name, str) and len(name) <= MAX_LENGTH]
    return tuple(dict.fromkeys(names))[:MAX_GROUPS]
