"""Another attempt: where it can help, where it does no harm, and when."""

import io
import ssl
import subprocess
import sys
from email.utils import formatdate
from functools import partial

import pytest
import tenacity as t

import resilient
from resilient import Budget, CircuitBreaker, Policy, Retry, options
from resilient.events import Paused, Rejected, RetryExhausted

SAFE = ["GET", "HEAD", "OPTIONS"]
IDEMPOTENT = [*SAFE, "PUT", "DELETE"]
UNSENT = ["connect", "connect_timeout", "pool", "refused_stream"]
KEYED = options(idempotency_key="order-7")


def plain(**retry):
    """A policy that does nothing but retry."""
    return Policy.passthrough().replace(retry=Retry(**retry))


def journey_of(outcome):
    return outcome.journey if isinstance(outcome, Exception) else outcome.extensions["resilient"]


def stop_of(outcome):
    """What forbade another attempt, None if another one was never wanted."""
    exhausted = journey_of(outcome).events(RetryExhausted)
    return exhausted[-1].stop if exhausted else None


# --- what is tried again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "methods", "attempts"),
    [
        ([408, 425, 429, 502, 503, 504], IDEMPOTENT, 3),
        ([500], SAFE, 3),
        ([500], ["PUT", "DELETE", "POST", "PATCH"], 1),
        ([400, 401, 404, 409, 501, 505], ["GET"], 1),
        ([408, 429, 502, 503, 504], ["POST", "PATCH"], 1),
        ([425], ["POST", "PATCH"], 3),
    ],
)
def test_which_answers_are_tried_again(world, statuses, methods, attempts):
    """Those that may be better next time, for methods that may be repeated; the last answer comes back as it is."""
    for status in statuses:
        for method in methods:
            origin = world.origin().answers(status)
            answer = world.client(origin)(method)
            assert (answer.status_code, origin.sent) == (status, attempts), (method, status)


@pytest.mark.parametrize("error", ["read", "read_timeout", "write", "protocol", *UNSENT])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_which_failures_of_the_connection_are_tried_again(world, origin, method, error):
    """All of them for methods that may be repeated, and what provably was not sent for every method."""
    origin.fails(error=error)
    outcome = world.client(origin).outcome(method, content=b"x" if method != "GET" else None)
    again = method != "POST" or error in UNSENT
    assert isinstance(outcome, world.http.TransportError)
    assert origin.sent == (3 if again else 1)
    assert stop_of(outcome) == ("limit" if again else "not_idempotent")


def test_a_connection_that_cannot_be_had_in_time_is_one_that_was_not_made(world, origin):
    """A hung connect ends before its attempt does, so that it shows that nothing was sent; a POST goes again."""
    origin.hangs(phase="connect", times=1)
    assert world.client(origin, Policy(attempt_timeout="2s")).post(content=b"x").status_code == 200
    assert origin.count(error="connect_timeout") == 1
    assert 1.9 < world.now < 2.1


@pytest.mark.parametrize(
    "refusal",
    ["UnsupportedProtocol", "TooManyRedirects", "InvalidURL", "LocalProtocolError", "certificate", "bug"],
)
def test_what_no_repetition_can_mend_is_not_tried_again(world, origin, refusal):
    """A bad address, a certificate that is refused, a bug in somebody's transport."""
    if refusal == "bug":
        error = ZeroDivisionError("a bug")
    elif refusal == "certificate":
        error = world.http.ConnectError("certificate verify failed")
        error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    else:
        error = getattr(world.http, refusal)("wrong")
    origin.behaves(lambda *_: error)
    assert world.client(origin).outcome() is error
    assert origin.sent == 1


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"headers": {"Idempotency-Key": "k"}}, 3),
        ({"extensions": KEYED}, 3),
        ({"extensions": options(idempotency_key=True)}, 3),
        ({"extensions": options(idempotent=True)}, 3),
        ({}, 1),
    ],
)
def test_a_key_or_the_callers_word_lets_any_method_be_repeated(world, origin, asked, sent):
    """The origin tells repetitions by the key, or the caller knows that they do no harm."""
    origin.answers(503)
    world.client(origin).post(content=b"x", **asked)
    assert origin.sent == sent


