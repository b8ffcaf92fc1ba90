"""The rate limit and the circuit of a function: the client's own mechanics, for each key by itself."""

import asyncio
import threading
from functools import partial

import pytest

import resilient
from resilient.caching import protect
from resilient.caching.protect import Protected, RateLimited
from resilient.errors import CircuitOpenError, ConfigurationError, DeadlineExceededError, RateLimitedError
from resilient.events import CircuitClosed, CircuitHalfOpened, CircuitOpened, Paused, Rejected, Waited
from resilient.mechanics.breaker import Breaker
from resilient.runtime.drive import drive
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock, Simulation


@pytest.fixture(params=["blocking", "async"])
def world(request):
    return Simulation(request.param)


def do(world, *scripts):
    """What each script returned or raised; all begin at once."""
    return world.run(scripts, return_errors=True)


# --- the rate limit ----------------------------------------------------------------------------------------------


def test_what_is_too_much_is_refused_at_once(world):
    """Five a minute: the sixth is an error that says whose quota it is and when to come back."""
    limit, events = RateLimited("5/1m", name="rates.fetch"), []
    *went, refused = do(world, *[partial(limit.enter, world.runtime, "", events.append)] * 6)
    assert (went, world.now) == ([None] * 5, 0.0)
    assert isinstance(refused, RateLimitedError)
    assert (refused.origin, refused.retry_in) == ("rates.fetch", pytest.approx(12.0))
    assert str(refused) == "the quota of 'rates.fetch' is used up; try again in 12.0 s"
    assert events == [Rejected(by="rate", origin="rates.fetch", retry_in=12.0)]
    world.clock.advance(refused.retry_in)
    assert do(world, partial(limit.enter, world.runtime, "", events.append)) == [None]


def test_each_key_is_counted_by_itself(world):
    """One user's haste is not the other's."""
    limit = RateLimited("1/1m", name="f")
    enter = [partial(limit.enter, world.runtime, key, print) for key in ("ann", "bob", "ann", "bob")]
    assert [type(outcome) for outcome in do(world, *enter)] == [type(None)] * 2 + [RateLimitedError] * 2


def test_who_may_wait_does(world):
    """Up to ``max_wait``, in the order of coming; the rest is told at once how long it would be."""
    limit, events, went = RateLimited("1/s", burst=2, name="f", max_wait="2s"), [], []

    async def caller(number):
        await limit.enter(world.runtime, "k", events.append)
        went.append((number, world.now))

    outcomes = do(world, *[partial(caller, number) for number in range(6)])
    assert went == [(0, 0.0), (1, 0.0), (2, pytest.approx(1.0)), (3, pytest.approx(2.0))]
    assert [outcome.retry_in for outcome in outcomes if outcome] == [pytest.approx(3.0)] * 2
    assert events == [
        *(Paused(seconds=seconds, by="rate") for seconds in (1.0, 2.0)),
        *[Rejected(by="rate", origin="f", retry_in=3.0)] * 2,
        *(Waited(seconds=pytest.approx(seconds), by="rate") for seconds in (1.0, 2.0)),
    ]


def test_a_cancelled_wait_gives_up_its_place():
    """The next one goes in its stead."""
    world, went = Simulation("async"), []
    limit = RateLimited("1/s", name="f", max_wait="1m")

    async def caller(number):
        await limit.enter(world.runtime, "k", print)
        went.append((number, world.now))

    async def script():
        tasks = [asyncio.create_task(caller(number)) for number in range(4)]
        await world.sleep(0.5)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    world.run([script])
    assert went == [(0, 0.0), (2, pytest.approx(1.0)), (3, pytest.approx(2.0))]


def test_the_keys_that_were_used_least_lately_are_forgotten(monkeypatch):
    """So that memory is bounded; a key that is in use keeps what it used."""
    monkeypatch.setattr(protect, "MAX_KEYS", 100)
    limit, runtime = RateLimited("1/1h", name="f"), ThreadRuntime(FakeClock())

    def enter(key):
        try:
            drive(limit.enter(runtime, key, lambda event: None))
        except RateLimitedError:
            return False
        return True

    assert enter("busy")
    for number in range(1_000):
        assert enter(f"key {number}")
        assert not enter("busy")
    assert len(limit._lines._kept) == 100
    assert not enter("key 950")
    assert enter("key 1")


