"""Traces and metrics: each call a span, each request on the wire one below it, and none of it can hurt a call."""

import asyncio
import gc
import logging

import httpx
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from resilient import (
    AsyncResilientClient,
    CircuitBreaker,
    ConfigurationError,
    Policy,
    ResilientClient,
    ResponseCache,
    Retry,
    options,
)
from resilient.testing import FakeClock, LocalServer, Origin
from resilient_adapters.opentelemetry import OpenTelemetry
from tests.tracing import Spans

# --- trees ---


def test_three_tries_are_one_call_and_three_requests(world, origin, spans):
    """The call is nobody's HTTP request; each try is one, and says how often it was sent before."""
    policy = Policy(retry=Retry(max_attempts=3), cache=None)
    caller = world.client(origin, policy, telemetry=[spans.sink()], name="shop")
    origin.answers(503, times=2)
    assert caller.get("/items/7?key=s3cret").status_code == 200
    assert spans.tree() == [["resilient GET", ["GET"], ["GET"], ["GET"]]]
    call = spans.named("resilient GET")[0]
    assert call.kind is SpanKind.INTERNAL
    assert call.status.status_code is StatusCode.UNSET
    waited = call.attributes["resilient.retry.delay"]
    assert waited > 0
    assert dict(call.attributes) == {
        "resilient.client.name": "shop",
        "resilient.route": "*",
        "server.address": "api.test",
        "server.port": 443,
        "resilient.outcome": "ok",
        "resilient.attempts": 3,
        "resilient.circuit.name": "https://api.test",
        "resilient.circuit.state": "closed",
        "resilient.cache.status": "off",
        "resilient.retry.delay": waited,
        "resilient.deadline.remaining": pytest.approx(30 - world.now),
    }
    requests = spans.named("GET")
    assert [dict(span.attributes) for span in requests] == [
        {
            "http.request.method": "GET",
            "server.address": "api.test",
            "server.port": 443,
            "url.full": "https://api.test/items/7?key=REDACTED",
            "http.response.status_code": status,
            "network.protocol.version": "1.1",
            **more,
        }
        for status, more in [
            (503, {"error.type": "503"}),
            (503, {"error.type": "503", "http.request.resend_count": 1, "resilient.attempt.kind": "retry"}),
            (200, {"http.request.resend_count": 2, "resilient.attempt.kind": "retry"}),
        ]
    ]
    assert [span.status.status_code for span in requests] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert {span.kind for span in requests} == {SpanKind.CLIENT}
    assert {span.status.description for span in requests} == {None}


def test_the_origin_goes_on_with_the_trace_of_the_request_that_it_got(spans):
    """A real server finds in each request the mark of that request's span, and of no other."""
    with LocalServer() as server:
        server.answers(503, times=2)
        with ResilientClient(policies=Policy(retry=Retry(base="1ms", cap="1ms")), telemetry=[spans.sink()]) as client:
            headers = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
            request = client.build_request("GET", server.url, headers=headers)
            assert client.send(request).status_code == 200
        assert request.headers["traceparent"] == headers["traceparent"]
        sent = [request.headers["traceparent"] for request in server.requests]
    wire = spans.named("GET")
    marks = [f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}" for span in wire]
    assert [mark.rpartition("-")[0] for mark in sent] == marks
    assert len(set(sent)) == 3
    assert {span.attributes["network.peer.address"] for span in wire} == {"127.0.0.1"}
    assert {span.attributes["network.peer.port"] for span in wire} == {server.port}
    call = spans.named("resilient GET")[0]
    assert {span.parent.span_id for span in wire} == {call.context.span_id}
    assert {span.context.trace_id for span in wire} == {call.context.trace_id}


def test_what_surrounds_the_call_is_above_it_and_is_current_again_afterwards(world, origin, spans):
    """Spans of the user's own code are not mixed up by ours."""
    caller = world.client(origin, telemetry=[spans.sink()])
    tracer = spans.provider.get_tracer("user")

    async def script():
        with tracer.start_as_current_span("checkout") as outer:
            await caller.ask()
            assert trace.get_current_span() is outer

    world.do(script)
    assert spans.tree() == [["checkout", ["resilient GET", ["GET"]]]]