def test_the_key_is_the_same_on_every_attempt_of_a_call_and_another_on_the_next(world, origin):
    """Else it would tell the origin nothing."""
    origin.answers(503)
    client = world.client(origin)
    for asked in (KEYED, options(idempotency_key=True), options(idempotency_key=True)):
        client.post(content=b"x", extensions=asked)
    keys = [received.headers["idempotency-key"] for received in origin.requests]
    given, first, second = keys[0], keys[3], keys[6]
    assert keys == [given] * 3 + [first] * 3 + [second] * 3
    assert given == "order-7"
    assert len({given, first, second}) == 3


def test_who_says_that_it_must_not_be_repeated_is_believed(world, origin):
    """Even for a GET; but what was provably not sent is not repeated when it is sent at last."""
    client = world.client(origin)
    never = options(idempotent=False)
    origin.answers(503, times=1)
    assert client.get(extensions=never).status_code == 503
    origin.fails(error="connect", times=1)
    assert client.get(extensions=never).status_code == 200
    assert origin.sent == 3


def test_a_policy_says_which_methods_and_statuses(world, origin):
    """In place of the defaults, not beside them."""
    origin.at("/a").answers(418)
    origin.at("/b").answers(503)
    client = world.client(origin, Policy(retry=Retry(methods={"post"}, statuses={418})))
    assert [client(method, "/a").status_code for method in ("POST", "GET")] == [418, 418]
    assert client.post("/b").status_code == 503
    assert [received.method for received in origin.requests] == ["POST", "POST", "POST", "GET", "POST"]


@pytest.mark.slow
def test_a_post_is_never_sent_again_after_bytes_were_written(world):
    """Two thousand orders through faults of every kind: each reaches the origin once at the most."""
    kinds = [*UNSENT, "read", "read_timeout", "write", "protocol", 500, 503, 429, 425, 200, 200]

    def behaviour(request, number, now):
        kind = kinds[world.random.randrange(len(kinds))]
        return kind if isinstance(kind, int) else resilient.testing.Reply(error=kind)

    origin = world.origin().behaves(behaviour)
    client = world.client(origin, plain(max_attempts=5))

    async def order(number):
        try:
            return (await client.ask("POST", content=b"%d" % number)).status_code
        except world.http.TransportError as error:
            return type(error).__name__

    world.run([partial(order, number) for number in range(2_000)])
    # An answer of 425 says that the order was not processed (RFC 8470), so it may come again.
    taken = [received.body for received in origin.requests if received.body is not None and received.status != 425]
    assert len(taken) == len(set(taken))
    assert len(taken) > 1_500
    assert origin.sent > 2_800


# --- bodies ------------------------------------------------------------------------------------------------------