def test_sixty_four_threads_get_no_more_than_there_is():
    """Real threads, on one new key after the other: each has one line, whoever is first to ask for it."""
    limit, runtime, went = RateLimited("10/1h", name="f"), ThreadRuntime(FakeClock()), []
    barrier = threading.Barrier(64)

    def work():
        for round_ in range(20):
            barrier.wait()
            try:
                drive(limit.enter(runtime, f"key {round_}", lambda event: None))
            except RateLimitedError:
                continue
            went.append(round_)

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(went) == sorted(list(range(20)) * 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": "5 per second"}, "rate='5 per second' is not right; give '5/1s'"),
        ({"rate": "5/s", "burst": 0}, "burst=0 is not right; give a whole number of at least 1; 5 if left out"),
        ({"rate": "5/s", "max_wait": "soon"}, "max_wait='soon' is not a duration"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    """At construction, with the nearest right form."""
    with pytest.raises(ConfigurationError) as caught:
        RateLimited(name="f", **options)
    assert str(caught.value).startswith(message)


# --- the circuit -------------------------------------------------------------------------------------------------


class Function:
    """A function that answers or fails as it is told to, and counts how often it was called."""

    def __init__(self, world, error=None, takes=0.0):
        self.world, self.error, self.takes, self.calls = world, error, takes, 0

    async def __call__(self):
        self.calls += 1
        if self.takes:
            await self.world.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return "value"


def guarded(world, function, *, events=None, exceptions=Exception, **options):
    """Calls ``function`` through a circuit; each outcome is a value or an error."""
    protected = Protected(Breaker(**options), name="rates.fetch", exceptions=exceptions)
    record = (lambda event: None) if events is None else events.append

    def call(key="", at_once=1):
        return do(world, *[partial(protected.run, world.runtime, key, function, record)] * at_once)

    return call


def test_it_opens_probes_and_closes_as_a_clients_circuit_does(world):
    """Ten failures open it; a second later one call goes, and its success lets all others pass."""
    function, events = Function(world, ValueError("broken")), []
    call = guarded(world, function, events=events)
    for _ in range(10):
        assert call() == [function.error]
    (refused,) = call()
    assert isinstance(refused, CircuitOpenError)
    assert refused.circuit == "rates.fetch"
    assert 0.9 <= refused.retry_in <= 1.0
    assert function.calls == 10
    world.clock.advance(refused.retry_in)
    function.error, function.takes = None, 0.5
    outcomes = call(at_once=5)
    assert (outcomes.count("value"), function.calls) == (1, 11)
    assert all(isinstance(outcome, CircuitOpenError) for outcome in outcomes if outcome != "value")
    assert call(at_once=5) == ["value"] * 5
    steps = [type(event) for event in events]
    assert steps == [CircuitOpened, Rejected, CircuitHalfOpened, *[Rejected] * 4, CircuitClosed]
    assert {event.circuit for event in events if not isinstance(event, Rejected)} == {"rates.fetch"}
    assert {event.origin for event in events if isinstance(event, Rejected)} == {"rates.fetch"}


def test_each_key_has_a_circuit_of_its_own(world):
    """One that fails does not refuse the other."""
    function = Function(world, ValueError())
    call = guarded(world, function, failures=2)
    call("a"), call("a")
    assert isinstance(call("a")[0], CircuitOpenError)
    assert call("b") == [function.error]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OSError(), "open"),
        (ConnectionError(), "open"),
        (DeadlineExceededError(1.0), "closed"),
        (KeyError(), "closed"),
        (resilient.CircuitOpenError("https://api.test", 1.0), "closed"),
        (RateLimitedError("https://api.test", 1.0), "closed"),
    ],
)
def test_only_the_exceptions_that_were_named_are_failures(world, error, state):
    """Others are answers, and refusals of a client within the function say nothing."""
    call = guarded(world, Function(world, error), exceptions=(OSError,), failures=3)
    for _ in range(3):
        call()
    assert (call() == [error]) is (state == "closed")