def test_a_hit_has_no_request_below_it(world, origin, spans):
    """And says how old the answer is."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl=60)), telemetry=[spans.sink()])
    caller.get()
    world.run([lambda: world.sleep(5)])
    caller.get()
    assert spans.tree() == [["resilient GET", ["GET"]], ["resilient GET"]]
    miss, hit = spans.named("resilient GET")
    assert miss.attributes["resilient.cache.status"] == "miss"
    assert hit.attributes["resilient.cache.status"] == "hit"
    assert hit.attributes["resilient.cache.age"] == pytest.approx(5)
    assert hit.attributes["resilient.cache.ttl"] == pytest.approx(55)
    assert hit.attributes["resilient.attempts"] == 0


def test_a_stale_answer_is_no_error_of_the_call(world, origin, spans):
    """It is one of the request that failed."""
    policy = Policy(cache=ResponseCache.failover(ttl=60), retry=None)
    caller = world.client(origin, policy, telemetry=[spans.sink()])
    caller.get()
    origin.answers(500)
    caller.get()
    assert spans.tree() == [["resilient GET", ["GET"]]] * 2
    stale = spans.named("resilient GET")[1]
    assert (stale.status.status_code, stale.attributes["resilient.outcome"]) == (StatusCode.UNSET, "stale")
    assert stale.attributes["resilient.cache.status"] == "stale"
    assert spans.named("GET")[1].attributes["error.type"] == "500"


def test_a_redirect_is_one_call(world, spans):
    """Its second request says why there is one."""
    origin = world.origin()
    caller = world.client(origin, telemetry=[spans.sink()])
    origin.answers(302, headers={"location": "/there"}, times=1)

    async def script():
        return await caller.ask(follow_redirects=True)

    assert world.do(script).status_code == 200
    assert spans.tree() == [["resilient GET", ["GET"], ["GET"]]]
    second = spans.named("GET")[1].attributes
    assert (second["http.request.resend_count"], second["resilient.attempt.kind"]) == (1, "redirect")
    assert second["url.full"] == "https://api.test/there"


def test_a_round_of_authentication_is_one_call(world, spans):
    """A 401 that is answered by credentials."""
    origin = world.origin()
    origin.answers(401, headers={"www-authenticate": 'Digest realm="a", nonce="b", qop="auth"'}, times=1)
    caller = world.client(origin, telemetry=[spans.sink()], auth=world.http.DigestAuth("ann", "s3cret"))
    assert caller.get().status_code == 200
    assert spans.tree() == [["resilient GET", ["GET"], ["GET"]]]
    assert spans.named("GET")[1].attributes["resilient.attempt.kind"] == "auth"
    assert "s3cret" not in everything_in(spans)


def test_a_circuit_that_is_open_sends_nothing(world, origin, spans):
    """The call's error has a word of ours."""
    caller = world.client(origin, Policy(retry=None, breaker=CircuitBreaker(failures=1)), telemetry=[spans.sink()])
    origin.answers(500)
    caller.get()
    caller.outcome()
    assert spans.tree() == [["resilient GET", ["GET"]], ["resilient GET"]]
    refused = spans.named("resilient GET")[1]
    assert refused.attributes["error.type"] == "circuit_open"
    assert refused.attributes["resilient.outcome"] == "rejected"
    assert refused.attributes["resilient.circuit.state"] == "open"
    assert refused.status.status_code is StatusCode.ERROR


ENDS = {
    "attempt_timeout": (Policy(retry=None, attempt_timeout=1, deadline=10), "attempt_timeout", "attempt_timeout"),
    "deadline": (Policy(retry=None, attempt_timeout=None, deadline=2), "deadline_exceeded", "deadline_exceeded"),
}


@pytest.mark.parametrize("name", ENDS)
def test_time_that_ran_out_has_a_word(world, origin, spans, name):
    """Which time it was, for the call and for the request."""
    policy, of_call, of_request = ENDS[name]
    origin.hangs()
    caller = world.client(origin, policy, telemetry=[spans.sink()])
    caller.outcome()
    assert spans.tree() == [["resilient GET", ["GET"]]]
    assert spans.named("resilient GET")[0].attributes["error.type"] == of_call
    assert spans.named("resilient GET")[0].attributes["resilient.outcome"] == "timeout"
    assert spans.named("GET")[0].attributes["error.type"] == of_request


def test_an_error_of_the_http_library_is_named_by_its_class(world, origin, spans):
    """Not by its text, which may hold anything."""
    origin.fails(error="connect")
    caller = world.client(origin, Policy(retry=None), telemetry=[spans.sink()])
    caller.outcome()
    expected = f"{world.http.__name__}.ConnectError"
    assert [span.attributes["error.type"] for span in spans.spans] == [expected, expected]


