"""What is taken out of a text before anybody sees it: the one place for spans, logs, errors and the command line."""

from __future__ import annotations

import re
from collections.abc import Collection

REDACTED = "REDACTED"
"""Stands where a secret may have been."""

_USER = re.compile(r"(?<=://)[^/?#\s@]*@")
_QUERY_VALUE = re.compile(r"([?&;]([^=&;#\s]*)=)([^&;#\s>\"']+)")


def without_secrets(text: str, safe_params: Collection[str] = ()) -> str:
    """``text`` without the users and the values of queries in its addresses; the names of the values stay.

    Args:
        text: with addresses in it, or an address.
        safe_params: the names of query values that may be seen.
    """

    def hidden(found: re.Match[str]) -> str:
        return found[0] if found[2] in safe_params else f"{found[1]}{REDACTED}"

    if "://" in text:
        text = _USER.sub(f"{REDACTED}:{REDACTED}@", text)
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
    return f"{scheme}://{netloc}{path}?{'&'.join(_shown(pair, safe_params) for pair in query.split('&'))}"


def _shown(pair: str, safe_params: Collection[str]) -> str:
    name, mark, _ = pair.partition("=")
    if name in safe_params:
        return pair
    # A query without a name may be the secret itself.
    return f"{name}={REDACTED}" if mark else REDACTED if name else ""
