"""Playing a script to a client, in either colour; knows no HTTP library."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NoReturn, TypeAlias

from resilient.ports import Clock, Job, Runtime
from resilient.runtime.clock import SystemClock
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import checks
from resilient.testing.ledger import Ledger, Received
from resilient.testing.reply import TEXTS, UNREAD, Reply, cut
from resilient.testing.script import Script
from resilient.testing.workers import Workers

Phases: TypeAlias = Mapping[str, float | None]


class ScriptedOrigin(Script, Ledger):
    """An origin that does what its script says and remembers what it received.

    Args:
        clock: what tells the time and passes it; the machine's if not given.
        capacity: how many requests it works on at once, no limit if not given.
        seed: of the dice for rates and latencies.
    """

    errors: ClassVar[Mapping[str, Callable[[str], Exception]]]
    """The HTTP library's exceptions by the names that scripts use."""

    def __init__(self, *, clock: Clock | None = None, capacity: int | None = None, seed: int = 0) -> None:
        Script.__init__(self, seed=seed)
        Ledger.__init__(self)
        self.clock: Clock = clock or SystemClock()
        self.threads = ThreadRuntime(self.clock)
        self.tasks = TaskRuntime(self.clock)
        self._born = self.clock.now()
        self._away = False
        self._workers: Workers | None = None
        if capacity is not None:
            self.has_capacity(capacity)

    @property
    def elapsed(self) -> float:
        """Seconds since the origin was made."""
        return checks.instant(self.clock.now() - self._born)

    def goes_away(self) -> None:
        """Refuse connections until it :meth:`returns`; what is under way goes on."""
        self._away = True

    def returns(self) -> None:
        """Accept connections again."""
        self._away = False

    def has_capacity(self, capacity: int) -> None:
        """Work on ``capacity`` requests at once from now on; the latency of a reply is the work it takes."""
        checks.count(capacity, option="capacity", least=1)
        if self._workers is None:
            self._workers = Workers(capacity)
        self._workers.resize(capacity, self.elapsed)

    async def _receive(
        self, runtime: Runtime, request: Any, upload: Job[bytes]
    ) -> tuple[Reply, Received, float | None]:
        """The reply to ``request`` once its headers are there, and how long a read of its body may take."""
        phases: Phases = request.extensions.get("timeout") or {}
        received = Received(
            number=0,
            method=request.method,
            url=str(request.url),
            path=request.url.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            at=self.elapsed,
            extensions=dict(request.extensions),
        )
        self.enter(received)
        try:
            reply = await self._play(runtime, request, received, upload, phases)
        except BaseException as error:
            self.leave(received, self.elapsed, type(error).__name__)
            raise
        received.status = reply.status
        return reply, received, phases.get("read")

    async def _play(
        self, runtime: Runtime, request: Any, received: Received, upload: Job[bytes], phases: Phases
    ) -> Reply:
        if self._away:
            self.fail(received, "connect")
        reply = self.decide(request, received.path, received.at)
        if isinstance(reply, Exception):
            received.body = await upload()
            raise reply
        latency = self.draw(reply.latency)
        if reply.hangs == "connect" or reply.error in UNREAD:
            if not await passed(runtime, math.inf if reply.hangs else latency, phases.get("connect")):
                self.fail(received, "connect_timeout")
            self.fail(received, reply.error or "connect")
        received.body = await upload()
        if self._workers is not None:
            latency = self._workers.serve(received.at, latency)
        if not await passed(runtime, math.inf if reply.hangs else latency, phases.get("read")):
            self.fail(received, "read_timeout")
        if reply.error is not None:
            self.fail(received, reply.error)
        return reply

    def fail(self, received: Received, error: str, text: str | None = None) -> NoReturn:
        """End ``received`` by the library's ``error`` of that name."""
        received.error = error
        raise self.errors[error](TEXTS[error] if text is None else text)


class SentBody:
    """The body of an answer on its way; the HTTP library's room makes it one of that library's streams."""

    def __init__(self, origin: ScriptedOrigin, reply: Reply, received: Received, read_phase: float | None) -> None:
        self._origin = origin
        self._reply = reply
        self._received = received
        self._read_phase = read_phase
        self._pieces = self._planned()

    def _planned(self) -> Iterator[bytes]:
        """What comes through; ends in an error if not all of it does."""
        pieces = self._reply.pieces(self._received.method)
        whole = sum(map(len, pieces))
        declared = whole if self._reply.content_length is None or not pieces else self._reply.content_length
        dropped = self._reply.drop_after
        comes = min(whole, declared) if dropped is None else min(whole, declared, dropped)
        yield from cut(pieces, comes)
        if comes < declared:
            self._origin.fail(
                self._received,
                "protocol",
                "peer closed connection without sending complete message body "
                f"(received {comes} bytes, expected {declared})",
            )

    async def piece(self, runtime: Runtime) -> bytes | None:
        """The next part, None after the last one."""
        found = next(self._pieces, None)
        if found is not None:
            latency = self._origin.draw(self._reply.chunk_latency)
            if not await passed(runtime, latency, self._read_phase):
                self._origin.fail(self._received, "read_timeout")
        return found

    def over(self) -> None:
        """Note that the reader has closed it."""
        self._origin.leave(self._received, self._origin.elapsed)


async def passed(runtime: Runtime, seconds: float, limit: float | None) -> bool:
    """Let ``seconds`` pass, ``limit`` at most; whether all of them did."""
    wait = seconds if limit is None else min(seconds, limit)
    if wait == math.inf:
        await runtime.signal().wait()
    elif wait > 0:
        await runtime.sleep(wait)
    return wait == seconds
