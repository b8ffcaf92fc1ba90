"""The circuit of an origin, as a client's calls see it."""

import ssl
import threading
import time

import pytest
from tenacity import wait_fixed

import resilient
from resilient import CircuitBreaker, Policy, Retry
from resilient.events import CircuitClosed, CircuitHalfOpened, CircuitOpened, Rejected
from tests.soaking import sizes


def only(**breaker):
    """A policy that has nothing but a breaker."""
    return Policy.passthrough().replace(breaker=CircuitBreaker(**breaker), deadline="30s")


def opened(world, origin, policy=None, **options):
    """A client whose circuit to ``origin`` has just opened; the origin answers well from now on."""
    origin.fails(status=500, times=10)
    client = world.client(origin, policy or only(), **options)
    for _ in range(10):
        client.get()
    assert client.circuit() == "open"
    return client


# --- opening -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [{"status": 500}, {"status": 503}, {"error": "read"}, {"error": "connect"}])
def test_ten_failures_in_a_row_open_it(world, origin, failure):
    """The eleventh call is refused without being sent, by an error that says when to come back."""
    origin.fails(**failure)
    client = world.client(origin, only())
    for _ in range(10):
        assert not isinstance(client.outcome(), resilient.CircuitOpenError)
    with pytest.raises(resilient.CircuitOpenError) as caught:
        client.get("/x")
    assert origin.sent == 10
    assert isinstance(caught.value, world.http.TransportError)
    assert caught.value.circuit == "https://api.test"
    assert 0.9 <= caught.value.retry_in <= 1.0
    assert str(caught.value.request.url) == "https://api.test/x"
    journey = caught.value.journey
    assert (journey.circuit, journey.attempts) == ("open", [])
    assert [event.by for event in journey.events(Rejected)] == ["circuit"]


def test_it_opens_within_ten_calls_of_a_default_client(world, origin):
    """Every attempt is a signal: the fourth call meets it, and ends there without another retry."""
    origin.answers(503)
    client = world.client(origin)
    outcomes = [client.outcome() for _ in range(10)]
    refused = [isinstance(outcome, resilient.CircuitOpenError) for outcome in outcomes]
    assert refused == [False] * 3 + [True] * 7
    assert origin.sent == 10
    assert "the last answer was 503" in outcomes[3].__notes__[0]


@sizes(calls=(5_000, 100_000))
def test_one_failure_in_ten_never_opens_it(world, origin, calls, found):
    """At five calls a second, a whole afternoon long: a flaky origin is no dead one."""
    origin.fails(rate=0.1, status=500)
    client = world.client(origin, only())

    async def script():
        for _ in range(calls):
            try:
                await client.ask()
            except resilient.CircuitOpenError:
                found["refused"] += 1
            await world.sleep(0.2)

    world.do(script)
    found.update(answered=origin.sent, failed=origin.count(status=500), refused=0)
    assert (origin.sent, found["refused"], client.circuit()) == (calls, 0, "closed")
    assert 0.08 < found["failed"] / calls < 0.12


def test_half_of_the_calls_in_the_window_open_it(world, origin):
    """Good and bad in turns: no run of ten, but the tenth failure of twenty calls."""
    origin.behaves(lambda request, number, now: 200 if number % 2 else 500)
    client = world.client(origin, only(window="10s"))
    states = [(client.get(), client.circuit())[1] for _ in range(20)]
    assert states == ["closed"] * 19 + ["open"]


@pytest.mark.parametrize(("every", "state"), [(0.3, "open"), (1.0, "closed")])
def test_the_window_needs_twenty_calls(world, origin, every, state):
    """Ten seconds hold them at three calls a second and not at one."""
    origin.behaves(lambda request, number, now: 200 if number % 2 else 500)
    client = world.client(origin, only())

    async def script():
        for _ in range(30):
            await client.ask()
            if client.circuit() == "open":
                return
            await world.sleep(every)

    world.do(script)
    assert client.circuit() == state


