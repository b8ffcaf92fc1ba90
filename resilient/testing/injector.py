"""Faults thrown between a client and its transport; knows no HTTP library."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from random import Random

from resilient.ports import Clock, Runtime
from resilient.runtime.clock import SystemClock
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing.checks import rate, span
from resilient.testing.reply import Latency, drawn
from resilient.testing.scripted import passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often each fault happens, from 0.0 to 1.0."""

    connect_failure: float = 0.0
    pool_full: float = 0.0
    refused_stream: float = 0.0
    drop_body: float = 0.0
    slow_rate: float = 1.0

    def __post_init__(self) -> None:
        for option in fields(self):
            rate(getattr(self, option.name), option=option.name)


RATES = frozenset(option.name for option in fields(Rates))


class Fault(Exception):
    """A fault that ends the request, by its name in scripts."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Injector:
    """Throws the dice for one transport.

    Attributes:
        injected: how often each fault happened: ``connect_failure``, ``pool_full``, ``latency``,
            ``refused_stream``, ``drop_body``.
    """

    def __init__(self, rates: Rates, latency: Latency | None, seed: int | None, clock: Clock | None) -> None:
        self.injected: Counter[str] = Counter()
        self.threads = ThreadRuntime(clock or SystemClock())
        self.tasks = TaskRuntime(clock or SystemClock())
        self._rates = rates
        self._latency = latency if latency is None or callable(latency) else span(latency, option="latency")
        self._random = Random(seed)
        self._lock = threading.Lock()

    async def strike(self, runtime: Runtime, phases: Mapping[str, float | None]) -> None:
        """Let happen what happens before a request is sent.

        Raises:
            Fault: the request is over.
        """
        if self._falls("connect_failure", self._rates.connect_failure):
            raise Fault("connect")
        if self._falls("pool_full", self._rates.pool_full):
            # A full pool keeps its caller waiting for the whole phase.
            await passed(runtime, phases.get("pool") or 0.0, None)
            raise Fault("pool")
        if self._latency is not None and self._falls("latency", self._rates.slow_rate):
            with self._lock:
                seconds = drawn(self._latency, self._random)
            if not await passed(runtime, seconds, phases.get("read")):
                raise Fault("read_timeout")
        if self._falls("refused_stream", self._rates.refused_stream):
            raise Fault("refused_stream")

    def drops(self, length: str | None) -> float | None:
        """After how many bytes a body of ``length`` breaks: half of it; None for never."""
        if length == "0" or not self._falls("drop_body", self._rates.drop_body):
            return None
        return (
            int(length) // 2 if length is not None and length.isdecimal() else math.nan
        )  # half of the first piece, where the length is not known

    def _falls(self, fault: str, rate: float) -> bool:
        with self._lock:
            if rate <= 0 or self._random.random() >= rate:
                return False
            self.injected[fault] += 1
        return True
