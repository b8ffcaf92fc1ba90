"""How a store is doing: one that fails again and again is left alone, and asked now and then whether it is back."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from resilient.errors import StoreError, StoreUnavailableError
from resilient.events import Event, StoreDegraded, StoreRecovered
from resilient.mechanics.circuit import Change, Circuit, Refusal, Rule, Verdict
from resilient.ports import Job, Runtime

T = TypeVar("T")

RULE = Rule(failures=5, ratio=1.0, min_calls=5, window=1.0, open_for=1.0, max_open=1.0)
"""Five failures in a row, none of them about what was asked; then a second, less a little, between two probes."""
ANSWERS = ("full", "readonly", "corrupt")
"""Troubles of a store that answers: who cannot write to it can still read."""


class Health:
    """How one store is doing, as the calls see it that cannot wait for it long.

    Args:
        store: its name.

    Attributes:
        store: its name.
    """

    __slots__ = ("_circuit", "_since", "store")

    def __init__(self, store: str) -> None:
        self.store = store
        self._circuit = Circuit(random.random)
        self._since = 0.0
        """When it was given up."""

    @property
    def is_degraded(self) -> bool:
        """Whether it is left alone."""
        return not self._circuit.is_closed

    async def ask(self, runtime: Runtime, seconds: float, job: Job[T], record: Callable[[Event], None]) -> T:
        """What ``job`` has of the store within ``seconds``, unless it is left alone.

        Args:
            runtime: how the caller waits.
            seconds: for how long at most.
            job: asks the store.
            record: is told when the store is given up, and when it is back.

        Raises:
            StoreError: it failed; with the kind ``degraded`` it was not asked.
            TimeoutError: the time was over.
        """
        now = runtime.clock.now
        ticket, _ = self._circuit.admit(RULE, now())
        if isinstance(ticket, Refusal):
            raise StoreUnavailableError(f"the store {self.store!r} is left alone, since it failed", kind="degraded")
        verdict = Verdict.NEUTRAL
        try:
            value = await runtime.within(seconds, job)
            verdict = Verdict.OK
        except Exception as error:
            verdict = _verdict(error)
            raise
        finally:
            change = self._circuit.settle(ticket, RULE, now(), verdict)
            if change is not None:
                self._tell(change, now(), record)
        return value

    def _tell(self, change: Change, now: float, record: Callable[[Event], None]) -> None:
        if change.to == "closed":
            record(StoreRecovered(store=self.store, seconds=now - self._since))
        elif change.cause != "probe":
            self._since = now
            record(StoreDegraded(store=self.store))


def _verdict(error: Exception) -> Verdict:
    """What an error says about the store; nothing, if it is somebody else's."""
    if isinstance(error, TimeoutError):
        return Verdict.FAILED
    if not isinstance(error, StoreError):
        return Verdict.NEUTRAL
    failed = isinstance(error, StoreUnavailableError) and error.kind not in ANSWERS
    return Verdict.FAILED if failed else Verdict.OK
