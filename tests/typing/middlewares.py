"""What type checkers make of cache middlewares as people write them; read by them, not run."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from resilient import Cache, Command, ResilientClient
from resilient.caching.core import Proceed
from resilient.middlewares import After, BaseMiddleware, ErrorHandling, KeyPrefix, Logging, ValueSizeLimit
from resilient.middlewares.prometheus import create_metrics_middleware
from resilient_adapters.fastapi import ClearSiteData, ETag, RequestCacheControl
from resilient_adapters.prometheus import Prometheus


class Noting(BaseMiddleware):
    async def get(self, key: str, **kwargs: Any) -> Any:
        assert_type(key, str)
        return await super().get(key, **kwargs)

    async def scan(self, pattern: str, **kwargs: Any) -> AsyncIterator[str]:
        return await super().scan(pattern, **kwargs)


async def plain(proceed: Proceed, command: Command, /, *args: Any, **kwargs: Any) -> Any:
    return await proceed(*args, **kwargs)


def tell(key: str, result: object) -> None:
    """A callback."""


cache = Cache("mem://", telemetry=[Prometheus(CollectorRegistry())])
cache.setup("mem://", middlewares=[Noting(), plain, ErrorHandling(), Logging()], telemetry=[Prometheus()])
cache.add_middleware(KeyPrefix("v2:"))
cache.add_middleware(ValueSizeLimit("1MB"))
cache.add_middleware(After(tell, "set"))
cache.add_middleware(create_metrics_middleware(CollectorRegistry()))
ResilientClient(telemetry=[Prometheus()])

app = FastAPI()
app.add_middleware(RequestCacheControl, caches=[cache])
app.add_middleware(ETag)
app.add_middleware(ClearSiteData, caches=[cache])
