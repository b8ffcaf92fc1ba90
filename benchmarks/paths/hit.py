"""An answer from the memory, at the transport."""

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measure import COLOURS, Bench, Colour
from benchmarks.origins import BODY, FRESH, URL, families, plain_get
from benchmarks.rows import Row, ratio_at_most
from resilient import Policy, ResponseCache

KEPT = Policy(cache=ResponseCache())


def measure(bench: Bench) -> list[Row]:
    """A hit in memory of our transport, called directly, beside a plain ``AsyncClient.get``.

    Both over a transport that does nothing, with 2 KB of body; what is kept is fresh by its own word. All other stages
    are on, as by default. As from any transport, the hit's body is ready, and not read yet; that of the plain call has
    been read by the client.
    """
    found = []
    for family in families():
        plain = plain_get(bench, family, "async")
        for colour in COLOURS:
            origin = family.origin(fields=FRESH)
            send = family.our_transport(bench, colour, origin, policies=KEPT)
            call = partial(send, family.http.Request("GET", URL))
            fill(bench, colour, call)
            found.append((f"{colour} {family.name}", origin, bench.add(colour, call, is_hit), plain))
    bench.run()
    assert all(origin.sent == 1 for _, origin, _, _ in found), "the origin was asked again"
    return [
        Row(
            what="memory hit, transport called directly",
            client=which,
            ours=hit.micros,
            peer="plain AsyncClient.get",
            theirs=plain.micros,
            unit="µs",
            goal=ratio_at_most(0.12),
        )
        for which, _, hit, plain in found
    ]


def fill(bench: Bench, colour: Colour, call: Callable[[], Any]) -> None:
    """A miss, whose answer is kept once its body has been read."""
    response = bench.once(colour, call)
    bench.once(colour, response.read if colour == "blocking" else response.aread)


def is_hit(response: Any) -> None:
    """The answer was kept, and is whole."""
    looked_up = response.extensions["resilient"].cache
    assert looked_up.result == "hit", looked_up
    assert (response.status_code, response.read()) == (200, BODY)
