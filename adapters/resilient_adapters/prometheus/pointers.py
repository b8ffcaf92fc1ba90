"""From slow values to the spans in which they were measured: what Prometheus calls exemplars."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from prometheus_client import Histogram

from resilient.metrics.counting import Add
from resilient.metrics.definitions import SLOW

PAUSE = 1.0
"""Seconds from one pointer of a metric with its labels to the next."""


class Pointers:
    """Gives slow values a pointer to the span in which they were measured, where that is kept.

    Attributes:
        mark: gives the span that one is in, 24 bytes; none before somebody follows calls.
    """

    __slots__ = ("mark",)

    def __init__(self) -> None:
        self.mark: Callable[[], bytes] | None = None

    def follow(self, mark: Callable[[], bytes]) -> None:
        """Point at the spans that ``mark`` gives from now on; not where several processes write into files."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            self.mark = mark

    def observing(self, histogram: Histogram) -> Add:
        """What counts one more value of ``histogram``."""
        observe, due = histogram.observe, 0.0

        def add(value: float) -> None:
            nonlocal due
            if value < SLOW or self.mark is None or time.monotonic() < due or len(span := self.mark()) != 24:
                observe(value)
                return
            due = time.monotonic() + PAUSE
            observe(value, {"trace_id": span[:16].hex(), "span_id": span[16:].hex()})

        return add
