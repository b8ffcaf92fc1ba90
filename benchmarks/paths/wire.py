"""Requests a second to a real server."""

from collections.abc import Callable
from itertools import count
from typing import Any

from benchmarks.measure import COLOURS, Bench
from benchmarks.origins import families, is_answer, is_sent
from benchmarks.rows import Row, ratio_at_least
from benchmarks.server import Server
from resilient import Policy, ResponseCache

POLICIES = {
    "standard policy": Policy.standard(),
    "standard policy without its cache": Policy(cache=None),
    "standard policy and a cache": Policy(cache=ResponseCache(ttl="1h")),
}
SLICE = 0.1
"""Seconds, so that a slice holds several rounds of 32 requests."""


def measure(bench: Bench) -> list[Row]:
    """Requests a second of our client to a server on the loopback, beside the bare client.

    HTTP/1.1 with connections kept, 2 KB of body read, one call after the other and 32 at once (threads or tasks). No
    address is asked for twice, so that a cache looks up, misses and keeps every answer.
    """
    bench.on_the_wire(SLICE)
    url, numbers = bench.own(Server()).url, count()

    def getting(client: Any) -> Callable[[], Any]:
        return lambda: client.get(f"{url}/{next(numbers)}")

    found = []
    for family in families():
        for colour in COLOURS:
            for at_once in (1, 32):
                bare = bench.add(colour, getting(family.bare(bench, colour)), is_answer, at_once=at_once)
                for name, policy in POLICIES.items():
                    call = getting(family.ours(bench, colour, policies=policy))
                    ours = bench.add(colour, call, is_sent, at_once=at_once)
                    found.append((name, f"{colour} {family.name}, {at_once} at once", ours, bare))
    bench.run()
    return [
        Row(
            what=name,
            client=which,
            ours=ours.rate,
            peer="bare client",
            theirs=bare.rate,
            unit="req/s",
            goal=ratio_at_least(0.95),
        )
        for name, which, ours, bare in found
    ]
