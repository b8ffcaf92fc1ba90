"""A stage of your own: a plain async function of the call and the rest of the pipeline, for both clients.

It runs inside the stages that stand before it in the list, and around those that stand after it.
"""

import asyncio

from resilient import AsyncResilientClient, Call, Deadline, Handler, Policy, ResilientClient, Retry
from resilient.testing import Origin


async def sign(call: Call, proceed: Handler):
    """Sign each attempt anew; standing inside of Retry, it sees every one of them."""
    signed = call.library.again(call.request, call.request.extensions, {"x-signature": f"attempt-{call.attempt}"})
    return await proceed(call.asking(signed))


policies = {"*": Policy(pipeline=[Deadline("5s"), Retry(base="1ms"), sign])}


def main() -> None:
    server = Origin()
    server.fails(status=503, times=1)
    with ResilientClient(transport=server, policies=policies) as client:
        print(client.describe("https://shop.example/"))
        client.get("https://shop.example/")
    print("The server saw", [request.headers["x-signature"] for request in server.requests])


async def main_async() -> None:
    server = Origin()
    async with AsyncResilientClient(transport=server, policies=policies) as client:
        await client.get("https://shop.example/")
    print("And of the other client", [request.headers["x-signature"] for request in server.requests])


if __name__ == "__main__":
    main()
    asyncio.run(main_async())
