"""Whether what a client and the origin have seen is what a test expects, by the rules of the suite's own client."""

from typing import Any

from .messages import NO_BODY, Answer, Mismatch, Step, ensure, is_setup, number_in, resolved_by

VALIDATORS = {"etag_validated": "if-none-match", "lm_validated": "if-modified-since"}


def check_answer(token: str, number: int, step: Step, answer: Answer) -> None:
    """What the client has seen of one answer.

    Raises:
        Mismatch: it is not as it should be.
    """
    seen = (answer.get("request-numbers") or "").split()
    ensure(len(seen) == len(set(seen)), True, "the client sent a request twice")
    _check_source(number, step, answer)
    _check_status(step, answer)
    for field in step.get("expected_response_headers", ()):
        _check_field(step, answer, field)
    for name in step.get("expected_response_headers_missing", ()):
        # What is given as a pair is not compared by the suite's own client either.
        if isinstance(name, str):
            setup = is_setup(step, "expected_response_headers_missing")
            ensure(answer.get(name) is None, setup, f"{name} is there: {answer.get(name)}")
    _check_body(token, step, answer)


def _check_source(number: int, step: Step, answer: Answer) -> None:
    expected, setup = step.get("expected_type"), is_setup(step, "expected_type")
    count = number_in(answer.get("server-request-count"))
    if expected == "cached" and not (answer.status == 304 and count is None):
        ensure(count is not None and count < number, setup, f"answer {number} does not come from the cache")
    elif expected == "not_cached":
        ensure(count == number, setup, f"answer {number} comes from the cache")


def _check_status(step: Step, answer: Answer) -> None:
    if "expected_status" in step:
        wanted = step["expected_status"]
        matches = wanted is None or answer.status == wanted
        ensure(matches, is_setup(step, "expected_status"), f"status {answer.status}, not {wanted}")
    elif "response_status" in step:
        wanted = step["response_status"][0]
        ensure(answer.status == wanted, True, f"status {answer.status}, not {wanted}")
    elif answer.status == 999:  # what the origin answers to a request without the validator that it was to have
        raise Mismatch(is_setup(step, "expected_type"), "the request was not conditional")
    else:
        ensure(answer.status == 200, True, f"status {answer.status}, not 200")


def _check_field(step: Step, answer: Answer, field: Any) -> None:
    setup = is_setup(step, "expected_response_headers")
    name, *rest = [field] if isinstance(field, str) else field
    value = answer.get(name)
    if len(rest) == 1:
        wanted = resolved_by(field, answer, step)
        ensure(value == wanted, setup, f"{name} is {value!r}, not {wanted!r}")
        return
    ensure(value is not None, setup, f"{name} is not there")
    if not rest:
        return
    operator, other = rest
    if operator == "=":
        ensure(value == answer.get(other), setup, f"{name} is {value!r}, not as {other}: {answer.get(other)!r}")
    else:
        assert operator == ">", operator
        ensure((number_in(value) or 0) > other, setup, f"{name} is {value!r}, not above {other}")


def _check_body(token: str, step: Step, answer: Answer) -> None:
    if step.get("check_body") is False:
        return
    if "expected_response_text" in step:
        wanted, setup = step["expected_response_text"], is_setup(step, "expected_response_text")
    elif step.get("response_body") is not None:
        wanted, setup = step["response_body"], True
    else:
        has_none = answer.status in NO_BODY or step.get("request_method") == "HEAD"
        wanted, setup = None if has_none else token, True
    ensure(wanted is None or answer.body == wanted, setup, f"the body is {answer.body[:50]!r}, not {wanted!r}")


def check_origin(steps: list[Step], answers: list[Answer], received: list[dict[str, Any]]) -> None:
    """What the origin has received, against what it should have.

    Raises:
        Mismatch: it is not as it should be.
    """
    rest = iter(received)
    for number, (step, answer) in enumerate(zip(steps, answers, strict=True), 1):
        if step.get("expected_type") == "cached":
            continue
        seen = next(rest, None)
        _check_request(number, step, seen)
        if seen is not None:
            _check_handed_on(seen, answer)


def _check_request(number: int, step: Step, seen: dict[str, Any] | None) -> None:
    expected, setup = step.get("expected_type"), is_setup(step, "expected_type")
    if expected == "not_cached":
        ensure(seen is not None and seen["request_num"] == number, setup, f"answer {number} comes from the cache")
    if expected in VALIDATORS:
        ensure(seen is not None, setup, f"request {number} was not sent")
        ensure(VALIDATORS[expected] in _fields(seen, number), setup, f"request {number} has no {VALIDATORS[expected]}")
    for field in step.get("expected_request_headers", ()):
        _check_sent(number, step, seen, field, wanted=True)
    for field in step.get("expected_request_headers_missing", ()):
        _check_sent(number, step, seen, field, wanted=False)
    if "expected_method" in step:
        method = None if seen is None else seen["request_method"]
        setup = is_setup(step, "expected_method")
        ensure(method == step["expected_method"], setup, f"request {number} has the method {method}")


def _check_sent(number: int, step: Step, seen: dict[str, Any] | None, field: Any, *, wanted: bool) -> None:
    setup = is_setup(step, "expected_request_headers" if wanted else "expected_request_headers_missing")
    name = field if isinstance(field, str) else field[0]
    value = _fields(seen, number).get(name.lower())
    holds = value is not None if isinstance(field, str) else value == field[1]
    ensure(holds == wanted, setup, f"request {number} has {name}: {value}")


def _fields(seen: dict[str, Any] | None, number: int) -> dict[str, str]:
    ensure(seen is not None, False, f"request {number} was not sent")
    return {} if seen is None else seen["request_headers"]


def _check_handed_on(seen: dict[str, Any], answer: Answer) -> None:
    """Whether every field that the origin meant to be looked at has reached the client."""
    for name, value in seen["response_headers"]:
        sent = ", ".join(value) if isinstance(value, list) else value
        # A browser hides Set-Cookie from the suite, so a cache that leaves it out is not to be blamed.
        if name.lower() not in ("date", "set-cookie", "set-cookie2"):
            ensure(answer.get(name) == sent, True, f"{name} is {answer.get(name)!r}, not {sent!r}")
