"""Signatures of entries: HMAC-SHA256, and nothing else on anybody's word."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TypeAlias

from resilient.errors import ConfigurationError

Secret: TypeAlias = str | bytes | Sequence[str | bytes]
"""A secret, or several: the first signs, each is accepted."""

MIN_SECRET = 16
"""Bytes; a shorter secret could be guessed."""


class Signer:
    """Signs with the first of its secrets, accepts what any of them signed.

    Raises:
        ConfigurationError: there is no secret, or one is too short or no text and no bytes.
    """

    __slots__ = ("_secrets",)

    def __init__(self, secret: Secret) -> None:
        given = [secret] if isinstance(secret, str | bytes) else list(secret)
        # The secret itself must not turn up in a message.
        if not all(isinstance(one, str | bytes) for one in given):
            raise ConfigurationError("secret= is not right; give text or bytes, or a list of them")
        self._secrets = [one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one for one in given]
        if not self._secrets or min(map(len, self._secrets)) < MIN_SECRET:
            raise ConfigurationError(f"secret= is too short; give at least {MIN_SECRET} random bytes")

    def sign(self, *parts: bytes) -> bytes:
        """The signature of ``parts``, each told from the next by its length."""
        return hmac.digest(self._secrets[0], _joined(parts), "sha256")

    def accepts(self, signature: object, *parts: bytes) -> bool:
        """Whether ``signature`` is one of ``parts``."""
        if type(signature) is not bytes:
            return False
        signed = _joined(parts)
        return any(hmac.compare_digest(signature, hmac.digest(one, signed, "sha256")) for one in self._secrets)


def _joined(parts: tuple[bytes, ...]) -> bytes:
    return b"".join(part for one in parts for part in (len(one).to_bytes(8, "big"), one))
