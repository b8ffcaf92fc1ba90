"""What a caller waits for a value that is being made anew."""

import asyncio
import time

from benchmarks.measure import Bench
from benchmarks.rows import Row, at_most
from resilient import Cache

MAKING = 1.0
"""Seconds that it takes to make the value."""


def measure(bench: Bench) -> list[Row]:
    """A call between the two times to live of ``soft`` and of ``early``, while the value is made anew for a second.

    Measured is the time that passes, beside that second.
    """
    bench.on_the_wire(0.02)
    cache = bench.own(Cache("mem://"))
    made: dict[str, int] = {"soft": 0, "early": 0}
    kinds = {"soft": cache.soft("1h", "1ms", "{name}"), "early": cache.early("1h", "1ms", "{name}")}
    found = []
    for name, decorator in kinds.items():

        async def report(name: str) -> str:
            made[name] += 1
            if made[name] > 1:
                await asyncio.sleep(MAKING)
            return name

        call = _Stale(decorator(report), name)
        bench.once("async", call)
        time.sleep(0.005)
        found.append((name, bench.add("async", call, call.check)))
    bench.run()
    assert all(times > 1 for times in made.values()), "nothing was made anew"
    return [
        Row(
            what=f"a call while {name} makes the value anew",
            client="async",
            ours=one.seconds * 1000,
            peer="making it",
            theirs=MAKING * 1000,
            unit="ms",
            goal=at_most(5),
        )
        for name, one in found
    ]


class _Stale:
    """Calls a function that was called before."""

    def __init__(self, function: object, name: str) -> None:
        self.function, self.name = function, name

    def __call__(self) -> object:
        return self.function(self.name)

    def check(self, found: str) -> None:
        assert found == self.name, found