# --- what counts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blameless", [400, 401, 404, 422, 304, "pool", "bug", "address", "certificate", "proxy"])
def test_what_is_not_the_origins_fault_opens_nothing(world, origin, blameless):
    """An answer that blames the request, a pool that is full here, a bug, a bad address, a wrong configuration."""
    if blameless == "pool":
        origin.fails(error="pool")
    elif blameless == "bug":
        origin.behaves(lambda *_: ZeroDivisionError("a bug"))
    elif blameless == "address":
        origin.behaves(lambda *_: world.http.UnsupportedProtocol("ftp"))
    elif blameless == "proxy":
        origin.behaves(lambda *_: world.http.ProxyError("407 Proxy Authentication Required"))
    elif blameless == "certificate":
        error = world.http.ConnectError("certificate verify failed")
        error.__cause__ = ssl.SSLCertVerificationError("self-signed")
        origin.behaves(lambda *_: error)
    else:
        origin.answers(blameless)
    client = world.client(origin, only())
    for _ in range(40):
        client.outcome()
    assert (origin.sent, client.circuit()) == (40, "closed")
    assert client.client.state()["* https://api.test"]["circuit"]["failures"] == 0


def test_a_full_pool_is_no_fault_of_the_origin_even_at_the_deadline(world):
    """Whoever waits for a connection until the time is up has not asked anybody."""

    def full(request, number, now):
        error = world.http.PoolTimeout("")
        world.clock.advance(request.extensions["timeout"]["pool"])
        return error

    origin = world.origin().behaves(full)
    client = world.client(origin, Policy(deadline="1s", retry=None, breaker=CircuitBreaker(failures=1)))
    assert isinstance(client.outcome(), resilient.DeadlineExceededError)
    assert client.circuit() == "closed"


def test_an_answer_of_429_counts_for_the_ratio_only(world, origin):
    """Nineteen in a row are no run of failures; the twentieth makes half of twenty calls and more."""
    origin.answers(429)
    client = world.client(origin, only())
    states = [(client.get(), client.circuit())[1] for _ in range(20)]
    assert states == ["closed"] * 19 + ["open"]


def test_a_429_neither_ends_a_run_nor_prolongs_it(world, origin):
    """Nine failures, a 429, and the tenth failure opens it."""
    origin.answers(500, times=9).answers(429, times=1).answers(500, times=1)
    client = world.client(origin, only())
    states = [(client.get(), client.circuit())[1] for _ in range(11)]
    assert states == ["closed"] * 10 + ["open"]


def test_refusals_by_other_policies_are_no_failures(world, origin):
    """A spent quota refuses forty calls here; the circuit has not heard of them."""
    origin.answers(200, headers={"ratelimit": '"default";r=0;t=50'})
    client = world.client(origin)
    outcomes = [client.outcome() for _ in range(40)]
    assert sum(isinstance(outcome, resilient.RateLimitedError) for outcome in outcomes) == 39
    assert client.client.state()["* https://api.test"]["circuit"]["calls"] == 1


@pytest.mark.parametrize(("latency", "state"), [(0.6, "open"), (0.4, "closed")])
def test_slow_answers_open_it_where_that_is_asked_for(world, origin, latency, state):
    """Half of twenty calls above the limit are too many, however good the answers."""
    origin.answers(latency=latency)
    client = world.client(origin, only(slow="500ms", window="1m"))
    for _ in range(20):
        client.get()
    assert client.circuit() == state


def test_the_slowness_of_one_hop_is_not_that_of_the_next(world, origin):
    """A redirect is answered slowly, and what it leads to at once: half of the answers were slow."""
    origin.at("/old").answers(302, headers={"location": "/new"}, latency=0.6)
    client = world.client(origin, only(slow="500ms", window="1m"))
    for _ in range(5):
        client.get("/old", follow_redirects=True)
    circuit = client.client.state()["* https://api.test"]["circuit"]
    assert (circuit["calls"], circuit["slow"]) == (10, 5)


def test_without_that_slowness_is_no_failure(world, origin):
    """It is off by default."""
    origin.answers(latency=9.0)
    client = world.client(origin, only(window="10m"))
    for _ in range(30):
        client.get()
    assert client.circuit() == "closed"


def test_a_streamed_body_that_breaks_counts_on_its_own(world, origin):
    """Headers come well every time; ten bodies in a row that do not are ten failures."""
    origin.answers(body=[b"one", b"two"], drop_after=3)
    client = world.client(origin, only(failures=2))

    async def script():
        response = await client.ask(stream=True)
        with pytest.raises(world.http.RemoteProtocolError):
            await client.read(response)
        await client.close(response)

    for _ in range(10):
        world.do(script)
    snapshot = client.client.state()["* https://api.test"]["circuit"]
    assert (snapshot["failures"], snapshot["calls"]) == (10, 20)
    assert snapshot["state"] == "open"


def test_a_reader_who_stops_half_way_blames_nobody(world, origin):
    """Closing early is the reader's own affair."""
    origin.answers(body=[b"one", b"two"])
    client = world.client(origin, only())

    async def script():
        await client.close(await client.ask(stream=True))

    for _ in range(20):
        world.do(script)
    assert client.client.state()["* https://api.test"]["circuit"]["failures"] == 0


