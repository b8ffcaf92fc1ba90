"""Errors at the door: ours and the library's own at once, with data, a request and a journey; and they travel."""

import asyncio
import copy
import pickle
import traceback

import pytest

import resilient
from resilient import CircuitBreaker, Policy, Retry, deadline_scope, errors, options

ATTEMPTS = Retry(max_attempts=2)


def circuit_open(world, origin):
    caller = world.client(origin, Policy(breaker=CircuitBreaker(failures=1), retry=None))
    origin.answers(503)
    caller.get()
    return caller.outcome("GET", "/x")


def deadline_exceeded(world, origin):
    origin.hangs()
    return world.client(origin, Policy(deadline=2, retry=ATTEMPTS)).outcome("GET", "/x")


def attempt_timeout(world, origin):
    origin.hangs()
    return world.client(origin, Policy(attempt_timeout=2, retry=ATTEMPTS)).outcome("GET", "/x")


def rate_limited(world, origin):
    caller = world.client(origin, Policy(deadline=2))
    origin.answers(headers={"ratelimit": '"q";r=0;t=60'})
    caller.get()
    return caller.outcome("GET", "/x")


# The error: how it comes about, its data, and what code written for httpx catches it by.
OURS = {
    "CircuitOpenError": (circuit_open, {"circuit": "https://api.test", "retry_in": 1.0}, "TransportError"),
    "DeadlineExceededError": (deadline_exceeded, {"timeout": 2.0}, "TimeoutException"),
    "AttemptTimeoutError": (attempt_timeout, {"timeout": 2.0}, "TimeoutException"),
    "RateLimitedError": (rate_limited, {"origin": "https://api.test", "retry_in": 60.0}, "TransportError"),
}


@pytest.fixture(params=OURS)
def name(request):
    return request.param


@pytest.fixture
def error(world, origin, name):
    return OURS[name][0](world, origin)


def test_an_error_is_ours_and_the_librarys_at_once(world, name, error):
    """``except resilient.CircuitOpenError``, ``except httpx.HTTPError`` and what lies between: each catches it."""
    for kind in (getattr(resilient, name), resilient.CallError, resilient.ResilientError):
        assert isinstance(error, kind)
    for kind in (OURS[name][2], "TransportError", "RequestError", "HTTPError"):
        assert isinstance(error, getattr(world.http, kind))
    assert type(error).__module__ == f"{world.family.door.__name__}.errors"


def test_an_error_carries_its_data_its_request_and_its_journey(name, error):
    """And says what to do about it, in words."""
    for field, value in OURS[name][1].items():
        assert getattr(error, field) == pytest.approx(value, rel=0.15) if isinstance(value, float) else value
    assert str(error.request.url) == "https://api.test/x"
    assert error.journey.route == "*"
    assert error.journey.ended is not None
    assert str(error)


def test_an_error_travels_to_another_process_whole(world, name, error):
    """Workers and queues pickle them: class, words, data, notes and journey arrive."""
    error.add_note("a note of the caller's")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        arrived = pickle.loads(pickle.dumps(error, protocol))
        assert type(arrived) is type(error)
        assert isinstance(arrived, world.http.HTTPError)
        assert (str(arrived), arrived.args, arrived.__notes__) == (str(error), error.args, error.__notes__)
        for field in OURS[name][1]:
            assert getattr(arrived, field) == getattr(error, field)
        assert arrived.journey.timeline == error.journey.timeline
        assert str(arrived.journey) == str(error.journey)
        assert str(arrived.request.url) == "https://api.test/x"
    assert str(copy.copy(error)) == str(error)


def test_the_librarys_own_errors_travel_too(world, origin):
    """A read error after three attempts: it has a journey and a note, and still pickles."""
    origin.fails(error="read")
    error = world.client(origin).outcome()
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is world.http.ReadError
    assert len(arrived.journey.attempts) == 3
    assert arrived.__notes__ == error.__notes__
    assert arrived.__notes__[0].startswith("3 attempts in ")


