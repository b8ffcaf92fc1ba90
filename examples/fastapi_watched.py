"""A service that can be watched: metrics for Prometheus, and traces, of what it asks of others.

Run it with ``uvicorn fastapi_watched:app`` and look at /metrics; here it is asked without a network. A real one sends
its spans to a collector in place of the list.
"""

import asyncio

import httpx
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import make_asgi_app

from resilient import AsyncResilientClient, Policy, ResponseCache, options
from resilient_adapters.opentelemetry import OpenTelemetry
from resilient_adapters.prometheus import Prometheus

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))

answers = iter([503, 200])
origin = httpx.MockTransport(lambda request: httpx.Response(next(answers), json={"currency": "EUR", "rate": 1.08}))

tracer = OpenTelemetry(tracer_provider=provider)
client = AsyncResilientClient(
    name="exchange",
    base_url="https://rates.example.com",
    policies=Policy(cache=ResponseCache(ttl="10m")),
    telemetry=[tracer, Prometheus(tracer=tracer)],
    transport=origin,
)
app = FastAPI()
app.mount("/metrics", make_asgi_app())


@app.get("/rates/{currency}")
async def rate(currency: str):
    answer = await client.get(f"/rates/{currency}", extensions=options(route="/rates/{currency}"))
    return answer.json()


async def main() -> None:
    async with client, httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as browser:
        for _ in range(2):
            print("The answer:", (await browser.get("/rates/EUR")).json())
        for line in (await browser.get("/metrics/")).text.splitlines():
            if line.startswith(("resilient_calls_total", "resilient_calls_saved_total", "resilient_retries_total")):
                print(line)
        for span in sorted(spans.get_finished_spans(), key=lambda span: span.start_time):
            print(f"{span.kind.name}: {span.name} {span.attributes.get('http.response.status_code', '')}".rstrip())


if __name__ == "__main__":
    asyncio.run(main())
