"""Whether copies of entries are kept in this process's memory, and on which terms."""

from __future__ import annotations

import math
from dataclasses import dataclass

from resilient.errors import ConfigurationError
from resilient.ports import Clock
from resilient.stores.parameters import bytes_of, count_of, flag_of, span_of
from resilient_adapters.redis.copies import Copies

MAX_STALENESS = 10.0
"""Seconds that a copy is served at most before the server is asked again, although it has not told of a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """The terms.

    Attributes:
        is_told: whether the server tells of changes; else copies are served without a word from it.
        longest: seconds that a copy is served at most.
        size: how many copies there are at most.
        max_bytes: how much they take at most.
    """

    is_told: bool
    longest: float
    size: int
    max_bytes: int

    def copies(self, clock: Clock) -> Copies:
        """Nothing yet; where the server tells of changes, nothing is served before it does."""
        trusted_until = -math.inf if self.is_told else math.inf
        return Copies(self.size, self.max_bytes, self.longest, clock, trusted_until=trusted_until)


def copying_of(
    url: str, *, client_side: object, max_staleness: object, local: object, local_size: object, local_max_bytes: object
) -> Copying | None:
    """The terms that options say, None for no copies; the options are those of :func:`resilient_adapters.redis`.

    Raises:
        ConfigurationError: one of them is wrong, or they contradict each other.
    """
    is_told = flag_of(client_side, option="client_side")
    longest = span_of(max_staleness, option="max_staleness")
    size = count_of(local_size, option="local_size")
    max_bytes = bytes_of(local_max_bytes, option="local_max_bytes")
    if local is not None:
        longest = span_of(local, option="local")
        if is_told:
            raise ConfigurationError(
                "client_side=True and local= are two ways to keep copies; give client_side=True, with max_staleness= if"
                " need be, where the server tells of changes, or local= where nobody does"
            )
    elif not is_told:
        return None
    if is_told and url.startswith("redis+cluster:"):
        raise ConfigurationError("client_side=True needs a single server, or Sentinel; with a cluster give local='1s'")
    return Copying(is_told=is_told, longest=longest, size=size, max_bytes=max_bytes)
