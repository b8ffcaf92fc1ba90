"""What goes over the wire in a test, and the small language in which tests say it."""

import re
from dataclasses import dataclass
from email.utils import formatdate
from time import gmtime, strftime
from typing import Any

Step = dict[str, Any]
"""One request of a test, as the suite defines it."""

DATES = {"date", "expires", "last-modified", "if-modified-since", "if-unmodified-since"}
LOCATIONS = {"location", "content-location"}
NO_BODY = {204, 304}


@dataclass
class Answer:
    """What a client was answered."""

    status: int
    fields: list[tuple[str, str]]
    body: str = ""

    def get(self, name: str) -> str | None:
        """A field's value, of several lines as one list."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        return ", ".join(values) if values else None


class Mismatch(Exception):
    """Something is not as the test expects; ``setup`` if that was only a preparation, so that nothing is proved."""

    def __init__(self, setup: bool, message: str) -> None:
        super().__init__(message)
        self.setup = setup


def ensure(holds: bool, setup: bool, message: str) -> None:
    """Raise unless it holds."""
    if not holds:
        raise Mismatch(setup, message)


def is_setup(step: Step, expectation: str) -> bool:
    """Whether that expectation of a step belongs to the preparations."""
    return step.get("setup") is True or expectation in step.get("setup_tests", ())


def number_in(text: str | None) -> int | None:
    """The whole number at the front of a text, as JavaScript reads it."""
    match = re.match(r"\s*([+-]?\d+)", text or "")
    return int(match[1]) if match else None


def resolved(field: list[Any], now: int | None, base: str | None, step: Step) -> str:
    """A field's value: dates may be given in seconds from ``now`` (milliseconds), places relative to ``base``."""
    name, value = str(field[0]).lower(), field[1]
    if name in DATES and isinstance(value, int) and now is not None:
        at = now // 1000 + value
        if name in step.get("rfc850date", ()):
            return strftime("%A, %d-%b-%y %H:%M:%S GMT", gmtime(at))
        return formatdate(at, usegmt=True)
    if name in LOCATIONS and step.get("magic_locations"):
        return f"{base}/{value}" if value else f"{base}"
    return str(value)


def resolved_by(field: list[Any], answer: Answer | None, step: Step) -> str:
    """The same, by the clock and the address that the origin told in an answer."""
    if answer is None:
        return resolved(field, None, None, step)
    return resolved(field, number_in(answer.get("server-now")), answer.get("server-base-url"), step)


def fields_of(number: int, case: str, step: Step, previous: Answer | None) -> list[tuple[bytes, bytes]]:
    """The header fields of a test's request, as a browser would send them; fields given twice go on two lines."""
    fields = []
    for name, value in step.get("request_headers", ()):
        is_date = step.get("magic_ims") is True and name.lower() == "if-modified-since"
        text = resolved_by([name, value], previous, step) if is_date else str(value)
        fields.append((name, text.strip()))
    if step.get("cache") == "no-cache" and not any(name.lower() == "cache-control" for name, _ in fields):
        fields.append(("Cache-Control", "max-age=0"))  # what a browser adds in this mode of fetch()
    fields += [("Test-ID", case), ("Req-Num", str(number))]
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields]