def test_why_nothing_was_sent_again_is_said(world, origin, spans):
    """In the words of the event."""
    origin.answers(503)
    caller = world.client(origin, Policy(retry=Retry(max_attempts=2)), telemetry=[spans.sink()])
    caller.post()
    call = spans.named("resilient POST")[0]
    assert call.attributes["resilient.retry.stop"] == "not_idempotent"
    assert (call.attributes["error.type"], call.attributes["resilient.outcome"]) == ("503", "error")


@pytest.mark.parametrize("colour", ["async"])
def test_a_cancelled_call_is_no_error(world, origin, spans):
    """Whoever cancels wants it so."""
    origin.hangs()
    caller = world.client(origin, telemetry=[spans.sink()])

    async def main():
        task = asyncio.ensure_future(caller.ask())
        await world.sleep(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    world.do(main)
    assert spans.tree() == [["resilient GET", ["GET"]]]
    assert {span.status.status_code for span in spans.spans} == {StatusCode.UNSET}
    assert not any("error.type" in span.attributes for span in spans.spans)
    assert spans.named("resilient GET")[0].attributes["resilient.outcome"] == "cancelled"


def test_a_streamed_answer_ends_its_request_at_the_headers(world, origin, spans):
    """A body that breaks later is no error of the request's span, which is over."""
    origin.answers(200, body=[b"a", b"b"], drop_after=1)
    caller = world.client(origin, Policy(retry=None), telemetry=[spans.sink()])

    async def script():
        response = await caller.ask(stream=True)
        with pytest.raises(world.http.TransportError):
            await caller.read(response)

    world.do(script)
    assert spans.tree() == [["resilient GET", ["GET"]]]
    assert spans.named("GET")[0].status.status_code is StatusCode.UNSET


def test_a_refresh_in_the_background_is_a_trace_of_its_own(world, origin, spans):
    """It points at the call that found the answer old."""
    policy = Policy(cache=ResponseCache.soft(ttl=60, soft_ttl=10))
    caller = world.client(origin, policy, telemetry=[spans.sink()])

    async def script():
        await caller.ask()
        await world.sleep(20)
        await caller.ask()
        await world.sleep(1)

    world.do(script)
    assert spans.tree() == [["resilient GET", ["GET"]], ["resilient GET"], ["resilient refresh GET", ["GET"]]]
    stale, refresh = spans.named("resilient GET")[1], spans.named("resilient refresh GET")[0]
    assert stale.attributes["resilient.cache.status"] == "stale"
    assert refresh.parent is None
    assert refresh.context.trace_id != stale.context.trace_id
    (link,) = refresh.links
    assert (link.context.span_id, dict(link.attributes)) == (
        stale.context.span_id, {"resilient.link": "triggered_by"}
    )  # fmt: skip


# --- names ---


def test_a_route_that_is_named_is_the_spans_template(world, origin, spans):
    """And never is the path."""
    caller = world.client(origin, telemetry=[spans.sink()])
    caller.get("/users/7", extensions=options(route="/users/{id}"))
    assert spans.tree() == [["resilient GET /users/{id}", ["GET /users/{id}"]]]
    assert {span.attributes["url.template"] for span in spans.spans} == {"/users/{id}"}


def test_a_method_that_nobody_knows_has_no_name(world, origin, spans):
    """It could be anything; the original is an attribute."""
    caller = world.client(origin, telemetry=[spans.sink()])
    caller("BREW")
    assert spans.tree() == [["resilient HTTP", ["HTTP"]]]
    request = spans.named("HTTP")[0].attributes
    assert (request["http.request.method"], request["http.request.method_original"]) == ("_OTHER", "BREW")


def test_an_answer_that_was_hoped_for_is_no_error(world, origin, spans):
    """A 404 may be what the question was about; of another route it is one."""
    sink = spans.sink(ok_statuses={"exists": {404}})
    caller = world.client(origin, telemetry=[sink])
    origin.answers(404)
    caller.get(extensions=options(route="exists"))
    caller.get(extensions=options(route="item"))
    hoped, other = spans.named("GET exists") + spans.named("GET item")
    assert (hoped.status.status_code, other.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert "error.type" not in hoped.attributes
    assert other.attributes["error.type"] == "404"


# --- what goes with requests ---


def sent_with(world, sink, url="https://api.test/", **given):
    """The header fields of one request that was sent while a baggage was there."""
    origin = world.origin()
    caller = world.client(origin, telemetry=[sink])

    async def script():
        token = context.attach(baggage.set_baggage("tenant", "s3cret"))
        try:
            await caller.ask("GET", url, **given)
        finally:
            context.detach(token)

    world.do(script)
    return origin.requests[0].headers


def test_baggage_stays_at_home_unless_it_is_allowed(world, spans):
    """It may name users and tenants, which are no origin's affair."""
    fields = sent_with(world, spans.sink())
    assert "traceparent" in fields
    assert "baggage" not in fields
    fields = sent_with(world, spans.sink(baggage_to=["*.internal"]))
    assert "baggage" not in fields
    fields = sent_with(world, spans.sink(baggage_to=["*.internal"]), "https://a.internal/")
    assert fields["baggage"] == "tenant=s3cret"


def test_a_trace_goes_to_whom_it_may(world, spans):
    """All origins, or those that are named."""
    assert "traceparent" in sent_with(world, spans.sink(propagate_to=["api.test"]))
    assert "traceparent" not in sent_with(world, spans.sink(propagate_to=["*.internal"]))


def test_neither_the_callers_request_nor_a_kept_answer_knows_of_the_trace(world, origin, spans):
    """The second call, in another trace, is answered from the cache."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl=60)), telemetry=[spans.sink()])
    first = caller.get()
    second = caller.get()
    assert "traceparent" not in first.request.headers
    assert second.extensions["resilient"].cache.result == "hit"


# --- metrics ---


def test_events_are_counted_by_the_meter(world, origin, spans):
    """Under the names of the metrics, with dots."""
    caller = world.client(origin, Policy(retry=Retry(max_attempts=2)), telemetry=[spans.sink()], name="shop")
    origin.answers(503, times=1)
    caller.get()
    found = spans.metrics()
    (calls,) = found["resilient.calls"]
    assert (calls.value, dict(calls.attributes)) == (
        1,
        {
            "resilient.client": "shop", "resilient.route": "*", "resilient.method": "GET", "resilient.outcome": "ok",
        },
    )  # fmt: skip
    (duration,) = found["resilient.call.duration"]
    assert duration.sum == pytest.approx(world.now)
    requests = {point.attributes["http.response.status_code"]: point for point in found["http.client.request.duration"]}
    assert {status: point.count for status, point in requests.items()} == {503: 1, 200: 1}
    assert requests[503].attributes["error.type"] == "503"
    assert set(requests[200].attributes) == {
        "http.request.method", "server.address", "server.port", "http.response.status_code", "network.protocol.version"
    }  # fmt: skip
    assert list(requests[200].explicit_bounds) == [
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
    ]  # fmt: skip


def test_requests_are_not_counted_twice_where_another_library_does(world, origin, spans):
    """By a switch."""
    world.client(origin, telemetry=[spans.sink(http_metrics=False)]).get()
    assert "http.client.request.duration" not in spans.metrics()


# --- cost and harm ---


def test_without_an_sdk_nothing_is_sent_and_nothing_is_current(world, origin):
    """The interface alone makes no trace that others could go on with."""
    caller = world.client(origin, telemetry=[OpenTelemetry()])
    assert caller.get().status_code == 200
    assert "traceparent" not in origin.requests[0].headers


def test_a_trace_that_is_not_sampled_goes_on(world, origin):
    """The origin hears that nobody records it, and records nothing either."""
    spans = Spans(sampler=ALWAYS_OFF)
    caller = world.client(origin, telemetry=[spans.sink()])
    caller.get()
    assert spans.spans == []
    flags = int(origin.requests[0].headers["traceparent"].rpartition("-")[2], 16)
    assert not flags & 1


class Broken(SimpleSpanProcessor):
    """A processor with a bug."""

    def __init__(self, when):
        super().__init__(InMemorySpanExporter())
        self.when = when

    def on_start(self, span, parent_context=None):
        if self.when == "start":
            raise RuntimeError("cannot start")

    def on_end(self, span):
        if self.when == "end":
            raise RuntimeError("cannot end")


@pytest.mark.parametrize("when", ["start", "end"])
def test_a_processor_that_fails_fails_no_call(world, origin, when, caplog, monkeypatch):
    """It is logged once."""
    monkeypatch.setattr("resilient_adapters.opentelemetry.harmless._told", set())
    provider = TracerProvider()
    provider.add_span_processor(Broken(when))
    caller = world.client(origin, telemetry=[OpenTelemetry(tracer_provider=provider)])
    with caplog.at_level(logging.ERROR, logger="resilient.telemetry"):
        assert [caller.get().status_code for _ in range(3)] == [200] * 3
    assert len(caplog.records) == 1


@pytest.fixture
def instrumented(spans):
    """OpenTelemetry's own instrumentation of httpx, switched on for all clients."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=spans.provider)
    yield
    instrumentor.uninstrument()


def test_opentelemetrys_own_instrumentation_makes_no_second_span(instrumented, spans):
    """Of our clients; others are followed by it as before."""
    with LocalServer() as server:
        with ResilientClient(telemetry=[spans.sink()]) as client:
            client.get(server.url)
        assert spans.tree() == [["resilient GET", ["GET"]]]
        with httpx.Client() as client:
            client.get(server.url)
        assert len(spans.spans) == 3


def test_nor_does_it_in_async_clients(instrumented, spans):
    """The same for tasks."""

    async def main(url):
        async with AsyncResilientClient(telemetry=[spans.sink()]) as client:
            await client.get(url)

    with LocalServer() as server:
        asyncio.run(main(server.url))
    assert spans.tree() == [["resilient GET", ["GET"]]]


def test_two_that_follow_calls_are_one_too_many(world, origin, spans):
    """Each request can carry one trace only; the same object twice counts once."""
    with pytest.raises(ConfigurationError, match="one at most follows calls"):
        world.client(origin, telemetry=[spans.sink(), spans.sink()])
    sink = spans.sink()
    world.client(origin, telemetry=[sink, sink]).get()
    assert spans.tree() == [["resilient GET", ["GET"]]]


WRONG = [
    {"propagate_to": "api.test"},
    {"baggage_to": [5]},
    {"baggage_to": ["https://api.test"]},
    {"safe_params": "key"},
    {"http_metrics": 1},
    {"ok_statuses": [404]},
    {"ok_statuses": {"items": 404}},
]


@pytest.mark.parametrize("given", WRONG, ids=str)
def test_a_wrong_option_is_named(given):
    """At construction."""
    with pytest.raises(ConfigurationError, match=next(iter(given)) if "https" not in str(given) else "api.test"):
        OpenTelemetry(**given)


# --- secrets ---


def everything_in(spans):
    """All that was exported, as text."""
    return "\n".join(span.to_json() for span in spans.spans) + repr(spans.metrics())


def test_no_secret_is_exported(world, origin, spans):
    """Neither users, nor query values, nor fields, nor bodies, nor the texts of errors."""
    policy = Policy(retry=Retry(max_attempts=2), cache=ResponseCache.failover(ttl=60))
    caller = world.client(origin, policy, telemetry=[spans.sink()])
    secret = {"authorization": "Bearer s3cret", "cookie": "s3cret", "x-api-key": "s3cret"}
    url = "https://ann:s3cret@api.test/items?token=s3cret&s3cret#s3cret"
    asked = options(partition="s3cret", idempotency_key="s3cret")
    caller.get(url, headers=secret, extensions=asked)
    origin.answers(503, body=b"s3cret", headers={"set-cookie": "s3cret"})
    caller.get(url, headers=secret, extensions=asked)
    origin.fails(error="read")
    caller.outcome("POST", url, headers=secret, content=b"s3cret")
    assert len(spans.spans) > 4
    assert "s3cret" not in everything_in(spans)


def test_a_name_of_a_query_value_may_be_declared_safe(world, origin, spans):
    """Then its value is seen, and no other's."""
    caller = world.client(origin, telemetry=[spans.sink(safe_params=["page"])])
    caller.get("/items?page=3&key=s3cret")
    assert spans.named("GET")[0].attributes["url.full"] == "https://api.test/items?page=3&key=REDACTED"


def test_nothing_is_left_behind():
    """A client that is gone takes its spans' objects with it."""
    spans = Spans()
    clock = FakeClock()
    with ResilientClient(transport=Origin(clock=clock), clock=clock, telemetry=[spans.sink()]) as client:
        client.get("https://api.test/")
    del client
    gc.collect()
    left = [one for one in gc.get_objects() if type(one).__name__ in ("CallSpan", "AttemptSpan")]
    assert left == []
