"""The time for one attempt: the breaker counts it, and another attempt may follow."""

import pytest
from tenacity import wait_fixed

import resilient
from resilient import AttemptTimeout, Deadline, Policy, Retry, options
from resilient.events import TimedOut

ONCE = Policy(attempt_timeout="2s", retry=None)


@pytest.mark.parametrize("kind", ["HTTPError", "TimeoutException", resilient.CallError, resilient.AttemptTimeoutError])
def test_a_hung_attempt_ends_in_time(world, origin, kind):
    """By an error of ours that is one of the HTTP library's too; it says what it had."""
    origin.hangs()
    with pytest.raises(kind if isinstance(kind, type) else getattr(world.http, kind)) as caught:
        world.client(origin, ONCE).get()
    assert (world.now, caught.value.timeout) == (2.0, 2.0)
    assert str(caught.value.request.url) == "https://api.test/"
    assert caught.value.journey.events(TimedOut) == [TimedOut(what="attempt", timeout=2.0)]


def test_another_attempt_may_do_better(world, origin):
    """Each has its own time."""
    origin.hangs(times=2)
    policy = Policy(attempt_timeout="2s", retry=Retry(wait=wait_fixed(1)))
    assert world.client(origin, policy).get().status_code == 200
    assert [received.at for received in origin.requests] == [0.0, 3.0, 6.0]


def test_what_timed_out_may_have_arrived(world, origin):
    """So a POST is not sent again."""
    origin.hangs()
    with pytest.raises(resilient.AttemptTimeoutError):
        world.client(origin, Policy(attempt_timeout="2s")).post(content=b"x")
    assert origin.sent == 1


def test_by_default_an_attempt_has_ten_seconds(world, origin):
    """The HTTP library's own five, which nobody asked for, are replaced."""
    origin.answers(latency=9.9)
    client = world.client(origin, Policy(retry=None))
    assert client.get().status_code == 200
    origin.hangs()
    with pytest.raises(resilient.AttemptTimeoutError):
        client.get()
    assert world.now == 19.9


def test_it_is_at_most_the_deadline(world, origin):
    """Ten seconds by default, two in all: who runs out first is the one that is named."""
    origin.hangs()
    with pytest.raises(resilient.DeadlineExceededError) as caught:
        world.client(origin, Policy(deadline="2s")).get()
    assert world.now == 2.0
    assert [event.what for event in caught.value.journey.events(TimedOut)] == ["deadline"]


def test_the_breaker_counts_it(world, origin):
    """It is the innermost stage: ten hung attempts open the circuit."""
    origin.hangs()
    client = world.client(origin, ONCE)
    for _ in range(10):
        assert isinstance(client.outcome(), resilient.AttemptTimeoutError)
    assert client.circuit() == "open"


# --- what it covers ----------------------------------------------------------------------------------------------


def test_it_covers_the_body_where_the_caller_does_not_stream(world, origin):
    """Four pieces in time, and a fifth that is not: the answer is no answer, and may be tried again."""
    origin.answers(body=[b"."] * 5, chunk_latency=0.45, times=1)
    answer = world.client(origin, Policy(attempt_timeout="2s")).get()
    assert (answer.content, origin.sent) == (b"ok", 2)
    assert world.choose(2.25, 2.0) <= world.now < world.choose(2.25, 2.0) + 0.05
    assert origin.open_bodies == 0


def test_a_streamed_attempt_ends_at_the_headers(world, origin):
    """From then on each piece of the body has the read phase; an hour in all is all right."""
    origin.answers(body=[b"."] * 1_800, chunk_latency=1.9)
    client = world.client(origin, ONCE)

    async def script():
        response = await client.ask(stream=True)
        headers = world.now
        await client.read(response)
        return headers, world.now, response.content

    headers, ended, content = world.do(script)
    assert (headers, len(content)) == (0.0, 1_800)
    assert ended == pytest.approx(1_800 * 1.9)


def test_a_piece_that_does_not_come_ends_a_streamed_body(world, origin):
    """As the HTTP library ends it; the attempt was over, so nothing is tried again."""
    origin.answers(body=[b"one", b"two"], chunk_latency=2.5)
    client = world.client(origin, Policy(attempt_timeout="2s"))

    async def script():
        response = await client.ask(stream=True)
        with pytest.raises(world.http.ReadTimeout):
            await client.read(response)
        await client.close(response)

    world.do(script)
    assert (world.now, origin.sent, origin.open_bodies) == (2.0, 1, 0)


# --- whose time counts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [ONCE, Policy(attempt_timeout=None, retry=None), Policy(retry=None)])
@pytest.mark.parametrize(("asked", "ends"), [("500ms", 0.5), ("4s", 4.0)])
def test_a_request_may_ask_for_its_own(world, origin, policy, asked, ends):
    """Shorter or longer than the policy's, or where the policy has none."""
    origin.hangs()
    with pytest.raises(resilient.AttemptTimeoutError):
        world.client(origin, policy).get(extensions=options(attempt_timeout=asked))
    assert world.now == ends


def test_it_holds_for_each_attempt(world, origin):
    """A request's own time counts anew for every attempt."""
    origin.hangs(times=2)
    client = world.client(origin, Policy(retry=Retry(wait=wait_fixed(1))))
    assert client.get(extensions=options(attempt_timeout="500ms")).status_code == 200
    assert world.now == 3.0


def test_a_default_yields_to_what_the_caller_gave(world, origin):
    """Each phase as given; nothing ends the attempt as a whole but the deadline."""
    origin.answers(body=[b"."] * 5, chunk_latency=5.0)
    assert len(world.client(origin).get(timeout=20.0).content) == 5
    assert origin.sent == 1
    # One that is written into the policy without being meant, as presets may.
    yielding = Policy(attempt_timeout=AttemptTimeout("2s", named=False), deadline=Deadline("2s", named=False))
    origin.answers(latency=19.0)
    assert world.client(origin, yielding).get(timeout=20.0).status_code == 200
