"""What a hit costs by how many entries there are."""

from collections.abc import Callable

from benchmarks.measure import Bench, Contestant
from benchmarks.rows import Goal, Row, ratio_at_most
from resilient import Cache

COUNTS = (1_000, 100_000, 1_000_000)


def measure(bench: Bench) -> list[Row]:
    """A hit in memory among 1,000, 100,000 and 1,000,000 entries.

    Keys are asked for in a scattered order, so that a large cache misses the processor's own caches; a plain ``dict``
    of as many has the same trouble, and grows slower by more.
    """
    found = []
    for count in COUNTS if bench.effort.rounds > 1 else COUNTS[:1]:
        cache = bench.own(Cache(f"mem://?size={count}&max_bytes=8GiB"))

        @cache("1h", key="{number}")
        def double(number: int) -> int:
            return 2 * number

        plain = {str(number): 2 * number for number in range(count)}
        for number in range(count):
            double(number)
        hit = bench.add("blocking", _Asking(double, count), _is_even)
        of_dict = bench.add("blocking", _Asking(lambda number, plain=plain: plain[str(number)], count), _is_even)
        found.append((count, hit, of_dict))
    bench.run()
    first = found[0][1]
    rows = []
    for count, hit, of_dict in found:
        what = f"hit among {count:,} entries"
        if count > COUNTS[0]:
            rows.append(_row(what, hit, f"among {COUNTS[0]:,}", first, ratio_at_most(2.5)))
        rows.append(_row(what, hit, "a dict of as many", of_dict, None))
    return rows


def _row(what: str, ours: Contestant, peer: str, theirs: Contestant, goal: Goal | None) -> Row:
    return Row(what=what, client="blocking", ours=ours.micros, peer=peer, theirs=theirs.micros, unit="µs", goal=goal)


class _Asking:
    """Asks for one of so many keys after the other, in a scattered order."""

    def __init__(self, double: Callable[[int], int], count: int) -> None:
        self.double, self.count, self.number = double, count, 0

    def __call__(self) -> int:
        self.number = (self.number + 7_919) % self.count
        return self.double(self.number)


def _is_even(found: int) -> None:
    assert found % 2 == 0, found
