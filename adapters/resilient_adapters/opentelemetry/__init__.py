"""Traces and metrics by OpenTelemetry: of clients and caches, by its interface alone."""

try:
    import opentelemetry as _  # noqa: F401 # asked for first, so that a missing extra is one clear line
except ImportError as error:
    raise ImportError(
        "traces and metrics by OpenTelemetry need its API: pip install 'resilient-client[otel]'"
    ) from error

from resilient_adapters.opentelemetry.sink import OpenTelemetry

__all__ = ["OpenTelemetry"]
