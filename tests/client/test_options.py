"""What a caller may ask for one request."""

import re
from datetime import timedelta

import pytest

import resilient
from resilient import ConfigurationError, Deadline, Policy, ResponseCache, Retry, options
from resilient.options import Options


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"deadline": "fast"}, "a number of seconds, a timedelta, or text"),
        ({"deadline": 0}, "above zero"),
        ({"deadline": True}, "above zero"),
        ({"attempt_timeout": -1}, "above zero"),
        ({"idempotent": "yes"}, "True or False"),
        ({"cache": 0}, "True or False"),
        ({"route": 5}, "text"),
        ({"partition": b"x"}, "text"),
        ({"idempotency_key": ""}, "printable ASCII"),
        ({"idempotency_key": "a\r\nx-evil: 1"}, "printable ASCII"),
        ({"idempotency_key": "ключ"}, "printable ASCII"),
        ({"idempotency_key": 5}, "printable ASCII"),
    ],
)
def test_a_wrong_option_is_refused_when_it_is_given(given, right):
    """Not when the request is sent; the message names the option, the value, and what is right."""
    with pytest.raises(ConfigurationError) as caught:
        options(**given)
    [(name, value)] = given.items()
    assert f"{name}={value!r}" in str(caught.value)
    assert right in str(caught.value)


def test_an_option_that_does_not_exist_is_refused():
    """As any other argument of a function."""
    with pytest.raises(TypeError, match="deadlnie"):
        options(deadlnie=5)


def test_what_contradicts_itself_is_refused():
    """A key makes a request safe to repeat."""
    with pytest.raises(ConfigurationError, match="contradicts"):
        options(idempotent=False, idempotency_key="k")


def test_durations_are_read_in_one_way():
    """Numbers, spans and text."""
    for given in (1.5, "1500ms", "1.5s", timedelta(seconds=1.5)):
        assert options(deadline=given, attempt_timeout=given) == options(deadline=1.5, attempt_timeout=1.5)


def test_options_are_extensions(world, origin):
    """They stand beside others, and nothing of them is in the fields of a request."""
    caller = world.client(origin)
    caller.get(extensions={**options(route="x"), "sni_hostname": "y"})
    received = origin.requests[0]
    assert received.extensions["sni_hostname"] == "y"
    assert received.extensions["resilient"] == Options(route="x")
    assert "x" not in received.headers.values()


def test_a_deadline_for_one_request(world, origin):
    """Shorter or longer than the policy's."""
    caller = world.client(origin, Policy(deadline=2, retry=None, attempt_timeout=None))
    origin.hangs()
    for seconds in (1, 10):
        began = world.now
        error = caller.outcome(extensions=options(deadline=seconds))
        assert isinstance(error, resilient.DeadlineExceededError)
        assert (error.timeout, world.now - began) == (seconds, seconds)


def test_an_attempt_timeout_for_one_request(world, origin):
    """In place of the policy's; the breaker and the retry see it as any other."""
    caller = world.client(origin, Policy(retry=Retry(max_attempts=2)))
    origin.hangs(times=1)
    answer = caller.get(extensions=options(attempt_timeout="500ms"))
    assert [one.seconds for one in answer.extensions["resilient"].attempts] == [0.5, 0]


def test_a_request_may_be_declared_safe_to_repeat(world, origin):
    """Or not."""
    caller = world.client(origin)
    origin.answers(503, times=1)
    assert caller.post(extensions=options(idempotent=True)).status_code == 200
    assert origin.sent == 2
    origin.answers(503, times=1)
    assert caller.get(extensions=options(idempotent=False)).status_code == 503
    assert origin.sent == 3


def test_an_idempotency_key_is_the_same_in_each_attempt(world, origin):
    """And makes a POST safe to repeat."""
    caller = world.client(origin)
    origin.answers(503, times=2)
    assert caller.post(extensions=options(idempotency_key="order 7")).status_code == 200
    assert [one.headers["idempotency-key"] for one in origin.requests] == ["order 7"] * 3


def test_a_random_idempotency_key_is_another_one_each_time(world, origin):
    """``True`` makes a UUID; ``False`` makes none."""
    caller = world.client(origin)
    for _ in range(2):
        caller.post(extensions=options(idempotency_key=True))
    caller.post(extensions=options(idempotency_key=False))
    first, second, third = [one.headers.get("idempotency-key") for one in origin.requests]
    assert first != second
    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert third is None


def test_options_travel_with_redirects(world, origin):
    """Each hop is part of the same call."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m")))
    origin.at("/a").answers(301, headers={"location": "/b"})
    for _ in range(2):
        answer = caller.get("/a", follow_redirects=True, extensions=options(cache=False, route="x"))
    assert origin.sent == 4
    assert answer.extensions["resilient"].route == "x"


def test_a_deadline_may_be_told_to_the_origin(world, origin):
    """Whole milliseconds that are left; not in the caller's request."""
    caller = world.client(origin, Policy(deadline=Deadline("2s", header="x-deadline-ms")))
    origin.answers(503, times=1, latency=0.5)
    answer = caller.get()
    first, second = [int(one.headers["x-deadline-ms"]) for one in origin.requests]
    assert first == 2000
    assert second < 1500
    assert "x-deadline-ms" not in answer.request.headers
