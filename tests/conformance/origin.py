"""The suite's origin in this process: it answers each request of a test as the test says, and notes what it received.

It does as the server in the suite's package does, over which ``make conformance`` runs the same tests.
"""

from copy import deepcopy
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from resilient.ports import Clock

from .messages import NO_BODY, Step, number_in, resolved


@dataclass(frozen=True)
class Sent:
    """One answer, as it goes over the wire."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes


class SuiteOrigin:
    """All tests' origins, told apart by a token in the address.

    Args:
        clock: what tells the time in its answers.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: dict[str, list[Step]] = {}
        self._received: dict[str, list[dict[str, Any]]] = {}

    def configure(self, token: str, steps: list[Step]) -> None:
        """Prepare for the requests of a test."""
        self._steps[token] = deepcopy(steps)
        self._received[token] = []

    def state(self, token: str) -> list[dict[str, Any]]:
        """What was received of a test, and what was answered."""
        return self._received[token]

    def answer(self, method: str, target: str, headers: dict[str, str]) -> Sent | None:
        """The answer to a request; None hangs up."""
        token = target.partition("?")[0].split("/")[2]
        steps, received = self._steps[token], self._received[token]
        number = number_in(headers.get("req-num")) or len(received) + 1
        step, now = steps[number - 1], int(self._clock.wall() * 1000)
        status = _status(step, steps[number - 2] if number > 1 else {}, headers)
        fields = [
            ("Server-Base-Url", target),
            ("Server-Request-Count", str(len(received) + 1)),
            ("Client-Request-Count", str(number)),
            ("Server-Now", str(now)),
        ]
        told = _told(step, now, target)
        fields += told
        names = {name.lower() for name, _ in fields}
        if "content-type" not in names:
            fields.append(("Content-Type", "text/plain"))
        if "date" not in names:
            fields.append(("Date", formatdate(now // 1000, usegmt=True)))
        received.append(
            {
                "request_num": number,
                "request_method": method,
                "request_headers": headers,
                "response_headers": _looked_at(step, told),
            }
        )
        fields.append(("Request-Numbers", " ".join(str(one["request_num"]) for one in received)))
        if step.get("disconnect"):
            return None
        return _framed(status, fields, (step.get("response_body") or token).encode(), is_head=method == "HEAD")


def _status(step: Step, previous: Step, headers: dict[str, str]) -> int:
    """What a step says; 304 to a request with the validator that it asks for, 999 to one without."""
    if not step.get("expected_type", "").endswith("validated"):
        return step.get("response_status", [200])[0]
    for validator, condition in (("last-modified", "if-modified-since"), ("etag", "if-none-match")):
        values = [field[1] for field in previous.get("response_headers", ()) if field[0].lower() == validator]
        if values and headers.get(condition) == values[-1]:
            return 304
    return 999


def _told(step: Step, now: int, target: str) -> list[tuple[str, str]]:
    """The fields that a step names; their values are kept, since the next step compares with them."""
    for field in step.get("response_headers", ()):
        field[1] = resolved(field, now, target, step)
    return [(field[0], field[1]) for field in step.get("response_headers", ())]


def _looked_at(step: Step, told: list[tuple[str, str]]) -> list[list[Any]]:
    """Those which the test wants to see at the client, all lines of one name together."""
    names = [field[0] for field in step.get("response_headers", ()) if len(field) < 3 or field[2] is True]
    lines = {name: [value for other, value in told if other.lower() == name.lower()] for name in names}
    return [[name, values if len(values) > 1 else values[0]] for name, values in lines.items()]


def _framed(status: int, fields: list[tuple[str, str]], body: bytes, *, is_head: bool) -> Sent:
    """With a length; of a body that is longer than a step says, no more than that."""
    names = {name.lower(): value for name, value in fields}
    if status in NO_BODY or is_head:
        return Sent(status, fields, b"")
    if "content-length" in names:
        return Sent(status, fields, body[: int(names["content-length"])])
    if "transfer-encoding" in names:
        return Sent(status, fields, body)
    return Sent(status, [*fields, ("Content-Length", str(len(body)))], body)
