"""A hit of a decorated function in memory."""

from collections.abc import Callable

from benchmarks.caches import (
    Called,
    Function,
    is_value,
    ours,
    with_aiocache,
    with_cachebox,
    with_cachetools,
    with_cashews,
    with_dogpile,
)
from benchmarks.measure import COLOURS, Bench, Colour
from benchmarks.rows import Goal, Row, ratio_at_most

PEERS: dict[Colour, list[tuple[str, Callable[..., Called], Goal]]] = {
    "async": [
        ("cashews", with_cashews, ratio_at_most(0.1)),
        ("aiocache", with_aiocache, ratio_at_most(0.2)),
        ("cachebox", with_cachebox, ratio_at_most(4)),
    ],
    "blocking": [
        ("cachetools", with_cachetools, ratio_at_most(2.5)),
        ("dogpile", with_dogpile, ratio_at_most(0.25)),
    ],
}


def measure(bench: Bench) -> list[Row]:
    """A call of a decorated function whose result is kept in memory: 2 KB of text, one argument.

    Ours counts hits, would coalesce misses, and never hands out a value that a caller could change.
    """
    functions: list[Function] = []

    def function() -> Function:
        functions.append(made := Function())
        return made

    found = []
    for colour in COLOURS:
        mine = bench.add(colour, ours(bench, colour, function()), is_value)
        plain = bench.add(colour, function().cached(colour, lambda undecorated: undecorated), is_value)
        found.append((colour, mine, "the function alone", plain, None))
        for name, make, goal in PEERS[colour]:
            if bench.wants(name):
                found.append((colour, mine, name, bench.add(colour, make(bench, colour, function()), is_value), goal))
    bench.run()
    assert sum(one.calls == 1 for one in functions) == len(functions) - len(COLOURS), "a function was called again"
    return [
        Row(
            what="hit of a decorated function in memory",
            client=colour,
            ours=mine.micros,
            peer=name,
            theirs=peer.micros,
            unit="µs",
            goal=goal,
        )
        for colour, mine, name, peer, goal in found
    ]
