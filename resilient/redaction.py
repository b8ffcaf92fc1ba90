"""What is taken out of a text before anybody sees it: the one place for spans, logs, errors and the command line."""

from __future__ import annotations

import re
from collections.abc import Collection

REDACTED = "REDACTED"
"""Stands where a secret may have been."""

_SIGN = r"""(?:[^\s>"']|'(?![\s,)\]}]|$))"""
"""A sign of an address in a text, where it may stand in quotation marks."""
_ADDRESS = re.compile(rf"(?<=://){_SIGN}+")
_QUERY_VALUE = re.compile(rf"([?&;]([^=?&;#\s]*)=)((?:(?![&;#]){_SIGN})+)")
_SEPARATOR = re.compile("([&;])")


def without_secrets(text: str, safe_params: Collection[str] = ()) -> str:
    """``text`` without the users, the values of queries and the fragments in its addresses; the names of values stay.

    Args:
        text: with addresses in it, or an address.
        safe_params: the names of query values that may be seen.
    """

    def hidden(found: re.Match[str]) -> str:
        return found[0] if found[2] in safe_params else f"{found[1]}{REDACTED}"

    if "://" in text:
        text = _ADDRESS.sub(lambda found: _shown_address(found[0], safe_params), text)
    return _QUERY_VALUE.sub(hidden, text) if "=" in text else text


def shown_url(scheme: str, netloc: str, raw_path: str, safe_params: Collection[str] = ()) -> str:
    """An address that may be seen, made of what an HTTP library says of it; its user and fragment are left out.

    Args:
        scheme: of the address.
        netloc: host and port.
        raw_path: path and query.
        safe_params: the names of query values that may be seen.
    """
    path, mark, query = raw_path.partition("?")
    if not mark:
        return f"{scheme}://{netloc}{path}"
    return f"{scheme}://{netloc}{path}?{_shown_query(query, safe_params)}"


def _shown_address(address: str, safe_params: Collection[str]) -> str:
    """An address that may be seen; it is given without its scheme."""
    rest, number_sign, fragment = address.partition("#")
    place, question_mark, query = rest.partition("?")
    server, slash, path = place.partition("/")
    _, user, host = server.rpartition("@")
    return "".join(
        [
            f"{REDACTED}:{REDACTED}@" if user else "",
            f"{host}{slash}{path}{question_mark}{_shown_query(query, safe_params)}{number_sign}",
            REDACTED if fragment else "",
        ]
    )


def _shown_query(query: str, safe_params: Collection[str]) -> str:
    return "".join(
        part if place % 2 else _shown(part, safe_params) for place, part in enumerate(_SEPARATOR.split(query))
    )


def _shown(pair: str, safe_params: Collection[str]) -> str:
    name, _, value = pair.partition("=")
    if not pair or name in safe_params:
        return pair
    # What has no value may be the secret itself, and base64 ends with such signs.
    return f"{name}={REDACTED}" if value.strip("=") else REDACTED
