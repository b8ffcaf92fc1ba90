"""The time for a whole call: it ends where it waits, in time for whoever answers in its place."""

import pytest
from tenacity import wait_fixed

import resilient
from resilient import Deadline, Policy, ResponseCache, Retry, deadline_scope, options


def stop_of(response):
    return response.extensions["resilient"].events(resilient.events.RetryExhausted)[-1].stop


# --- a hung origin -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["HTTPError", "TransportError", "TimeoutException", resilient.CallError])
def test_a_hung_origin_ends_the_call_at_its_deadline(world, origin, kind):
    """Not a moment later, and by an error that code written for the HTTP library catches too."""
    origin.hangs()
    client = world.client(origin, Policy(deadline="2s"))
    with pytest.raises(kind if isinstance(kind, type) else getattr(world.http, kind)) as caught:
        client.get("/rates")
    assert isinstance(caught.value, resilient.DeadlineExceededError)
    assert world.now == 2.0
    assert caught.value.timeout == 2.0
    assert str(caught.value.request.url) == "https://api.test/rates"
    assert len(caught.value.journey.attempts) == 1


@pytest.mark.parametrize("phase", ["connect", "read"])
def test_it_ends_the_call_in_whatever_phase_the_origin_hangs(world, origin, phase):
    """A connection that cannot be had by then is the deadline's affair as well; at most 20 ms early."""
    origin.hangs(phase=phase)
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(origin, Policy(deadline="2s")).get()
    assert 1.98 <= world.now <= 2.0


def test_the_last_good_answer_comes_at_the_deadline(world, origin):
    """The failover policy answers stale at 2 s exactly: the deadline is no cancellation of the stages around it."""
    client = world.client(origin, Policy(cache=ResponseCache.failover(ttl="6h"), deadline="2s"))
    assert client.get().status_code == 200
    origin.hangs()
    answer = client.get()
    assert (answer.status_code, answer.content, world.now) == (200, b"ok", 2.0)
    assert answer.extensions["resilient"].cache.result == "stale"


def test_a_body_that_drips_is_cut_too(world, origin):
    """In tasks at the deadline; a thread looks at the time at each piece, so one read phase later at the most."""
    origin.answers(body=[b"."] * 100, chunk_latency=0.3)
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(origin, Policy(deadline="2s")).get()
    assert world.now == world.choose(2.1, 2.0)
    assert origin.open_bodies == 0


def test_by_default_a_call_has_thirty_seconds(world, origin):
    """Three attempts of ten seconds do not fit with their back-offs: the deadline ends the third."""
    origin.hangs()
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(origin).get()
    assert (world.now, origin.sent) == (30.0, 3)


# --- waits and starts that it forbids ----------------------------------------------------------------------------


@pytest.mark.parametrize(("wait", "sent"), [(0.94, 2), (0.96, 1)])
def test_no_attempt_starts_with_less_than_50_ms_left(world, origin, wait, sent):
    """Of a deadline of one second, 60 ms are enough for another attempt, 40 ms are not."""
    origin.answers(503)
    answer = world.client(origin, Policy(deadline="1s", retry=Retry(wait=wait_fixed(wait)))).get()
    assert (answer.status_code, origin.sent) == (503, sent)
    assert stop_of(answer) == "deadline"


def test_no_back_off_begins_that_the_deadline_would_cut(world, origin):
    """The answer comes at once instead, the last one as it was."""
    origin.answers(503)
    answer = world.client(origin, Policy(deadline="5s", retry=Retry(wait=wait_fixed(3)))).get()
    assert (answer.status_code, origin.sent, world.now) == (503, 2, 3.0)
    assert stop_of(answer) == "deadline"


def test_a_redirect_is_not_followed_with_too_little_time(world, origin):
    """Its hops are one call under one deadline; the second one would start with 30 ms left."""
    origin.at("/old").answers(302, headers={"location": "/new"}, latency=0.97)
    client = world.client(origin, Policy(deadline="1s"))
    with pytest.raises(resilient.DeadlineExceededError) as caught:
        client.get("/old", follow_redirects=True)
    assert (origin.sent, world.now) == (1, 0.97)
    assert len(caught.value.journey.attempts) == 1


def test_redirects_share_the_deadline(world, origin):
    """It counts from the start of the call, not of the hop."""
    origin.answers(302, headers={"location": "/on"}, latency=0.4)
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(origin, Policy(deadline="1s")).get(follow_redirects=True)
    assert (origin.sent, world.now) == (3, 1.0)


def test_a_short_deadline_allows_an_attempt_all_the_same(world, origin):
    """Somebody who has 60 ms in all wants to be asked for in them."""
    origin.answers(latency=0.05)
    assert world.client(origin, Policy(deadline="60ms")).get().status_code == 200


