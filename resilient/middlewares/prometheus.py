"""The way to the metrics of Prometheus, for those who have the extra ``prometheus``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resilient.caching.core import CacheMiddleware

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


def create_metrics_middleware(registry: CollectorRegistry | None = None) -> CacheMiddleware:
    """A middleware that counts hits, misses, stale answers and errors of a cache, and measures its store.

    The metrics are those of :class:`resilient_adapters.prometheus.Prometheus`; a cache that has both counts once.

    Args:
        registry: where the metrics are registered; the one of ``prometheus_client`` if not given.

    Raises:
        ImportError: prometheus-client is not installed.
    """
    from resilient_adapters.prometheus import Measuring

    return Measuring(registry)
