"""Values that are too large are not kept."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any, Self

from resilient.caching.codec import Codec
from resilient.caching.core import Core
from resilient.entry import Entry
from resilient.events import CacheStored
from resilient.middlewares.base import BaseMiddleware
from resilient.stores.parameters import bytes_of

logger = logging.getLogger("resilient.cache")


class ValueSizeLimit(BaseMiddleware):
    """Write no value that takes more than ``limit`` bytes once it is encoded, before it is compressed.

    ``set`` answers False for it; ``set_many`` writes the others. What was kept under the key before stays. It is told:
    a warning by the logger ``resilient.cache``, a :class:`resilient.events.CacheStored` with the detail
    ``too-large``, and ``not_stored`` of the cache's figures. Each value is encoded once more to be measured.

    Args:
        limit: bytes, or text such as ``"64KiB"`` or ``"1MB"``.

    Raises:
        ConfigurationError: it is neither.
    """

    def __init__(self, limit: int | str) -> None:
        self._limit = bytes_of(limit, option="limit")
        self._codec = Codec()
        self._core: Core | None = None

    def attach(self, core: Core) -> Self:
        """The same for the values of one cache, which it tells of what it refuses."""
        mine = copy.copy(self)
        mine._core = core
        return mine

    async def set(self, key: str, value: Any, **kwargs: Any) -> Any:
        """Keep ``value`` unless it is too large."""
        return await super().set(key, value, **kwargs) if self._fits(key, value) else False

    async def set_many(self, pairs: Mapping[str, Any], **kwargs: Any) -> Any:
        """Keep those that are not too large."""
        return await super().set_many({key: one for key, one in pairs.items() if self._fits(key, one)}, **kwargs)

    def _fits(self, key: str, value: object) -> bool:
        core = self._core
        codec = self._codec if core is None else core.values.codec
        size = len(value.body if isinstance(value, Entry) else codec.encode(key, value).body)
        if size <= self._limit:
            return True
        logger.warning("a value of %d bytes is not kept; the limit is %d", size, self._limit)
        if core is not None:
            core.record(CacheStored(strategy="none", detail="too-large"))
        return False