# --- deadlines from elsewhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scopes", "ends"), [([1.0], 1.0), ([5.0], 2.0), ([1.0, 3.0], 1.0), ([3.0, 1.0], 1.0)])
def test_a_surrounding_deadline_only_shortens(world, origin, scopes, ends):
    """Neither the policy's own deadline of two seconds nor an outer scope is ever made longer."""
    origin.hangs()
    client = world.client(origin, Policy(deadline="2s"))

    async def within(left):
        if not left:
            return await client.ask()
        with deadline_scope(left[0], clock=world.clock):
            return await within(left[1:])

    with pytest.raises(resilient.DeadlineExceededError):
        world.do(lambda: within(scopes))
    assert world.now == ends


def test_it_shortens_what_the_request_itself_asked_for(world, origin):
    """And it holds where the policy has no deadline at all."""
    origin.hangs()
    client = world.client(origin, Policy(deadline=None))

    async def script():
        with deadline_scope(1.0, clock=world.clock):
            await client.ask(extensions=options(deadline="5s"))

    with pytest.raises(resilient.DeadlineExceededError):
        world.do(script)
    assert world.now == 1.0


def test_a_deadline_that_is_over_sends_nothing_and_blames_nobody(world, origin):
    """Twenty calls in a scope that has ended: no request, and the circuit of a healthy origin stays closed."""
    client = world.client(origin)

    async def script():
        with deadline_scope(1.0, clock=world.clock):
            await world.sleep(1.0)
            with pytest.raises(resilient.DeadlineExceededError) as caught:
                await client.ask()
            return caught.value.journey

    journeys = world.run([script] * 20)
    assert origin.sent == 0
    assert [len(journey.attempts) for journey in journeys] == [0] * 20
    assert client.circuit() == "closed"
    assert client.get().status_code == 200


@pytest.mark.parametrize(("asked", "ends"), [("500ms", 0.5), ("4s", 4.0)])
def test_a_request_may_ask_for_another_deadline(world, origin, asked, ends):
    """A longer one too: the caller knows what this request is worth."""
    origin.hangs()
    with pytest.raises(resilient.DeadlineExceededError):
        world.client(origin, Policy(deadline="2s")).get(extensions=options(deadline=asked))
    assert world.now == ends


# --- timeouts that the caller gives ------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [600, None])
@pytest.mark.parametrize("given_to", ["request", "client"])
def test_defaults_never_undercut_a_timeout_that_the_caller_gave(world, origin, timeout, given_to):
    """SDKs give ten minutes, to the client or with each request: an answer after five is theirs."""
    origin.answers(latency="5m")
    if given_to == "client":
        answer = world.client(origin, timeout=timeout).get()
    else:
        answer = world.client(origin).get(timeout=timeout)
    assert (answer.status_code, world.now, origin.sent) == (200, 300.0, 1)


@pytest.mark.parametrize(
    ("policy", "error", "ends"),
    [
        (Policy(deadline="2s"), resilient.DeadlineExceededError, 2.0),
        (Policy(attempt_timeout="3s", retry=None), resilient.AttemptTimeoutError, 3.0),
    ],
)
def test_what_a_policy_names_cuts_it(world, origin, policy, error, ends):
    """Who writes a time into a policy means it."""
    origin.hangs()
    with pytest.raises(error):
        world.client(origin, policy, timeout=600).get()
    assert world.now == ends


def test_a_shorter_phase_that_the_caller_gave_stands(world, origin):
    """It ends as the HTTP library ends it; nobody's deadline was reached."""
    origin.hangs()
    with pytest.raises(world.http.ReadTimeout):
        world.client(origin, Policy(retry=None, deadline="2s")).get(timeout=0.5)
    assert world.now == 0.5


def test_the_librarys_own_default_counts_only_when_asked_for(world, origin):
    """Five seconds that nobody asked for are replaced by the policy's times; the same five, given, are kept."""
    origin.answers(latency=6.0)
    assert world.client(origin).get().status_code == 200
    with pytest.raises(world.http.ReadTimeout):
        world.client(origin, Policy(retry=None)).get(timeout=5.0)
    assert world.client(origin).client.timeout == world.http.Timeout(5.0)


# --- telling the origin ------------------------------------------------------------------------------------------


def test_the_origin_is_told_what_is_left_for_each_attempt(world, origin):
    """Whole milliseconds, counted anew for every attempt; nothing is told by default."""
    origin.answers(503, latency=0.0304, times=2)
    policy = Policy(deadline=Deadline("2s", header="X-Time-Left"), retry=Retry(wait=wait_fixed(0.5)))
    world.client(origin, policy).get()
    assert [received.headers["x-time-left"] for received in origin.requests] == ["2000", "1469", "939"]
    world.client(origin).get()
    assert "x-time-left" not in origin.requests[-1].headers


def test_what_is_left_for_ever_is_not_told(world, origin):
    """A caller who gave no timeout at all, under a deadline that yields to that."""
    policy = Policy(deadline=Deadline("2s", header="X-Time-Left", named=False))
    assert world.client(origin, policy).get(timeout=None).status_code == 200
    assert "x-time-left" not in origin.requests[0].headers
