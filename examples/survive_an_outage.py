"""A client that survives an outage: retries that do not pile up, and a circuit that opens and closes.

The server is scripted and time is a fake clock's, so that half a minute passes at once.
"""

import httpx

from resilient import CircuitOpenError, ResilientClient
from resilient.testing import FakeClock, Origin

clock = FakeClock()
server = Origin(clock=clock)


def main() -> None:
    with ResilientClient(transport=server, clock=clock, base_url="https://shop.example") as client:
        print("The server works:", client.get("/items/7").status_code)

        server.fails(status=503, times=2)
        print("It fails twice, and nobody sees it:", client.get("/items/7").status_code)

        server.goes_away()
        sent_before = server.sent
        refused = 0
        for _ in range(100):
            try:
                client.get("/items/7")
            except CircuitOpenError:
                refused += 1
            except httpx.HTTPError:  # every error of the client is one of httpx's too
                pass
            clock.advance(0.1)
        print(f"It is away for 10 s: of 100 calls, {refused} were refused at once by the open circuit;")
        print(f"all in all the server was sent {server.sent - sent_before} requests.")

        server.returns()
        clock.advance(client.state()["* https://shop.example"]["circuit"]["retry_in"])  # type: ignore[index]
        print("It is back, and so is the client:", client.get("/items/7").status_code)


if __name__ == "__main__":
    main()