BODIES = {
    "bytes": lambda: {"content": b"\x00raw"},
    "text": lambda: {"content": "text"},
    "form": lambda: {"data": {"a": "1", "b": ["2", "3"]}},
    "json": lambda: {"json": {"a": [1, 2]}},
    "multipart": lambda: {"data": {"a": "1"}, "files": {"f": ("f.txt", b"file")}},
    "multipart file": lambda: {"files": {"f": ("f.txt", io.BytesIO(b"file"))}},
    "none": dict,
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_in_memory_is_sent_again_byte_by_byte(world, origin, kind):
    """The same bytes under the same content type, the boundary of a multipart included."""
    origin.answers(503, times=2)
    assert world.client(origin)("PUT", **BODIES[kind]()).status_code == 200
    sent = {(received.body, received.headers.get("content-type")) for received in origin.requests}
    assert (origin.sent, len(sent)) == (3, 1)
    assert sent.pop()[0] or kind == "none"


def test_a_file_is_rewound(world, origin, tmp_path):
    """As long as it can be; the async client takes files in a multipart only."""
    (tmp_path / "body").write_bytes(b"from a file")
    origin.answers(503, times=2)
    with (tmp_path / "body").open("rb") as file:
        body = world.choose({"content": file}, {"files": {"f": file}})
        assert world.client(origin)("PUT", **body).status_code == 200
    assert [b"from a file" in received.body for received in origin.requests] == [True] * 3


def one_shot(world, *parts):
    """A stream that can be read once, in the colour of the world."""

    def blocking():
        yield from parts

    async def tasks():
        for part in parts:
            yield part

    return world.choose(blocking, tasks)()


@pytest.mark.parametrize("failure", [{"status": 503}, {"error": "read"}, {"error": "connect"}])
def test_a_one_shot_body_is_sent_once(world, origin, failure):
    """The failure comes back as it is: no second send, and no StreamConsumed."""
    origin.fails(**failure)
    outcome = world.client(origin).outcome("PUT", content=one_shot(world, b"one", b"shot"))
    assert origin.sent == 1
    assert stop_of(outcome) == "body_not_replayable"
    assert getattr(outcome, "status_code", 503) == 503


def test_a_one_shot_body_on_a_hung_origin_ends_at_the_deadline(world, origin):
    """One send, and no attempt to read the body again."""
    origin.hangs()
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(origin, Policy(deadline="2s"))("PUT", content=one_shot(world, b"x"))
    assert (origin.sent, world.now) == (1, 2.0)


@pytest.mark.parametrize("field", ["content", "files"])
def test_a_file_that_cannot_be_rewound_is_sent_once(blocking_world, field):
    """A pipe, for one; the async client takes no such thing."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    world = blocking_world
    origin = world.origin().answers(503)
    pipe = Pipe(b"x")
    assert world.client(origin)("PUT", **{field: pipe if field == "content" else {"f": pipe}}).status_code == 503
    assert origin.sent == 1


# --- back-off ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "base"), [(503, 0.05), (429, 1.0)])
def test_waits_are_jittered_over_a_doubling_span(world, status, base):
    """Between nothing and 50 ms, then 100 ms; from one second on after an answer that asks for fewer requests."""
    origin = world.origin().answers(status)
    client = world.client(origin, plain())
    waits = [journey_of(client.get()).waits for _ in range(300)]
    for number, longest in ((0, base), (1, 2 * base)):
        delays = sorted(wait[number].delay / longest for wait in waits)
        assert delays[0] >= 0
        assert delays[-1] < 1
        # Kolmogorov-Smirnov against the uniform distribution, at 1 %.
        distance = max(abs((rank + 1) / 300 - delay) for rank, delay in enumerate(delays))
        assert distance < 1.63 / 300**0.5
    assert world.now == pytest.approx(sum(wait.delay for pair in waits for wait in pair), abs=1e-3)


def test_a_decorrelated_wait_depends_on_the_one_before(world, origin):
    """From the base to three times the last one, up to the cap."""
    origin.answers(503)
    answer = world.client(origin, plain(max_attempts=30, jitter="decorrelated", base=0.1, cap=2)).get()
    delays = [wait.delay for wait in journey_of(answer).waits]
    assert len(delays) == 29
    assert all(0.1 <= delay <= min(2, max(0.1, 3 * last)) for last, delay in zip([0.0, *delays], delays, strict=False))
    assert max(delays) > 1


def test_no_number_of_attempts_makes_the_wait_overflow(world, origin):
    """Two to the power of 1,100 is no float; the wait stays below its cap."""
    origin.answers(503)
    answer = world.client(origin, plain(max_attempts=1_100)).get()
    assert origin.sent == 1_100
    assert 15 < max(wait.delay for wait in journey_of(answer).waits) < 20


# --- Retry-After -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": formatdate(1_735_689_600.0 + 3, usegmt=True)}, 3.0),
        ({"retry-after": "Wed, 01 Jan 2025 00:00:03"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(1_735_689_600.0 - 9, usegmt=True)}, 0.0),
    ],
)
def test_an_origin_that_asks_for_time_is_given_it(world, origin, status, fields, asked):
    """Never less than it asked for, and at most a tenth more."""
    origin.answers(status, headers=fields, times=1)
    answer = world.client(origin).get()
    assert answer.status_code == 200
    assert asked <= origin.requests[1].at <= asked * 1.1
    assert journey_of(answer).waits[0].asked == asked


@pytest.mark.parametrize("value", ["-5", "soon", "", "0x10", "1e3"])
def test_nonsense_is_no_wish(world, origin, value):
    """The usual back-off applies."""
    origin.answers(503, headers={"retry-after": value}, times=1)
    answer = world.client(origin).get()
    assert origin.requests[1].at <= 0.05
    assert journey_of(answer).waits[0].asked is None


def test_it_counts_on_two_statuses_only(world, origin):
    """On others, redirects for one, the field means something else or nothing (RFC 9110 section 10.2.3)."""
    origin.answers(502, retry_after=9, times=1)
    world.client(origin).get()
    assert origin.requests[1].at <= 0.05


@pytest.mark.parametrize(
    ("asked", "policy"),
    [
        ("21", Policy(deadline="5m")),
        ("10", Policy(deadline="5s")),
        ("4.96", Policy(deadline="5s")),
        ("1" + "0" * 400, Policy(deadline="5m")),
        ("2", Policy(retry=Retry(cap=1))),
    ],
)
def test_who_asks_for_too_much_is_not_asked_again(world, origin, asked, policy):
    """Past the cap or the time left nobody waits: the answer comes back at once, the wish is in the journey."""
    origin.answers(503, headers={"retry-after": asked})
    answer = world.client(origin, policy).get()
    assert (answer.status_code, origin.sent, world.now) == (503, 1, 0.0)
    (exhausted,) = journey_of(answer).events(RetryExhausted)
    assert (exhausted.stop, exhausted.retry_after) == ("retry_after", float(asked))


def test_what_just_fits_is_waited_for(world, origin):
    """With 50 ms left for the attempt; the tenth on top is dropped where it would not fit."""
    origin.answers(503, retry_after=4.9, times=1)
    assert world.client(origin, Policy(deadline="5s")).get().status_code == 200
    assert origin.requests[1].at == 4.9


# --- quotas ------------------------------------------------------------------------------------------------------


def test_a_spent_quota_pauses_the_host(world):
    """Also after a good answer, and only that host: the next call waits until the quota is filled again."""
    origin, other = world.origin(), world.origin()
    origin.answers(200, headers={"ratelimit": '"default";r=0;t=5'}, times=1)
    client = world.client(None, mounts={"https://api.test": origin, "https://other.test": other})
    client.get()
    client.get("https://other.test/")
    assert world.now == 0.0
    answer = client.get()
    assert [received.at for received in origin.requests] == [0.0, 5.0]
    assert journey_of(answer).events(Paused) == [Paused(seconds=5.0)]


def test_a_call_that_cannot_wait_so_long_is_refused_at_once(world, origin):
    """By an error that says how long; nothing is sent, and the circuit is not blamed."""
    origin.answers(200, headers={"ratelimit": '"default";r=0;t=5'}, times=1)
    client = world.client(origin, Policy(deadline="3s"))
    client.get()
    with pytest.raises(resilient.RateLimitedError) as caught:
        client.get()
    assert isinstance(caught.value, world.http.TransportError)
    assert (caught.value.retry_in, caught.value.origin) == (5.0, "https://api.test")
    assert (origin.sent, world.now) == (1, 0.0)
    assert caught.value.journey.events(Rejected) == [Rejected(by="rate", origin="https://api.test", retry_in=5.0)]


def test_a_pause_is_never_shortened_and_at_most_a_minute(world, origin):
    """A second answer that names a shorter one was under way already; a day is nobody's to ask for."""
    replies = iter(['"default";r=0;t=50', '"default";r=0;t=5'])
    origin.behaves(lambda *_: resilient.testing.Reply(headers={"ratelimit": next(replies)}, latency=1.0), times=2)
    client = world.client(origin, Policy(deadline="5m", cache=None))  # or one would ask for both
    world.run([client.ask, client.ask])
    client.get()
    assert origin.requests[2].at == 51.0
    origin.answers(200, headers={"ratelimit": '"day";r=0;t=86400'}, times=1)
    client.get()
    client.get()
    assert origin.requests[4].at == 111.0


def test_a_throttled_answer_with_a_quota_comes_back_when_the_pause_is_too_long(world, origin):
    """It is as if it had said Retry-After: nobody waits in vain, and the wish is in the journey."""
    origin.answers(429, headers={"ratelimit": '"default";r=0;t=40'})
    answer = world.client(origin).get()
    assert (answer.status_code, origin.sent, world.now) == (429, 1, 0.0)
    (exhausted,) = journey_of(answer).events(RetryExhausted)
    assert (exhausted.stop, exhausted.retry_after) == ("retry_after", 40.0)


# --- how it ends -------------------------------------------------------------------------------------------------


def test_the_last_error_is_raised_as_it_is(world, origin):
    """The very object, no wrapper, with a note for whoever reads the traceback."""
    errors = [world.http.ReadError(f"number {number}") for number in range(3)]
    origin.behaves(lambda request, number, now: errors[number - 1])
    raised = world.client(origin, plain(wait=t.wait_fixed(0.6))).outcome()
    assert raised is errors[2]
    assert raised.__notes__ == ["3 attempts in 1.2 s"]
    assert errors[0].__dict__.get("__notes__") is None


def test_the_last_answer_is_returned_as_it_is(world, origin):
    """With what was tried in its journey; the answers before it are closed."""
    origin.behaves(lambda request, number, now: resilient.testing.Reply(status=503, body=b"%d" % number))
    answer = world.client(origin).get()
    assert (answer.status_code, answer.content) == (503, b"3")
    (exhausted,) = journey_of(answer).events(RetryExhausted)
    assert (exhausted.attempts, exhausted.stop, exhausted.reason) == (3, "limit", "5xx")
    assert origin.open_bodies == 0


@pytest.mark.parametrize(
    ("failure", "said"), [({"status": 502}, "the last answer was 502"), ({"error": "read"}, "failed with ReadError")]
)
def test_a_retry_that_the_circuit_refuses_raises_the_refusal(world, origin, failure, said):
    """With a note that names the last answer; what was paid for the retry is given back."""
    origin.fails(**failure)
    policy = Policy(breaker=CircuitBreaker(failures=2), budget=Budget(refill=0), retry=Retry(max_attempts=5))
    client = world.client(origin, policy)
    with pytest.raises(resilient.CircuitOpenError) as caught:
        client.get()
    assert origin.sent == 2
    assert len(caught.value.__notes__) == 1
    assert "attempt 3" in caught.value.__notes__[0]
    assert said in caught.value.__notes__[0]
    assert client.tokens() == 90
    assert isinstance(caught.value, world.http.TransportError)


def test_a_retry_that_a_pause_refuses_gets_its_tokens_back(world, origin):
    """Another call learned of the spent quota while this one backed off."""
    origin.at("/a").answers(503)
    origin.at("/b").answers(200, headers={"ratelimit": '"default";r=0;t=50'})
    client = world.client(origin, Policy(budget=Budget(refill=0), retry=Retry(wait=t.wait_fixed(2))))

    async def later():
        await world.sleep(1)
        return await client.ask(url="/b")

    refused, _ = world.run([lambda: client.ask(url="/a"), later], return_errors=True)
    assert isinstance(refused, resilient.RateLimitedError)
    assert "the last answer was 503" in refused.__notes__[0]
    assert (client.tokens(), origin.sent) == (100, 2)


def test_an_open_circuit_is_no_failure_to_be_tried_again(world, origin):
    """Whatever a policy's own predicate says of it."""
    client = world.client(origin, Policy(retry=Retry(retry=t.retry_if_exception_type())))
    client.client.circuit("https://api.test/").isolate()
    assert isinstance(client.outcome(), resilient.CircuitOpenError)
    assert (origin.sent, world.now) == (0, 0.0)


@pytest.mark.parametrize("status", [200, 503])
def test_a_streamed_answer_that_is_given_up_is_read_a_little_and_closed(world, origin, status):
    """Up to 64 KiB while backing off, so that its connection can serve again; what is longer or slower is cut."""
    kibibyte = b"." * 1024
    origin.at("/short").answers(503, body=[kibibyte] * 60, chunk_latency=0.001, times=1)
    origin.at("/long").answers(503, body=[kibibyte] * 1_000, chunk_latency=0.001, times=1)
    origin.at("/hung").answers(503, body=[kibibyte] * 9, chunk_latency=0.03, times=1)
    origin.answers(status)
    client = world.client(origin, plain(wait=t.wait_fixed(0.1)))

    async def script(path):
        began = world.now
        response = await client.ask(url=path, stream=True)
        assert world.now - began == pytest.approx(0.1 if status == 200 else 0.2, abs=0.021)
        await client.close(response)
        return next(received for received in origin.requests if received.path == path).ended - began

    assert world.do(lambda: script("/short")) == pytest.approx(0.060)
    assert world.do(lambda: script("/long")) == pytest.approx(0.064)
    assert world.do(lambda: script("/hung")) == pytest.approx(world.choose(0.12, 0.10))
    assert origin.open_bodies == 0


def test_a_streamed_answer_is_closed_when_there_is_no_time_to_read_it(world, origin):
    """An origin that asks to be asked at once: no back-off, so nothing is read."""
    origin.answers(503, retry_after=0, body=[b"."] * 9, chunk_latency=1.0, times=1)
    client = world.client(origin)

    async def script():
        response = await client.ask(stream=True)
        assert (world.now, origin.open_bodies) == (0.0, 1)
        await client.close(response)

    world.do(script)
    assert (origin.sent, origin.open_bodies) == (2, 0)


# --- tenacity's vocabulary ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "sent"),
    [
        (t.stop_after_attempt(4), 4),
        (t.stop_after_delay(2.5), 4),
        (t.stop_before_delay(2.5), 3),
        (t.stop_after_attempt(2) | t.stop_after_delay(100), 2),
        (t.stop_after_attempt(20) | t.stop_after_delay(4.5), 6),
        (t.stop_after_attempt(2) & t.stop_after_delay(2.5), 4),
    ],
)
def test_tenacitys_stops(world, origin, stop, sent):
    """By attempts and by the time since the call began; one second apart."""
    origin.answers(503)
    answer = world.client(origin, plain(stop=stop, wait=t.wait_fixed(1))).get()
    assert (origin.sent, stop_of(answer)) == (sent, "limit")


