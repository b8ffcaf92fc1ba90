"""Metrics for Prometheus: of clients and caches, by their events."""

try:
    import prometheus_client as _  # noqa: F401 # asked for first, so that a missing extra is one clear line
except ImportError as error:
    raise ImportError(
        "metrics for Prometheus need prometheus-client: pip install 'resilient-client[prometheus]'"
    ) from error

from resilient_adapters.prometheus.measuring import Measuring
from resilient_adapters.prometheus.sink import Prometheus

__all__ = ["Measuring", "Prometheus"]
