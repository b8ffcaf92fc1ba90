"""The name under which a store keeps a key."""

from __future__ import annotations

import hashlib

MAX_KEY = 250
"""Bytes; a longer key is kept by its beginning and a digest of the whole."""

_BEGINNING = 180
"""Characters of a long key that are kept, so that it is still found by its prefix."""


def stored_key(key: str) -> str:
    """``key`` itself; where it is too long or not valid Unicode, its beginning and a digest of the whole.

    The name that it gives is its own name, so that what ``scan`` yields can be read and deleted.
    """
    if key.isascii():
        if len(key) <= MAX_KEY:
            return key
        return key[:_BEGINNING] + _digest(key.encode())
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair: no store could write it as text.
        return _beginning(key.encode(errors="replace")) + _digest(key.encode(errors="surrogatepass"))
    return key if len(encoded) <= MAX_KEY else _beginning(encoded) + _digest(encoded)


def _beginning(encoded: bytes) -> str:
    return encoded[:_BEGINNING].decode(errors="ignore")


def _digest(encoded: bytes) -> str:
    return "~" + hashlib.blake2b(encoded, digest_size=24).hexdigest()
