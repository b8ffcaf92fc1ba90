"""The same with the asynchronous client: many calls at once, one circuit for all of them."""

import asyncio

import httpx

from resilient import AsyncResilientClient, CircuitBreaker, CircuitOpenError, Policy, Retry
from resilient.testing import Origin

server = Origin()
policies = {"shop.example": Policy(retry=Retry(base="1ms"), breaker=CircuitBreaker(open_for="50ms"))}


async def main() -> None:
    async with AsyncResilientClient(transport=server, policies=policies, base_url="https://shop.example") as client:
        server.goes_away()
        ended = await asyncio.gather(*(client.get(f"/items/{number}") for number in range(50)), return_exceptions=True)
        refused = sum(isinstance(one, CircuitOpenError) for one in ended)
        assert all(isinstance(one, httpx.HTTPError) for one in ended)
        print(f"The server is away: 50 calls at once send it {server.sent} requests in all;")
        print(f"{refused} of them end with the open circuit, before or after their first attempt.")

        server.returns()
        while client.circuit("https://shop.example").state == "open":
            await asyncio.sleep(0.01)
        answer = await client.get("/items/7")
        print("It is back, and so is the client:", answer.status_code)


if __name__ == "__main__":
    asyncio.run(main())
