"""What one request needs and others do not: its own deadline, leave to be repeated, no cache.

Options travel in the request's ``extensions``, so that everything that takes an httpx request carries them.
"""

from resilient import DeadlineExceededError, Policy, ResilientClient, ResponseCache, options
from resilient.testing import FakeClock, Origin

clock = FakeClock()
server = Origin(clock=clock)
policies = {"*": Policy(cache=ResponseCache(ttl="1h"))}


def main() -> None:
    with ResilientClient(transport=server, clock=clock, policies=policies, base_url="https://shop.example") as client:
        server.answers(latency="2s")
        try:
            client.get("/slow", extensions=options(deadline="500ms"))
        except DeadlineExceededError as error:
            print("No answer, and no time lost:", error)
        server.answers(latency=0)

        server.fails(status=503, times=1)
        print("A POST is sent once:", client.post("/orders", json={"item": 7}).status_code)

        server.fails(status=503, times=1)
        answer = client.post("/orders", json={"item": 7}, extensions=options(idempotency_key=True))
        key = server.requests[-1].headers["idempotency-key"]
        print(f"With a key it may be sent again: {answer.status_code}, key {'*' * len(key)}")

        for extensions in ({}, {}, options(cache=False)):
            client.get("/items/7", extensions=extensions)
        seen = sum(request.path == "/items/7" for request in server.requests)
        print(f"Three reads, one of them past the cache: the server saw {seen}")


if __name__ == "__main__":
    main()
