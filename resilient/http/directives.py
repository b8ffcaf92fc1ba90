"""Cache-Control, as RFC 9111 section 5.2 writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SEPARATORS = re.compile(r"[\s,]*")  # empty list members are allowed, RFC 9110 section 5.6.1
# Possessive, so that no text takes longer to read than once through.
_DIRECTIVE = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]++)       # a token, RFC 9110 section 5.6.2
        (?:\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"  # an argument as a quoted string ...
                      |(?P<plain>[^\s,"]*+)))?       # ... or as a token
        \s*+(?=,|$)""",
    re.VERBOSE,
)


def cache_control(lines: Sequence[str]) -> dict[str, str | None]:
    """The directives of a message's Cache-Control fields; names in lower case, of duplicates the first.

    What cannot be read is left out, up to the next comma (RFC 9111 section 5.2.3: unknown directives are ignored).
    """
    text = ",".join(lines)
    found: dict[str, str | None] = {}
    at = 0
    while (at := _after_separators(text, at)) < len(text):
        match = _DIRECTIVE.match(text, at)
        if match is None:
            comma = text.find(",", at)
            at = len(text) if comma < 0 else comma + 1
            continue
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        found.setdefault(match["name"].lower(), value)
        at = match.end()
    return found


def _after_separators(text: str, at: int) -> int:
    found = _SEPARATORS.match(text, at)
    return at if found is None else found.end()
