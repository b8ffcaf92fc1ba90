"""The same traffic for every line: a call each at every beat, in threads or in tasks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from resilient.caching.cache import Cache
from resilient.cli.demo.lines import PATIENCE, RATE, Line, policies
from resilient.cli.demo.origin import LINE
from resilient.cli.demo.process import OriginProcess
from resilient.cli.demo.script import Phase, Script
from resilient.httpx import AsyncResilientClient, ResilientClient
from resilient.journey import Journey

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=50)

_GRACE = 0.5
"""Seconds that calls get to end by themselves after Ctrl-C."""


class Traffic:
    """Conducts the demo: moves the origin from phase to phase, and beats the time for the calls.

    Args:
        script: what happens when.
        origin: to whom.
        lines: who calls.
        cache: where the resilient client keeps answers.
        refresh: called at every beat.

    Attributes:
        entered: when each phase began, on the monotonic clock.
        phase: the phase that it is now.
        started: when the first one began, None before.
    """

    def __init__(
        self, script: Script, origin: OriginProcess, lines: Sequence[Line], cache: Cache, refresh: Callable[[], None]
    ) -> None:
        self.script = script
        self.entered: dict[str, float] = {}
        self.phase = script.phases[0].name
        self.started: float | None = None
        self._origin = origin
        self._lines = lines
        self._over = False
        self._cache = cache
        self._refresh = refresh

    def _beats(self) -> Iterator[tuple[int, float]]:
        """The number of each beat, and the seconds to wait for it.

        A beat that was missed is left out, so that no calls come in bursts.
        """
        start = self.started = time.monotonic()
        number = 0
        while number / RATE < self.script.seconds:
            yield number, max(0.0, start + number / RATE - time.monotonic())
            number = max(number + 1, int((time.monotonic() - start) * RATE))

    def _due_phase(self) -> Phase | None:
        """The phase that is due just before a beat, when little is under way; None if the last one goes on."""
        assert self.started is not None
        found = self.script.at(time.monotonic() - self.started)
        return found[0] if found is not None and found[0].name not in self.entered else None

    def _enter(self, phase: Phase) -> None:
        """Move the origin to its next phase; takes as long as the origin takes to obey."""
        self._origin.enter(phase.name)
        self.phase = phase.name
        self.entered[phase.name] = time.monotonic()

    @contextmanager
    def _watched(self, line: Line, phase: str) -> Generator[_Watched]:
        """Take down how one call ends, and swallow the errors of HTTP: failing is what the demo is about."""
        watched = _Watched()
        journey: Journey | None = None
        began = time.monotonic()
        try:
            yield watched
        except httpx.HTTPError as error:
            journey = getattr(error, "journey", None)
        response = watched.response
        if response is not None:
            journey = response.extensions.get("resilient")
        if not self._over:
            line.over(phase, began, time.monotonic(), None if response is None else response.status_code, journey)

    def _options(self, resilient: bool) -> dict[str, Any]:
        shared: dict[str, Any] = {"base_url": self._origin.url, "trust_env": False, "limits": _LIMITS}
        if not resilient:
            return {**shared, "timeout": PATIENCE}
        return {**shared, "policies": policies("127.0.0.1", self.script.speed), "store": self._cache, "name": "demo"}

    async def in_tasks(self) -> None:
        """Call with the asynchronous clients."""
        pending: set[asyncio.Task[None]] = set()
        async with (
            httpx.AsyncClient(**self._options(False)) as plain,
            AsyncResilientClient(**self._options(True)) as resilient,
        ):

            async def call(line: Line, number: int) -> None:
                client: httpx.AsyncClient = resilient if line.resilient else plain
                with self._watched(line, self.phase) as watched:
                    watched.response = await client.get(line.target(number), headers={LINE: line.name})

            try:
                for number, wait in self._beats():
                    await asyncio.sleep(wait)
                    if phase := self._due_phase():
                        await asyncio.to_thread(self._enter, phase)
                    self._refresh()
                    for line in self._lines:
                        task = asyncio.create_task(call(line, number))
                        pending.add(task)
                        task.add_done_callback(pending.discard)
                await asyncio.gather(*pending)
            finally:
                # After Ctrl-C: most calls end by themselves at once, and what does not is not counted.
                if pending:
                    await asyncio.wait(pending, timeout=_GRACE)
                self._over = True

    def in_threads(self) -> None:
        """Call with the blocking clients, a thread for each call."""
        threads: list[threading.Thread] = []
        with (
            httpx.Client(**self._options(False)) as plain,
            ResilientClient(**self._options(True)) as resilient,
        ):

            def call(line: Line, number: int, phase: str) -> None:
                client: httpx.Client = resilient if line.resilient else plain
                # A client that is closed because of Ctrl-C.
                with suppress(RuntimeError), self._watched(line, phase) as watched:
                    watched.response = client.get(line.target(number), headers={LINE: line.name})

            grace = _GRACE
            try:
                for number, wait in self._beats():
                    time.sleep(wait)
                    if phase := self._due_phase():
                        self._enter(phase)
                    self._refresh()
                    for line in self._lines:
                        thread = threading.Thread(target=call, args=(line, number, self.phase), daemon=True)
                        thread.start()
                        threads.append(thread)
                grace = 2 * PATIENCE
            finally:
                ends = time.monotonic() + grace
                for thread in threads:
                    thread.join(max(0.0, ends - time.monotonic()))
                self._over = True


class _Watched:
    """What a call was answered, None as long as it is not."""

    response: httpx.Response | None = None
