"""Leases in Redis, by the server's time, as steps for both colours."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.stores.keys import stored_key
from resilient_adapters.redis.asking import Scripts
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.steps import Steps
from resilient_adapters.redis.times import Times


class Leases:
    """The commands for leases.

    Args:
        keys: where everything lies.
        scripts: runs scripts.
        fences: where the last fence is kept; nowhere if each lease keeps its own.
    """

    def __init__(self, keys: Keys, scripts: Scripts, fences: Sequence[bytes]) -> None:
        self._keys = keys
        self._scripts = scripts
        self._fences = fences

    def acquire(self, name: str, owner: str, ttl: float) -> Steps[int | None]:
        """Takes a lease; its fence, None if somebody else holds it."""
        where = [self._lease(name), *self._fences]
        fence: int | None = yield from self._scripts.run("acquire", where, _text(owner), Times.span(ttl))
        return fence

    def renew(self, name: str, owner: str, ttl: float) -> Steps[bool]:
        """Holds it from now on; whether it was still the owner's."""
        renewed = yield from self._scripts.run("renew", [self._lease(name)], _text(owner), Times.span(ttl))
        return bool(renewed)

    def release(self, name: str, owner: str) -> Steps[bool]:
        """Gives it back; whether it was still the owner's."""
        released = yield from self._scripts.run("release", [self._lease(name)], _text(owner))
        return bool(released)

    def _lease(self, name: str) -> bytes:
        return self._keys.lease(stored_key(name))


def _text(owner: str) -> bytes:
    return owner.encode(errors="surrogatepass")
