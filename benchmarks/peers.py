"""The same work done by others: three attempts, the same statuses and broken connections, waits from 50 ms to 20 s.

Each is written as its documentation shows it, and returns a function that gets ``URL`` once.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from benchmarks.measure import Bench, Colour
from benchmarks.origins import URL, Family

ATTEMPTS = 3
STATUSES = {408, 425, 429, 500, 502, 503, 504}
FIRST_WAIT, LONGEST_WAIT = 0.05, 20.0
Getter = Callable[[], Any]
Peer = Callable[[Bench, Family, Colour, Any], Getter]


def with_tenacity(bench: Bench, family: Family, colour: Colour, transport: Any) -> Getter:
    """A ``Retrying`` object around ``client.get``."""
    import tenacity

    client = family.bare(bench, colour, transport=transport)
    kind = tenacity.Retrying if colour == "blocking" else tenacity.AsyncRetrying
    broken = tenacity.retry_if_exception_type(family.http.TransportError)
    failed = tenacity.retry_if_result(lambda response: response.status_code in STATUSES)
    retrying = kind(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        retry=broken | failed,
    )
    return partial(retrying, client.get, URL)


def with_stamina(bench: Bench, family: Family, colour: Colour, transport: Any) -> Getter:
    """``retry_context`` around ``client.get``; it knows errors only, so a failed answer is raised as one."""
    import stamina

    http = family.http

    def may_help(error: Exception) -> bool:
        if isinstance(error, http.HTTPStatusError):
            return error.response.status_code in STATUSES
        return isinstance(error, http.TransportError)

    client = family.bare(bench, colour, transport=transport)
    contexts = partial(
        stamina.retry_context,
        on=may_help,
        attempts=ATTEMPTS,
        wait_initial=FIRST_WAIT,
        wait_max=LONGEST_WAIT,
        wait_jitter=FIRST_WAIT,
    )

    def get() -> Any:
        for attempt in contexts():
            with attempt:
                return client.get(URL).raise_for_status()

    async def async_get() -> Any:
        async for attempt in contexts():
            with attempt:
                return (await client.get(URL)).raise_for_status()

    return get if colour == "blocking" else async_get


def with_httpx_retries(bench: Bench, family: Family, colour: Colour, transport: Any) -> Getter:
    """``RetryTransport`` below the client."""
    from httpx_retries import Retry, RetryTransport

    rule = Retry(
        total=ATTEMPTS - 1,
        status_forcelist=STATUSES,
        retry_on_exceptions=(family.http.TransportError,),
        backoff_factor=FIRST_WAIT,
        max_backoff_wait=LONGEST_WAIT,
    )
    retrying = RetryTransport(transport=transport, retry=rule)
    return partial(family.bare(bench, colour, transport=retrying).get, URL)


PEERS: dict[str, Peer] = {
    "tenacity": with_tenacity,
    "stamina": with_stamina,
    "httpx_retries": with_httpx_retries,
}
NO_DOOR = {("httpx_retries", "httpx2")}
"""Which peers cannot work for which HTTP library."""


def retries(bench: Bench, family: Family, colour: Colour, make: Peer) -> None:
    """Make sure that what ``make`` gives does retry, and how often.

    Raises:
        AssertionError: it does not.
    """
    recovering = family.origin(503, 502, 200)
    response = bench.once(colour, make(bench, family, colour, recovering))
    assert (response.status_code, recovering.sent) == (200, ATTEMPTS), (response, recovering.sent)
    failing = family.origin(503)
    with suppress(Exception):  # some raise what the last attempt ended with, some return it
        bench.once(colour, make(bench, family, colour, failing))
    assert failing.sent == ATTEMPTS, failing.sent