def test_an_error_is_chained_to_what_the_library_said(world, name, error):
    """A timeout of ours to the library's timeout, once; nothing to the same error in its neutral form."""
    text = "".join(traceback.format_exception(error))
    assert text.count(f"{name}:") == 1
    if name in {"DeadlineExceededError", "AttemptTimeoutError"}:
        assert isinstance(error.__cause__, world.http.TimeoutException | TimeoutError)
        assert not isinstance(error.__cause__, resilient.ResilientError)


def test_the_last_error_is_raised_as_it_is(world, origin):
    """No wrapper: code written for the library's errors goes on working."""
    origin.fails(error="read")
    error = world.client(origin).outcome()
    assert type(error) is world.http.ReadError
    assert str(error.request.url) == "https://api.test/"


def test_an_error_in_a_hook_is_the_callers_own(world, origin):
    """Neither retried nor dressed; the answer that it concerned is closed."""

    def hook(response):
        raise KeyError("mine")

    async def hook_of_a_task(response):
        hook(response)

    caller = world.client(origin, event_hooks={"response": [world.choose(hook, hook_of_a_task)]})
    assert repr(caller.outcome()) == "KeyError('mine')"
    assert (origin.sent, origin.open_bodies) == (1, 0)


def test_a_bug_in_a_transport_is_shown_as_it_is(world, origin):
    """Once; the breaker and the retry take no part."""
    origin.behaves(lambda *_: ZeroDivisionError("a bug"))
    caller = world.client(origin, Policy(breaker=CircuitBreaker(failures=1)))
    assert repr(caller.outcome()) == "ZeroDivisionError('a bug')"
    assert (origin.sent, caller.circuit()) == (1, "closed")


def test_a_blocking_client_refuses_what_needs_a_loop(world, origin):
    """A middleware that awaits real I/O: a clear error in the blocking colour; in tasks it just works."""

    async def slow(call, proceed):
        await asyncio.sleep(0)
        return await proceed(call)

    outcome = world.client(origin, Policy(pipeline=[slow])).outcome()
    if world.colour == "blocking":
        assert isinstance(outcome, resilient.SuspendedError)
        assert isinstance(outcome, RuntimeError)
        assert "use its blocking form, or the async client" in str(outcome)
    else:
        assert outcome.status_code == 200


def test_a_surrounding_deadline_is_named_by_the_error_too(world, origin):
    """The error says how long the call had."""
    origin.hangs()
    caller = world.client(origin)

    async def script():
        with deadline_scope(1.5, clock=world.clock):
            await caller.ask()

    error = world.run([script], return_errors=True)[0]
    assert (error.timeout, world.now) == (1.5, 1.5)


def test_every_call_error_has_a_form_of_the_librarys(family):
    """One that is raised in a middleware and had none would slip through ``except httpx.HTTPError``."""
    kinds = [errors.CallError, *errors.CallError.__subclasses__()]
    neutral = [kind for kind in kinds if kind.__module__ == "resilient.errors"]
    natives = family.door.LIBRARY.natives
    assert set(neutral) == set(natives)
    for kind, native in natives.items():
        assert issubclass(native, kind)
        assert issubclass(native, family.http.TransportError)
        assert native.__name__ == kind.__name__


def test_a_call_error_of_a_middleware_is_dressed_too(world, family, origin):
    """As it is, or as a class of the middleware's own that is made from the door's."""

    class TooBigError(family.door.CallError):
        pass

    for kind in (resilient.CallError, TooBigError):

        async def refuse(call, proceed, kind=kind):
            raise kind("too big")

        error = world.client(origin, Policy(pipeline=[refuse])).outcome()
        assert isinstance(error, kind)
        assert isinstance(error, world.http.TransportError)
        assert str(error) == "too big"
        assert error.request.url.host == "api.test"


def test_a_cancelled_or_interrupted_call_is_no_error_of_ours(world, origin):
    """What is no ``Exception`` passes as it is, and nothing is retried."""

    class Interrupt(BaseException):
        pass

    def behave(*_):
        raise Interrupt

    origin.behaves(behave)
    caller = world.client(origin)

    async def script():
        with pytest.raises(Interrupt):
            await caller.ask(extensions=options(deadline=5))

    world.do(script)
    assert (origin.sent, caller.circuit()) == (1, "closed")