@pytest.mark.parametrize("error", [RateLimitedError("https://api.test", 1.0), CircuitOpenError("x", 1.0)])
def test_a_refusal_within_the_function_is_no_failure_by_default(world, error):
    """Any other exception is one, a deadline that passed too."""
    call = guarded(world, Function(world, error), failures=3)
    for _ in range(5):
        assert call() == [error]
    late = guarded(world, Function(world, DeadlineExceededError(1.0)), failures=3)
    outcomes = [late()[0] for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [DeadlineExceededError] * 3 + [CircuitOpenError]


def test_an_exception_that_does_not_count_closes_a_half_open_circuit(world):
    """The function works again, it just does not know that key."""
    function = Function(world, OSError())
    call = guarded(world, function, exceptions=OSError, failures=1)
    call()
    world.clock.advance(1.0)
    function.error = KeyError("unknown")
    assert call() == [function.error]
    function.takes = 0.5
    assert call(at_once=5) == [function.error] * 5


def test_slow_calls_count_where_that_is_asked_for(world):
    """Half of four calls that take longer are too many; without the option none is."""
    function = Function(world, takes=2.0)
    options = {"min_calls": 4, "window": "1m"}
    call = guarded(world, function, slow="1s", **options)
    assert [call()[0] for _ in range(4)] == ["value"] * 4
    assert isinstance(call()[0], CircuitOpenError)
    patient = guarded(world, function, **options)
    assert [patient()[0] for _ in range(5)] == ["value"] * 5


def test_a_breaker_that_only_observes_refuses_nothing(world):
    """It tells of the refusal all the same."""
    function, events = Function(world, ValueError()), []
    call = guarded(world, function, events=events, failures=1, observe_only=True)
    assert call() == call() == [function.error]
    assert [type(event) for event in events] == [CircuitOpened, Rejected]


@pytest.mark.parametrize("after", ["0s", "1s"])
def test_a_cancelled_probe_gives_its_place_back(after):
    """Before its first step and in the midst of it: the next call is the probe, and the only one."""
    world = Simulation("async")
    function = Function(world, ValueError())
    protected = Protected(Breaker(failures=1), name="f")
    run = partial(protected.run, world.runtime, "", function, lambda event: None)
    assert do(world, run) == [function.error]
    world.clock.advance(1.0)
    function.error, function.takes = None, 10.0

    async def script():
        probe = asyncio.create_task(run())
        await world.sleep(float(after[:-1]))
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe

    world.run([script])
    outcomes = do(world, run, run, run)
    assert [type(outcome) for outcome in outcomes] == [str, CircuitOpenError, CircuitOpenError]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_probe_gives_its_place_back(error):
    """On a thread, likewise."""
    clock = FakeClock()
    runtime, function = ThreadRuntime(clock), Function(None, ValueError())
    protected = Protected(Breaker(failures=1), name="f")
    with pytest.raises(ValueError, match=r"^$"):
        drive(protected.run(runtime, "", function, print))
    clock.advance(1.0)
    function.error = error()
    with pytest.raises(error):
        drive(protected.run(runtime, "", function, print))

    async def another():
        with pytest.raises(CircuitOpenError):
            drive(protected.run(runtime, "", function, print))
        return "value"

    assert drive(protected.run(runtime, "", another, print)) == "value"


def test_exactly_one_probe_goes_of_sixty_four_threads():
    """Real threads, let go at once on an open circuit whose period is over."""
    clock, barrier, release, ran, refused = FakeClock(), threading.Barrier(65), threading.Event(), [], []
    runtime, function = ThreadRuntime(clock), Function(None, ValueError())
    protected = Protected(Breaker(failures=1), name="f")
    with pytest.raises(ValueError, match=r"^$"):
        drive(protected.run(runtime, "", function, lambda event: None))
    clock.advance(1.0)

    async def slow():
        release.wait()
        ran.append(1)

    def work():
        barrier.wait()
        try:
            drive(protected.run(runtime, "", slow, lambda event: None))
        except CircuitOpenError:
            refused.append(1)
            if len(refused) == 63:
                release.set()

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    barrier.wait()
    for thread in threads:
        thread.join()
    assert (len(ran), len(refused)) == (1, 63)
