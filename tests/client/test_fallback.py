"""What answers when nothing else does."""

import re

import pytest

import resilient
from resilient import CircuitBreaker, Fallback, Policy, ResponseCache, Retry, options
from resilient.events import FellBack, TimedOut

ELSEWHERE = "https://spare.test/rates"


def stands_in(world, kind, body=b"instead"):
    """A fallback of some ``kind``, and the calls that a callable got."""
    seen = []

    def blocking(request, failure):
        seen.append((request, failure))
        return world.http.Response(200, content=body)

    async def tasks(request, failure):
        await world.sleep(0)
        return blocking(request, failure)

    return {
        "response": world.http.Response(200, content=body, headers={"x-from": "here"}),
        "callable": blocking,
        "async callable": world.choose(blocking, tasks),
        "url": ELSEWHERE,
    }[kind], seen


KINDS = ["response", "callable", "async callable", "url"]


def fellback(answer):
    return answer.extensions["resilient"].events(FellBack)


@pytest.fixture
def spare(origin):
    """The address of a URL fallback answers well."""
    origin.at("/rates").answers(200, body=b"instead")
    return origin


FAILURES = {
    "503": lambda origin: origin.answers(503),
    "500": lambda origin: origin.answers(500),
    "429": lambda origin: origin.answers(429),
    "protocol": lambda origin: origin.fails(error="read"),
    "connect": lambda origin: origin.fails(error="connect"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reason", FAILURES)
@pytest.mark.parametrize("stream", [False, True])
def test_it_answers_in_place_of_a_failure(world, spare, kind, reason, stream):
    """Once, after everything else has failed; a streamed answer that it replaces is closed."""
    FAILURES[reason](spare)
    to, seen = stands_in(world, kind)
    client = world.client(spare, Policy(fallback=Fallback(to)))

    async def script():
        answer = await client.ask(stream=stream)
        await client.read(answer)
        return answer

    answer = world.do(script)
    assert (answer.status_code, answer.content) == (200, b"instead")
    assert fellback(answer) == [FellBack(to=kind.split()[-1], reason=reason)]
    assert spare.count(path="/") == 3
    assert spare.open_bodies == 0
    if "callable" in kind:
        ((request, failure),) = seen
        assert str(request.url) == "https://api.test/"
        assert getattr(failure, "status_code", None) == (int(reason) if reason.isdecimal() else None)


@pytest.mark.parametrize("status", [200, 204, 302, 404])
@pytest.mark.parametrize("kind", KINDS)
def test_it_leaves_other_answers_alone(world, spare, kind, status):
    """An answer that blames the request is an answer."""
    spare.at("/x").answers(status)
    to, _ = stands_in(world, kind)
    answer = world.client(spare, Policy(fallback=to)).get("/x")
    assert answer.status_code == status
    assert fellback(answer) == []


def test_it_covers_no_bugs(world, origin):
    """An error that no policy and no HTTP library raised wants to be seen."""
    origin.behaves(lambda *_: ZeroDivisionError("a bug"))
    to, seen = stands_in(world, "callable")
    with pytest.raises(ZeroDivisionError):
        world.client(origin, Policy(fallback=to)).get()
    assert seen == []


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("what", ["of the other library", "none"])
def test_a_callable_that_answers_no_response_of_the_clients_library_is_told_so(
    world, origin, family, families, what, asynchronous
):
    """Named with what it answered; else httpx would fail on it later, by a bare assertion."""
    other = next(one for one in families if one is not family).http
    given = other.Response(200) if what == "of the other library" else None

    def odd(request, failure):
        return given

    async def oddly(request, failure):
        return given

    to = oddly if asynchronous and world.colour == "async" else odd
    origin.answers(503)
    client = world.client(origin, Policy(fallback=to, retry=None))
    shown = re.escape(f"{to.__qualname__} answered a {type(given).__module__}.{type(given).__qualname__}; ")
    with pytest.raises(resilient.ConfigurationError, match=f"{shown}.* takes those of {family.http.__name__}$"):
        client.get()
    assert origin.open_bodies == 0


def test_it_answers_while_the_circuit_is_open(world, origin):
    """And gets the refusal to see."""
    origin.answers(500)
    to, seen = stands_in(world, "callable")
    client = world.client(origin, Policy(fallback=to, breaker=CircuitBreaker(failures=1), retry=None))
    client.get()
    assert client.get().content == b"instead"
    assert origin.sent == 1
    assert isinstance(seen[1][1], resilient.CircuitOpenError)


def test_a_stale_answer_goes_before_it(world, origin):
    """The cache is nearer to the origin; without an entry the fallback answers."""
    to, _ = stands_in(world, "response")
    client = world.client(origin, Policy(fallback=to, cache=ResponseCache.failover(ttl="1h")))
    client.get("/kept")
    origin.answers(503)
    assert client.get("/kept").content == b"ok"
    assert client.get("/other").content == b"instead"


# --- each kind ---------------------------------------------------------------------------------------------------


def test_one_response_answers_any_number_of_calls(world, origin):
    """Each gets a response of its own, as it was given, less what described its coding on the wire."""
    given = world.http.Response(
        203, content=b"plain", headers={"content-type": "text/plain", "content-encoding": "identity"}
    )
    origin.answers(503)
    client = world.client(origin, Policy(fallback=given))
    first, second = client.get(), client.get()
    assert first is not second is not given
    for answer in (first, second):
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (203, "plain", "text/plain")
        assert "content-encoding" not in answer.headers
        assert str(answer.request.url) == "https://api.test/"


def test_a_callable_may_hand_back_the_failed_answer(world, origin):
    """It is not closed then."""
    origin.answers(503, body=b"sorry")
    client = world.client(origin, Policy(fallback=lambda request, failure: failure))

    async def script():
        answer = await client.ask(stream=True)
        assert origin.open_bodies == 1
        await client.read(answer)
        return answer

    answer = world.do(script)
    assert (answer.status_code, answer.content) == (503, b"sorry")


@pytest.mark.parametrize("stream", [False, True])
def test_a_callable_that_raises_leaves_nothing_open(world, origin, stream):
    """Its error reaches the caller; the failed answer is closed."""
    origin.answers(503)

    def broken(request, failure):
        raise KeyError("no spare")

    client = world.client(origin, Policy(fallback=broken))
    assert isinstance(client.outcome(stream=stream), KeyError)
    assert origin.open_bodies == 0


@pytest.mark.parametrize(("target", "keeps"), [("https://api.test/spare", True), (ELSEWHERE, False)])
def test_a_url_is_asked_without_body_and_at_another_origin_without_credentials(world, origin, target, keeps):
    """Once, by GET: what the first origin may know, a second one need not."""
    origin.at("/orders").answers(503)
    secrets = {
        "authorization": "Bearer s3cret",
        "cookie": "session=s3cret",
        "x-api-key": "s3cret",
        "x-auth-token": "s3cret",
        "x-session": "s3cret",
        "proxy-authorization": "s3cret",
    }
    client = world.client(origin, Policy(fallback=target))
    answer = client.post("/orders", json={"a": 1}, headers={**secrets, "accept-language": "de"})
    assert answer.status_code == 200
    assert origin.sent == 2
    asked = origin.requests[1]
    assert (asked.method, asked.url, asked.body) == ("GET", target, b"")
    assert asked.headers["accept-language"] == "de"
    assert {name for name in secrets if name in asked.headers} == (set(secrets) if keeps else set())
    assert asked.headers["host"] == target.split("/")[2]
    assert not {"content-type", "content-length"} & set(asked.headers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_url_that_fails_too_is_seen(world, origin, stream):
    """Its answer comes back as it is, its error is raised; nothing stays open."""
    origin.answers(503)
    client = world.client(origin, Policy(fallback=ELSEWHERE))

    async def script():
        answer = await client.ask(stream=stream)
        await client.read(answer)
        return answer

    answer = world.do(script)
    assert (answer.status_code, origin.requests[-1].url) == (503, ELSEWHERE)
    assert origin.open_bodies == 0
    origin.at("/rates").fails(error="connect")
    assert isinstance(client.outcome(stream=stream), world.http.ConnectError)
    assert origin.open_bodies == 0


# --- time --------------------------------------------------------------------------------------------------------


def test_a_response_answers_at_the_deadline(world, origin):
    """It takes no time, so it answers when there is none left."""
    origin.hangs()
    to, _ = stands_in(world, "response")
    assert world.client(origin, Policy(fallback=to, deadline="2s")).get().content == b"instead"
    assert world.now == 2.0


@pytest.mark.parametrize("kind", ["callable", "async callable", "url"])
def test_others_are_skipped_when_no_time_is_left(world, spare, kind):
    """The failure is what the caller gets."""
    spare.at("/").hangs()
    to, seen = stands_in(world, kind)
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(spare, Policy(fallback=to, deadline="2s")).get()
    assert (world.now, seen, spare.sent) == (2.0, [], 1)


def test_a_url_is_not_asked_with_too_little_time(world, spare):
    """An answer of 503 with 30 ms left: it is returned, since no attempt starts with so little."""
    spare.at("/").answers(503, latency=0.97)
    answer = world.client(spare, Policy(fallback=ELSEWHERE, deadline="1s")).get()
    assert (answer.status_code, spare.sent) == (503, 1)


def test_a_url_gets_the_time_that_is_left(world, origin):
    """Not a moment more than the call has."""
    origin.at("/").answers(503, latency=0.5)
    origin.at("/rates").hangs()
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(origin, Policy(fallback=ELSEWHERE, deadline="2s", retry=None)).get()
    assert (world.now, origin.sent) == (2.0, 2)


def test_an_async_callable_is_cut_at_the_deadline(async_world):
    """Then the failure is what the caller gets; a thread cannot be stopped, so a blocking callable takes its time."""
    world = async_world
    origin = world.origin().answers(503, latency=0.5)

    async def slow(request, failure):
        await world.sleep(60)

    answer = world.client(origin, Policy(fallback=slow, deadline="2s", retry=None)).get()
    assert (answer.status_code, world.now) == (503, 2.0)
    assert [event.what for event in answer.extensions["resilient"].events(TimedOut)] == ["deadline"]


def test_an_async_callable_in_a_blocking_client_is_a_clear_error(blocking_world):
    """It would need an event loop; the failed answer is closed all the same."""
    origin = blocking_world.origin().answers(503)

    class Never:
        def __await__(self):
            yield

    async def tasks(request, failure):
        await Never()

    client = blocking_world.client(origin, Policy(fallback=tasks))
    assert isinstance(client.outcome(stream=True), resilient.SuspendedError)
    assert origin.open_bodies == 0


def test_the_options_of_a_request_reach_it(world, origin):
    """A request that gives each attempt half a second gives the fallback's URL no more."""
    origin.hangs()
    with pytest.raises(resilient.AttemptTimeoutError):
        world.client(origin, Policy(fallback=ELSEWHERE, retry=None)).get(extensions=options(attempt_timeout=0.5))
    assert (world.now, origin.sent) == (1.0, 2)


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_fallback_every_failed_attempt_is_closed(world, origin, stream):
    """All but the last answer, which is the caller's."""
    origin.answers(503)
    client = world.client(origin, Policy(retry=Retry(max_attempts=5)))

    async def script():
        answer = await client.ask(stream=stream)
        left = origin.open_bodies
        await client.close(answer)
        return left

    assert world.do(script) == (1 if stream else 0)
    assert origin.open_bodies == 0


@pytest.mark.parametrize("to", ["ftp://spare.test", "spare.test", 503, None])
def test_nonsense_is_refused_at_construction(to):
    """The message names the option and the value."""
    with pytest.raises(resilient.ConfigurationError, match=f"fallback={to!r}"):
        Fallback(to)
