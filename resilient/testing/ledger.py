"""What a scripted origin remembers of the requests that it received."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(slots=True, eq=False)
class Received:
    """One request, and how it was answered.

    Attributes:
        number: 1 for the first one.
        method: its method.
        url: its address.
        path: the path of its address.
        headers: its header fields; names are in lower case, and the last of several of one name counts.
        at: when it came, in seconds since the origin was made.
        body: what was sent of its body; None if it failed before anything was sent.
        status: the status of the answer; None without one, or not yet.
        error: the name of the error that ended it instead.
        ended: when its body was closed or it failed; None while it is under way.
        extensions: those of the request.
    """

    number: int
    method: str
    url: str
    path: str
    headers: dict[str, str]
    at: float
    extensions: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    body: bytes | None = None
    status: int | None = None
    error: str | None = None
    ended: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was answered and the body of the answer is not closed yet."""
        return self.status is not None and self.ended is None


class Ledger:
    """All requests of one origin; safe to read from any thread.

    Attributes:
        requests: in the order of their coming.
        in_flight: how many are under way: not failed, and their body not closed.
        peak: the most that were under way at once.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.in_flight = 0
        self.peak = 0
        self._lock = threading.Lock()

    @property
    def sent(self) -> int:
        """How many requests came, those included that could not connect."""
        return len(self.requests)

    @property
    def open_bodies(self) -> int:
        """Bodies of answers that nobody closed yet; what is left at the end of a test has leaked."""
        return sum(received.is_open for received in list(self.requests))

    def count(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        error: str | None = None,
        since: float = 0.0,
        until: float = float("inf"),
    ) -> int:
        """How many requests came with these properties; ``path`` may hold ``*``."""
        return sum(
            since <= received.at < until
            and (method is None or received.method == method)
            and (path is None or fnmatchcase(received.path, path))
            and (status is None or received.status == status)
            and (error is None or received.error == error)
            for received in list(self.requests)
        )

    def enter(self, received: Received) -> None:
        """Note a request that came; its number is set here."""
        with self._lock:
            self.requests.append(received)
            received.number = len(self.requests)
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)

    def leave(self, received: Received, now: float, error: str | None = None) -> None:
        """Note that a request is over; what comes later about the same one changes nothing."""
        with self._lock:
            if received.ended is not None:
                return
            received.ended = now
            received.error = received.error or error
            self.in_flight -= 1