def test_what_began_before_it_opened_is_not_counted_after(world, origin):
    """A slow failure from before the outage says nothing about the origin that has recovered."""
    origin.at("/slow").answers(500, latency=1.5)
    client = world.client(origin, only(failures=10))

    async def outage():
        await world.sleep(0.1)
        origin.at("/").fails(status=500, times=10)
        for _ in range(10):
            await client.ask()
        await world.sleep(1.0)
        return (await client.ask()).status_code, client.circuit()

    *_, recovered = world.run([lambda: client.ask(url="/slow")] * 9 + [outage])
    assert recovered == (200, "closed")
    snapshot = client.client.state()["* https://api.test"]["circuit"]
    assert (snapshot["run"], snapshot["failures"]) == (0, 0)


# --- open, half-open, closed -------------------------------------------------------------------------------------


def test_the_open_period_doubles_up_to_thirty_seconds(world, origin):
    """From one second, each shortened by up to a tenth, so that many clients do not probe in step."""
    origin.answers(500)
    events, refusals = [], []
    client = world.client(origin, only(), telemetry=[events.append])

    async def script():
        while origin.sent < 18:
            try:
                await client.ask()
            except resilient.CircuitOpenError as error:
                refusals.append(error)
                await world.sleep(error.retry_in)

    world.do(script)
    # Who waits for exactly as long as a refusal says is let through: one refusal a period.
    assert len(refusals) == 8
    periods = [event.open_for for event in events if isinstance(event, CircuitOpened)]
    whole = [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert len(periods) == 9
    assert all(0.9 * most <= period <= most for period, most in zip(periods, whole, strict=True))
    assert len({period / most for period, most in zip(periods, whole, strict=True)}) == 9
    # Ten failures open it; then one probe a period.
    assert origin.sent == 18


def test_retry_after_makes_it_longer(world, origin):
    """At most to the longest period; a shorter wish changes nothing."""
    for asked, least, most in (("5", 5.0, 5.5), ("0", 0.9, 1.0), ("3600", 30.0, 30.0)):
        origin = world.origin().answers(503, headers={"retry-after": asked})
        client = world.client(origin, only())
        for _ in range(10):
            client.get()
        with pytest.raises(resilient.CircuitOpenError) as caught:
            client.get()
        assert least <= caught.value.retry_in <= most


@pytest.mark.parametrize("outage", [3.0, 20.0])
def test_after_recovery_the_first_success_comes_within_the_open_period(world, origin, outage):
    """And one call: nobody is refused for longer than the circuit had chosen."""
    origin.during(0, outage).answers(503, latency=0.01)
    origin.answers(200, latency=0.01)
    events = []
    client = world.client(origin, telemetry=[events.append])

    async def caller():
        try:
            return world.now if (await client.ask()).status_code == 200 else None
        except resilient.CircuitOpenError:
            return None

    good = [at for at in world.run([caller] * int(20 * (outage + 40)), every=0.05) if at is not None]
    period = [event.open_for for event in events if isinstance(event, CircuitOpened)][-1]
    assert min(good) <= outage + period + 0.05 + 0.01
    assert client.circuit() == "closed"


def test_one_probe_goes_and_the_others_are_refused(world, origin):
    """Its success closes the circuit; the events tell each step."""
    events = []
    client = opened(world, origin, telemetry=[events.append])
    origin.answers(200, latency=0.1)
    world.clock.advance(1.0)
    outcomes = world.run([client.ask] * 50, return_errors=True)
    assert origin.sent == 11
    assert sum(isinstance(outcome, resilient.CircuitOpenError) for outcome in outcomes) == 49
    assert client.circuit() == "closed"
    steps = [type(event) for event in events if isinstance(event, CircuitOpened | CircuitHalfOpened | CircuitClosed)]
    assert steps == [CircuitOpened, CircuitHalfOpened, CircuitClosed]


def test_a_probe_that_fails_opens_it_again(world, origin):
    """For twice as long."""
    client = opened(world, origin)
    origin.answers(500)
    world.clock.advance(1.0)
    assert client.get().status_code == 500
    with pytest.raises(resilient.CircuitOpenError) as caught:
        client.get()
    assert 1.8 <= caught.value.retry_in <= 2.0


@pytest.mark.parametrize("probes", [1, 3])
def test_exactly_so_many_probes_go_of_a_thousand_tasks(async_world, probes):
    """However many ask in the same instant; when they succeed, everybody passes."""
    world = async_world
    origin = world.origin()
    client = opened(world, origin, only(probes=probes))
    origin.answers(200, latency=0.1)
    world.clock.advance(1.0)
    world.run([client.ask] * 1_000, return_errors=True)
    assert origin.sent == 10 + probes
    assert client.circuit() == "closed"
    world.run([client.ask] * 20)
    assert origin.sent == 30 + probes


@pytest.mark.parametrize("probes", [1, 3])
def test_exactly_so_many_probes_go_of_64_threads(family, probes):
    """Real threads on the real clock, let go at once; the probes are answered when all others have been refused."""
    sent, refused, all_refused = [], [], threading.Event()

    def answer(request):
        sent.append(request)
        if len(sent) <= 10:
            return family.http.Response(500)
        # Who goes too many keeps this from being set.
        all_refused.wait(30)
        return family.http.Response(200)

    transport = family.http.MockTransport(answer)
    policy = only(probes=probes, open_for="50ms")
    with family.door.ResilientClient(transport=transport, policies=policy) as client:
        for _ in range(10):
            client.get("https://api.test/")
        gate = threading.Barrier(64)

        def work():
            gate.wait()
            try:
                client.get("https://api.test/")
            except resilient.CircuitOpenError as error:
                refused.append(error)
                if len(refused) == 64 - probes:
                    all_refused.set()

        threads = [threading.Thread(target=work) for _ in range(64)]
        time.sleep(0.06)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(sent) == 10 + probes
    assert len(refused) == 64 - probes


def test_a_probe_that_is_never_heard_of_again_gives_up_its_place(world, origin):
    """It hangs without any timeout; after half a minute another one goes, and the circuit closes."""
    client = opened(world, origin, Policy.passthrough().replace(breaker=CircuitBreaker()), timeout=None)
    world.clock.advance(1.0)
    origin.hangs(times=1)
    held = []

    async def script():
        held.append(world.start(client.ask))  # a task that nobody holds is collected, and gives up its place at once
        await world.sleep(29.0)
        with pytest.raises(resilient.CircuitOpenError):
            await client.ask()
        await world.sleep(1.0)
        return (await client.ask()).status_code

    assert world.do(script) == 200
    assert (origin.sent, client.circuit()) == (12, "closed")


# --- by hand -----------------------------------------------------------------------------------------------------


def test_it_can_be_isolated_and_closed_by_hand(world, origin):
    """Isolated it refuses for as long as nobody closes it; what came before is forgotten then."""
    events = []
    client = world.client(origin, telemetry=[events.append])
    handle = client.client.circuit("https://api.test/any")
    handle.isolate()
    assert handle.state == client.circuit() == "isolated"
    world.clock.advance("1d")
    with pytest.raises(resilient.CircuitOpenError, match="isolated by hand") as caught:
        client.get()
    assert caught.value.retry_in == float("inf")
    handle.close()
    assert client.get().status_code == 200
    assert origin.sent == 1
    told = [event for event in events if isinstance(event, CircuitOpened | CircuitClosed)]
    assert told == [
        CircuitOpened(circuit="https://api.test", open_for=float("inf"), cause="manual"),
        CircuitClosed(circuit="https://api.test"),
    ]


def test_closing_by_hand_ends_an_outage_early(world, origin):
    """Somebody knows better than the clock."""
    client = opened(world, origin)
    client.client.circuit("https://api.test/").close()
    assert client.get().status_code == 200
    assert world.now == 0.0


def test_it_may_only_watch(world, origin):
    """It tells what it would do, and refuses nothing."""
    origin.answers(500)
    events = []
    client = world.client(origin, only(observe_only=True), telemetry=[events.append])
    for _ in range(15):
        assert client.get().status_code == 500
    assert (origin.sent, client.circuit()) == (15, "open")
    assert [type(event) for event in events if isinstance(event, CircuitOpened | Rejected)] == [
        CircuitOpened,
        *[Rejected] * 5,
    ]
    origin.answers(200)
    world.clock.advance(1.0)
    client.get()
    assert client.circuit() == "closed"


def test_a_retry_ends_where_the_circuit_opens(world, origin):
    """However many attempts are allowed: an open circuit is no reason to wait for it."""
    origin.answers(503)
    policy = Policy(budget=None, retry=Retry(max_attempts=50, wait=wait_fixed(0.01)))
    with pytest.raises(resilient.CircuitOpenError):
        world.client(origin, policy).get()
    assert origin.sent == 10
    assert world.now == pytest.approx(0.1)