def test_a_stop_beside_a_number_of_attempts(world, origin):
    """Whichever comes first; alone, it lifts the limit of three."""
    origin.answers(503)
    world.client(origin, plain(max_attempts=2, stop=t.stop_after_attempt(9))).get()
    assert origin.sent == 2


@pytest.mark.parametrize(
    ("wait", "low", "high"),
    [
        (t.wait_fixed(2), [2, 2, 2], [2, 2, 2]),
        (t.wait_fixed(1) + t.wait_random(0, 1), [1, 1, 1], [2, 2, 2]),
        (t.wait_incrementing(1, 2), [1, 3, 5], [1, 3, 5]),
        (t.wait_exponential(multiplier=1), [1, 2, 4], [1, 2, 4]),
        (t.wait_chain(t.wait_fixed(3), t.wait_fixed(1)), [3, 1, 1], [3, 1, 1]),
        (t.wait_random_exponential(multiplier=1, max=3), [0, 0, 0], [1, 2, 3]),
    ],
)
def test_tenacitys_waits(world, origin, wait, low, high):
    """In place of the back-off, combined as they like."""
    origin.answers(503)
    answer = world.client(origin, plain(max_attempts=4, wait=wait)).get()
    delays = [wait.delay for wait in journey_of(answer).waits]
    assert all(least <= delay <= most for least, delay, most in zip(low, delays, high, strict=True))
    assert world.now == pytest.approx(sum(delays))


