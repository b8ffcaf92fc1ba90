"""One event as it is seen from outside: when it happened, whose it is, and what it says."""

from __future__ import annotations

from msgspec import Struct, convert, json, to_builtins

import resilient.events
from resilient.events import Event
from resilient.telemetry import Source

KINDS: dict[str, type[Event]] = {
    kind.name: kind
    for kind in vars(resilient.events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}


class Record(Struct, frozen=True):
    """An event that happened.

    Attributes:
        wall: when, in seconds since the epoch.
        source: whose it is.
        event: what happened.
    """

    wall: float
    source: Source
    event: Event


def line_of(record: Record) -> bytes:
    """The record as one line."""
    fields = to_builtins(record.event)
    said = {"wall": record.wall, **to_builtins(record.source), "event": record.event.name, "fields": fields}
    return json.encode(said) + b"\n"


def record_of(line: bytes) -> Record:
    """The record that a line says.

    Raises:
        ValueError: it says none that this version knows.
    """
    said = json.decode(line, type=_Said)
    kind = KINDS.get(said.event)
    if kind is None:
        raise ValueError(said.event)
    # A number without an end is written as none.
    fields = {name: float("inf") if _is_endless(kind, name, value) else value for name, value in said.fields.items()}
    return Record(said.wall, Source(said.kind, said.name, said.route), convert(fields, kind))


class _Said(Source, frozen=True, kw_only=True):
    wall: float
    event: str
    fields: dict[str, object]


def _is_endless(kind: type[Event], name: str, value: object) -> bool:
    return value is None and kind.__annotations__.get(name) == "float"
