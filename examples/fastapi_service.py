"""A service that answers from a cache, lets clients ask for a new answer, and sends nothing twice.

Run it with ``uvicorn fastapi_service:app``; here it is asked without a network.
"""

import asyncio

import httpx
from fastapi import FastAPI

from resilient import Cache
from resilient_adapters.fastapi import ETag, RequestCacheControl

cache = Cache("mem://", name="rates")
app = FastAPI()
app.add_middleware(ETag)
app.add_middleware(RequestCacheControl, caches=[cache])
asked = []


@cache.soft(ttl="1h", soft_ttl="10m", key="rate:{currency}")
def load_rate(currency):
    """What takes long."""
    asked.append(currency)
    return {"currency": currency, "rate": 1.08}


@app.get("/rates/{currency}")
def rate(currency: str):
    return load_rate(currency)


async def main() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://rates") as client:
        first = await client.get("/rates/EUR")
        print("The first answer:", first.json())
        again = await client.get("/rates/EUR", headers={"If-None-Match": first.headers["etag"]})
        print(f"Who has it already: {again.status_code}, {len(again.content)} bytes")
        print(f"Loaded {len(asked)} time")
        await client.get("/rates/EUR", headers={"Cache-Control": "no-cache"})
        print(f"After no-cache: loaded {len(asked)} times")


if __name__ == "__main__":
    asyncio.run(main())