def test_what_an_origin_asks_for_goes_before_a_wait_of_ones_own(world, origin):
    """A wait that comes early is not polite."""
    origin.answers(503, retry_after=3, times=1)
    world.client(origin, plain(wait=t.wait_fixed(1))).get()
    assert 3 <= origin.requests[1].at <= 3.3


@pytest.mark.parametrize(
    ("predicate", "sent"),
    [
        (t.retry_if_result(lambda response: response.status_code == 202), {"/202": 3, "/503": 1, "/read": 1}),
        (t.retry_if_exception_type(OSError), {"/202": 1, "/503": 1, "/read": 1}),
        (t.retry_if_exception_type(), {"/202": 1, "/503": 1, "/read": 3}),
        (
            t.retry_if_result(lambda response: response.status_code == 202) | t.retry_if_exception_type(),
            {"/202": 3, "/503": 1, "/read": 3},
        ),
        (t.retry_never, {"/202": 1, "/503": 1, "/read": 1}),
    ],
)
def test_tenacitys_predicates(world, origin, predicate, sent):
    """They say what counts as failed, in place of the statuses and of the failures of the connection."""
    origin.at("/202").answers(202)
    origin.at("/503").answers(503)
    origin.at("/read").fails(error="read")
    client = world.client(origin, plain(retry=predicate))
    for path in sent:
        client.outcome(url=path)
    assert {path: origin.count(path=path) for path in sent} == sent


def test_a_predicate_does_not_decide_what_may_be_repeated(world, origin):
    """It cannot know what a second order costs."""
    origin.answers(202)
    again = Retry(retry=t.retry_if_result(lambda response: response.status_code == 202))
    client = world.client(origin, Policy(retry=again))
    assert client.post().status_code == 202
    assert origin.sent == 1
    client.post(extensions=KEYED)
    assert origin.sent == 4


PROGRAM = """
import sys
import httpx
import resilient
from resilient.testing import FakeClock, Origin

clock = FakeClock()
origin = Origin(clock=clock)
client = resilient.ResilientClient(transport=origin, clock=clock)
assert client.get("https://api.test/").status_code == 200
assert "tenacity" not in sys.modules, "after a good answer"
origin.answers(503)
client.get("https://api.test/")
assert origin.sent == 4
assert "tenacity" not in sys.modules, "after a failure"
"""


def test_tenacity_is_not_imported_unless_an_object_of_it_is_used():
    """It costs 30 ms; nobody pays for a vocabulary that they do not speak."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
