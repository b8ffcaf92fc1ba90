"""The public door as people write it, read by type checkers and never run.

A line that a checker must refuse is marked for both of them; a mark without an error is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import assert_type

import httpx
from tenacity import retry_if_exception_type, stop_after_delay, wait_fixed

import resilient
from resilient import (
    AsyncResilientClient,
    AsyncResilientTransport,
    AttemptTimeout,
    Budget,
    Cache,
    Call,
    CallError,
    CircuitBreaker,
    CircuitOpenError,
    Deadline,
    Fallback,
    Handler,
    Journey,
    Middleware,
    Policies,
    Policy,
    RateLimit,
    ResilientClient,
    ResilientTransport,
    ResponseCache,
    Retry,
    deadline_scope,
    options,
)
from resilient.engine import CircuitHandle, State
from resilient.events import AttemptEnded, CacheLookup, Event, Retried
from resilient.messages import Response
from resilient.options import Options
from resilient.testing import FakeClock, Origin, Reply, Simulation, faulty

# --- policies ----------------------------------------------------------------------------------------------------


def policies() -> Policies:
    retry = Retry(
        max_attempts=5, methods={"POST"}, statuses={503}, base="50ms", cap=timedelta(seconds=20), jitter="full"
    )
    vocabulary = Retry(stop=stop_after_delay(5), wait=wait_fixed(1), retry=retry_if_exception_type(httpx.ReadError))
    breaker = CircuitBreaker(
        failures=10,
        ratio=0.5,
        min_calls=20,
        window="10s",
        open_for=1,
        max_open="30s",
        probes=1,
        slow=None,
        observe_only=True,
    )
    assert_type(Policy.standard() | Policy(deadline=None), Policy)
    assert_type(Policy.passthrough().replace(deadline="2s"), Policy)
    return Policies(
        {
            "api.exchange.com": Policy(cache=ResponseCache.failover(ttl="6h"), deadline="2s"),
            "*.search.internal/v1/*": Policy(retry=retry, budget=Budget(tokens=100, retry_cost=10)),
            "GET reports.internal": Policy(cache=ResponseCache(ttl="1h", credential_headers=["x-tenant"])),
            "api.openai.com": Policy(retry=vocabulary, breaker=breaker, attempt_timeout=AttemptTimeout("10m")),
            "b.test": Policy(fallback=Fallback("https://spare.test/"), deadline=Deadline(5, header="x-left")),
            "c.test": Policy(fallback=httpx.Response(200), retry=None, budget=None, breaker=None, cache=None),
            "g.test": Policy(cache=ResponseCache(overrides={"store_no_store": True, "statuses": [302]})),
            "h.test": Policy(cache=ResponseCache(ttl=60, rules="ttl-only", max_stale="1h", max_body="1MiB")),
            "d.test": Policy(fallback=instead, pipeline=None),
            "e.test": Policy(pipeline=[tell, Stamp(), Retry()]),
            "f.test": Policy(rate_limit=RateLimit("60/1m", burst=5)) | Policy(rate_limit="5/s"),
            "*": Policy.background(),
        }
    )


def instead(request: object, failure: Exception | Response) -> httpx.Response:
    return httpx.Response(200, text=str(failure))


# --- clients -----------------------------------------------------------------------------------------------------


def blocking() -> None:
    client: httpx.Client = ResilientClient()
    client.close()
    ResilientClient(policies=policies(), store="disk:///var/cache/app", name="checkout", telemetry=[print])
    ResilientClient(
        policies={"*": Policy()},
        store=Cache("mem://", clock=FakeClock()),
        base_url="https://api.exchange.com",
        headers={"accept": "application/json"},
        params={"a": 1},
        cookies={"c": "d"},
        auth=("ann", "secret"),
        timeout=httpx.Timeout(5, connect=1),
        limits=httpx.Limits(max_connections=10),
        follow_redirects=True,
        event_hooks={"request": [print]},
        mounts={"all://": httpx.HTTPTransport()},
        proxy="http://proxy.test",
        verify=False,
        http2=True,
        trust_env=False,
        default_encoding="latin-1",
        max_redirects=5,
        transport=httpx.MockTransport(lambda request: httpx.Response(200)),
    )
    with ResilientClient(policies=Policy(deadline="2s")) as ours:
        assert_type(ours, ResilientClient)
        response = ours.get("/rates", extensions=options(deadline="500ms", idempotent=True, cache=False))
        assert_type(response, httpx.Response)
        assert_type(ours.send(ours.build_request("GET", "/"), stream=True), httpx.Response)
        assert_type(ours.describe("https://api.exchange.com/rates"), str)
        assert_type(ours.state(), dict[str, State])
        assert_type(ours.circuit("https://api.exchange.com"), CircuitHandle)
        assert_type(ours.circuit("/").isolate(), None)
        assert_type(ours.circuit("/").state, str)
        assert_type(ours.timeout, httpx.Timeout)
        with ours.stream("GET", "/") as streamed:
            assert_type(streamed, httpx.Response)
        try:
            ours.get("/")
        except CircuitOpenError as error:
            assert_type(error.retry_in, float)
            assert_type(error.circuit, str)
            assert_type(error.journey, Journey | None)
        except CallError as error:
            assert_type(error.journey, Journey | None)
        except httpx.HTTPError as error:
            assert_type(error.request, httpx.Request)


async def tasks() -> None:
    client: httpx.AsyncClient = AsyncResilientClient(policies=Policy(), store="mem://?size=100")
    await client.aclose()
    async with AsyncResilientClient(transport=httpx.AsyncHTTPTransport(retries=1), name="x") as ours:
        assert_type(ours, AsyncResilientClient)
        assert_type(await ours.get("/", extensions=options(partition="tenant", route="rates")), httpx.Response)
        assert_type(await ours.send(ours.build_request("GET", "/")), httpx.Response)
        with deadline_scope("800ms"):
            await ours.post(
                "/", json={}, extensions=options(idempotency_key=True, attempt_timeout=timedelta(seconds=1))
            )


def configured() -> None:
    assert_type(ResilientClient.from_config("resilient.toml", watch=True), ResilientClient)
    assert_type(AsyncResilientClient.from_config("resilient.toml", name="x", timeout=5), AsyncResilientClient)


def transports() -> None:
    httpx.Client(transport=ResilientTransport(httpx.HTTPTransport(), policies=Policy(), store="mem://"))
    httpx.AsyncClient(transport=AsyncResilientTransport(httpx.AsyncHTTPTransport(), policies={"*": Policy()}))


# --- what is read ------------------------------------------------------------------------------------------------


def journeys(response: httpx.Response) -> None:
    journey: Journey = response.extensions["resilient"]
    assert_type(journey.attempts, list[AttemptEnded])
    assert_type(journey.waits, list[Retried])
    assert_type(journey.cache, CacheLookup | None)
    assert_type(journey.seconds, float | None)
    assert_type(journey.timeline, list[tuple[float, Event]])
    assert_type(journey.events(AttemptEnded), list[AttemptEnded])
    assert_type(journey.circuit, str)
    assert_type(str(journey), str)
    assert_type(options(deadline=1), dict[str, Options])


# --- what is extended --------------------------------------------------------------------------------------------


async def tell(call: Call, proceed: Handler) -> Response:
    response = await proceed(call)
    assert_type(call.time_left, float)
    assert_type(response.status_code, int)
    return response


class Stamp:
    async def __call__(self, call: Call, proceed: Handler) -> Response:
        return await proceed(call.due(call.runtime.clock.now() + 1))


stages: list[Middleware] = [
    tell,
    Stamp(),
    Retry(),
    CircuitBreaker(),
    Deadline(5),
    AttemptTimeout(5),
    ResponseCache(ttl=5),
]
sinks: list[Callable[[Event], object]] = [print]


# --- the testing kit ---------------------------------------------------------------------------------------------


def kit() -> None:
    clock = FakeClock()
    origin = Origin(clock=clock)
    client = ResilientClient(transport=origin, clock=clock)
    AsyncResilientClient(transport=origin, clock=clock)
    origin.fails(times=10, error="connect")
    origin.answers(503, retry_after=2, latency="200ms")
    origin.replies(Reply(status=200, body=[b"a", b"b"]))
    clock.advance(1.0)
    assert_type(client.invalidate(url="https://api.test/"), int)
    client.close()
    ResilientClient(transport=faulty(httpx.HTTPTransport(), drop_body=0.1, latency="200ms"))
    AsyncResilientClient(transport=faulty(httpx.AsyncHTTPTransport(), connect_failure=0.1))
    assert_type(Simulation("async").now, float)


# --- what the checkers must find ---------------------------------------------------------------------------------


def mistakes(client: ResilientClient) -> None:
    ResilientClient(timeuot=5)  # type: ignore[call-arg]
    ResilientClient(timeout="fast")  # type: ignore[arg-type]
    ResilientClient(policies=5)  # type: ignore[arg-type]
    ResilientClient(Policy())  # type: ignore[call-arg]
    AsyncResilientClient(transport=httpx.HTTPTransport())  # type: ignore[arg-type]
    ResilientClient(transport=httpx.AsyncHTTPTransport())  # type: ignore[arg-type]
    ResilientTransport(httpx.AsyncHTTPTransport())  # type: ignore[arg-type]
    ResilientClient.from_config("x", policies=Policy())  # type: ignore[call-arg]
    Policy(dedline=5)  # type: ignore[call-arg]
    Policy(deadline=[])  # type: ignore[arg-type]
    Policy(retry=5)  # type: ignore[arg-type]
    Policy(cache=Retry())  # type: ignore[arg-type]
    Retry(5)  # type: ignore[call-arg]
    Retry(max_attempts="5")  # type: ignore[arg-type]
    Retry(jitter="none")  # type: ignore[arg-type]
    CircuitBreaker(failure=5)  # type: ignore[call-arg]
    options(dedline=5)  # type: ignore[call-arg]
    options(cache="no")  # type: ignore[arg-type]
    ResponseCache(tll=5)  # type: ignore[call-arg]
    ResponseCache.failover()  # type: ignore[call-arg]
    ResponseCache(overrides={"store_nostore": True})  # type: ignore[arg-type]
    ResponseCache(rules="rfc")  # type: ignore[arg-type]
    client.invalidate(tgs="a")  # type: ignore[call-arg]
    client.describe(5)  # type: ignore[arg-type]
    resilient.Hedgehog()  # type: ignore[attr-defined]
    Retry().max_attempts = 5  # type: ignore[misc]
