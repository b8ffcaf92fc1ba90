"""The last good answer stands in while the server is down, and says how old it is.

With ``store="disk:///var/cache/my-app"`` in place of memory it outlives the process too.
"""

from resilient import Policy, ResilientClient, ResponseCache
from resilient.testing import FakeClock, Origin

clock = FakeClock()
server = Origin(clock=clock)
policies = {"api.exchange.example/rates/*": Policy(cache=ResponseCache.failover(ttl="6h"))}


def main() -> None:
    with ResilientClient(transport=server, clock=clock, policies=policies, store="mem://") as client:
        server.answers(body=b'{"EUR": 1.08}')
        fresh = client.get("https://api.exchange.example/rates/EUR")
        print("From the server:", fresh.json())

        clock.advance(600)
        server.fails(status=503)
        stale = client.get("https://api.exchange.example/rates/EUR")
        print(f"From the store: {stale.json()}, {stale.headers['age']} s old")

        journey = stale.extensions["resilient"]
        print("How that came about:", journey, sep="\n")
        assert journey.cache.result == "stale"


if __name__ == "__main__":
    main()
