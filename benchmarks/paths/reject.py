"""What a call costs that an open circuit refuses."""

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measure import COLOURS, Bench, Colour, Contestant
from benchmarks.origins import URL, Family, families, plain_get
from benchmarks.rows import Row, at_most
from resilient import Call, CircuitBreaker, CircuitOpenError, Handler, Policy

OPEN_FOR_LONG = CircuitBreaker(failures=1, open_for="1h", max_open="1h")


def measure(bench: Bench) -> list[Row]:
    """An open breaker alone, and the whole client around it, beside a plain ``get``.

    The breaker has been opened by a failure. Alone it is the stage as the rest of a pipeline calls it, without the
    client around it, from the call until its error is caught.
    """
    found = []
    for family in families():
        for colour in COLOURS:
            plain = plain_get(bench, family, colour)
            alone, whole = _alone(bench, family, colour), _whole(bench, family, colour)
            found.append((f"{colour} {family.name}", plain, alone, whole))
    bench.run()
    rows = []
    for which, plain, alone, whole in found:
        row = partial(Row, client=which, peer="plain get", theirs=plain.micros, unit="µs")
        rows.append(row(what="an open breaker alone refuses", ours=alone.micros, goal=at_most(5)))
        rows.append(row(what="a client whose breaker is open refuses", ours=whole.micros))
    return rows


def _whole(bench: Bench, family: Family, colour: Colour) -> Contestant:
    """A client of the standard policy."""
    origin = family.origin(503)
    client = family.ours(bench, colour, transport=origin, policies=Policy(breaker=OPEN_FOR_LONG))
    refused = _catching(colour, partial(client.get, URL))
    bench.once(colour, refused)
    return bench.add(colour, refused, partial(_is_refused, client, origin))


def _alone(bench: Bench, family: Family, colour: Colour) -> Contestant:
    """What stands below a stage of our own, which keeps the call that comes by."""
    passed: list[tuple[Call, Handler]] = []

    async def keep(call: Call, proceed: Handler) -> Any:
        passed.append((call, proceed))
        return await proceed(call)

    origin = family.origin(503)
    policy = Policy(pipeline=[keep, OPEN_FOR_LONG])
    client = family.ours(bench, colour, transport=origin, policies=policy)
    bench.once(colour, partial(client.get, URL))
    ((call, breaker),) = passed

    def refuse() -> Any:
        call.journey.timeline.clear()  # else every refusal makes it longer
        return breaker(call)

    driven = refuse if colour == "async" else lambda: refuse().send(None)
    return bench.add(colour, _catching(colour, driven), partial(_is_refused, client, origin))


def _catching(colour: Colour, call: Callable[[], Any]) -> Callable[[], Any]:
    """``call``, which gives back the refusal that it ends with."""

    def refused() -> CircuitOpenError | None:
        try:
            call()
        except CircuitOpenError as error:
            return error
        return None

    async def async_refused() -> CircuitOpenError | None:
        try:
            await call()
        except CircuitOpenError as error:
            return error
        return None

    return refused if colour == "blocking" else async_refused


def _is_refused(client: Any, origin: Any, error: object) -> None:
    assert isinstance(error, CircuitOpenError), error
    assert (client.circuit(URL).state, origin.sent) == ("open", 1)
