"""For FastAPI: what requests say about caches, entity tags, and clearing.

``RequestCacheControl``, ``ETag`` and ``ClearSiteData`` are plain ASGI middlewares, and work with any ASGI program.
"""

try:
    import fastapi as _  # noqa: F401 # asked for first, so that a missing extra is one clear line
except ImportError as error:
    raise ImportError("these middlewares need fastapi: pip install 'resilient-client[fastapi]'") from error

from resilient_adapters.fastapi.cache_control import RequestCacheControl, honour_cache_control
from resilient_adapters.fastapi.clearing import ClearSiteData
from resilient_adapters.fastapi.etag import ETag

__all__ = ["ClearSiteData", "ETag", "RequestCacheControl", "honour_cache_control"]
