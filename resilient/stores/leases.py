"""Who holds which lease, in this process's memory."""

from __future__ import annotations

from typing import NamedTuple

_FEW = 100
"""Leases up to which nobody looks for those that have ended."""


class _Lease(NamedTuple):
    owner: str
    fence: int
    ends: float


class Leases:
    """Leases by name; instants are those of a clock that never jumps. For one thread at a time."""

    __slots__ = ("_fence", "_held", "_sweep_at")

    def __init__(self) -> None:
        self._held: dict[str, _Lease] = {}
        self._fence = 0
        self._sweep_at = _FEW

    def acquire(self, name: str, owner: str, ttl: float, now: float) -> int | None:
        """Take a lease for ``ttl`` seconds; its fence, None if somebody else holds it."""
        lease = self._living(name, now)
        if lease is not None and lease.owner != owner:
            return None
        self._sweep(now)
        self._fence += 1
        self._held[name] = _Lease(owner, self._fence, now + ttl)
        return self._fence

    def renew(self, name: str, owner: str, ttl: float, now: float) -> bool:
        """Hold a lease for ``ttl`` seconds from now; whether it is still the owner's."""
        lease = self._living(name, now)
        if lease is None or lease.owner != owner:
            return False
        self._held[name] = lease._replace(ends=now + ttl)
        return True

    def release(self, name: str, owner: str, now: float) -> bool:
        """Give a lease back; whether it was still the owner's."""
        lease = self._living(name, now)
        if lease is None or lease.owner != owner:
            return False
        del self._held[name]
        return True

    def fence(self, name: str, now: float) -> int:
        """The fence of a lease that is held, 0 if it is not."""
        lease = self._living(name, now)
        return 0 if lease is None else lease.fence

    def _living(self, name: str, now: float) -> _Lease | None:
        lease = self._held.get(name)
        return lease if lease is not None and now < lease.ends else None

    def _sweep(self, now: float) -> None:
        # Only when they have doubled, so the cost is spread over as many leases as are held.
        if len(self._held) >= self._sweep_at:
            self._held = {name: lease for name, lease in self._held.items() if now < lease.ends}
            self._sweep_at = 2 * len(self._held) + _FEW
