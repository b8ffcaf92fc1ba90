"""What a call costs that goes to the origin and is answered at once."""

from functools import partial
from typing import Any

from benchmarks import peers
from benchmarks.measure import COLOURS, Bench, Colour, Contestant
from benchmarks.origins import URL, Family, families, is_answer, is_sent, plain_get
from benchmarks.rows import Goal, Row, at_most, ratio_at_most
from resilient import Policy, Retry

NOTHING = Policy.passthrough()
STANDARD = Policy.standard()
UNCACHED = Policy(cache=None)
GUARDED = Policy(deadline=None, attempt_timeout=None, cache=None)
ALONE = NOTHING.replace(retry=Retry(max_attempts=peers.ATTEMPTS, statuses=peers.STATUSES))
MOST_MICROS: dict[Colour, float] = {"blocking": 10, "async": 20}


def measure(bench: Bench) -> list[Row]:
    """What our client adds to a ``get`` that is answered at the first attempt, 2 KB of body read.

    Five policies over a transport that does nothing: one with every stage off, the standard one, whole and without its
    cache, and retry with budget and breaker, beside a plain ``AsyncClient.get``; and retry alone, beside others who do
    that work around or below a plain client. The answer is not kept: it does not say how long it holds.
    """
    yardsticks = [(family, plain_get(bench, family, "async")) for family in families()]
    contests = [_Contest(bench, family, colour, plain) for family, plain in yardsticks for colour in COLOURS]
    bench.run()
    return [row for contest in contests for row in contest.rows()]


class _Contest:
    """All contestants of one colour and one HTTP library."""

    def __init__(self, bench: Bench, family: Family, colour: Colour, yardstick: Contestant) -> None:
        self.which = f"{colour} {family.name}"
        self.most = MOST_MICROS[colour]
        self.yardstick = yardstick
        self.bare = plain_get(bench, family, "blocking") if colour == "blocking" else yardstick
        client = family.ours(bench, colour, transport=family.origin(), policies=NOTHING)
        self.nothing = bench.add(colour, partial(client.get, URL), is_sent)
        self.standard = _ours(bench, family, colour, STANDARD)
        self.uncached = _ours(bench, family, colour, UNCACHED)
        self.guarded = _ours(bench, family, colour, GUARDED)
        self.alone = _ours(bench, family, colour, ALONE)
        self.others = {
            name: _others(bench, family, colour, make)
            for name, make in peers.PEERS.items()
            if bench.wants(name) and (name, family.name) not in peers.NO_DOOR
        }

    def rows(self) -> list[Row]:
        """What came out."""
        plain = ("plain AsyncClient.get", self.yardstick.micros)
        return [
            self._row("every stage off adds", self.nothing, *plain, None),
            self._row("the standard policy adds", self.standard, *plain, None),
            self._row("the standard policy without its cache adds", self.uncached, *plain, at_most(self.most)),
            self._row("retry, budget and breaker add", self.guarded, *plain, ratio_at_most(0.15)),
            *(
                self._row("retry alone adds", self.alone, f"{name} adds", self._added(other), None)
                for name, other in self.others.items()
            ),
        ]

    def _added(self, one: Contestant) -> float:
        """Microseconds above the bare client."""
        return one.micros - self.bare.micros

    def _row(self, what: str, ours: Contestant, peer: str, theirs: float, goal: Goal | None) -> Row:
        return Row(what=what, client=self.which, ours=self._added(ours), peer=peer, theirs=theirs, unit="µs", goal=goal)


def _ours(bench: Bench, family: Family, colour: Colour, policy: Policy) -> Contestant:
    """Our client, once it has shown that it retries and counts."""

    def make(bench: Bench, family: Family, colour: Colour, transport: Any) -> peers.Getter:
        client = family.ours(bench, colour, transport=transport, policies=policy)
        clients.append(client)
        return partial(client.get, URL)

    clients: list[Any] = []
    peers.retries(bench, family, colour, make)
    if policy is not ALONE:
        (learned,) = clients[-1].state().values()
        assert {"circuit", "budget"} <= learned.keys(), learned
    return bench.add(colour, make(bench, family, colour, family.origin()), is_sent)


def _others(bench: Bench, family: Family, colour: Colour, make: peers.Peer) -> Contestant:
    """A peer, once it has shown that it retries."""
    peers.retries(bench, family, colour, make)
    return bench.add(colour, make(bench, family, colour, family.origin()), is_answer)
