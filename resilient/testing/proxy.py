"""A link between a client and a server that fails as networks do."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from resilient.checks import is_count, need
from resilient.durations import Duration, seconds_of
from resilient.testing.listener import Listener, reset

_PIECE = 64 * 1024
"""Bytes that are passed on at once."""

Fault: TypeAlias = Literal["delays", "slices", "hangs", "closes", "resets"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _State:
    """How a proxy treats its connections.

    Attributes:
        fault: what is the matter, None for nothing.
        after: bytes of answers that each connection passes before it is spoiled.
        size: bytes that are passed on at once at most.
        pause: seconds before each of them.
        over: set once another one holds.
    """

    fault: Fault | None = None
    after: float = math.inf
    size: int = _PIECE
    pause: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Link:
    """One connection.

    Attributes:
        answered: bytes of answers that it has passed since the proxy's state changed.
    """

    answered: int = 0


class FaultProxy(Listener):
    """A link to a TCP server of whatever kind, on a port of its own, that a test can spoil, in real time.

    One fault holds at a time, on connections that are open and on new ones: what was said last.

    ::

        with FaultProxy("127.0.0.1", 6379) as proxy:
            cache.setup(f"redis://127.0.0.1:{proxy.port}")
            proxy.hangs()

    Args:
        host: where the server is.
        port: its port.

    Attributes:
        asked: bytes of clients that were passed on.
        answered: bytes of the server that were passed on.
        withheld: bytes that did not arrive when they were sent, or never, since the link hung or broke.
        injected: how often each fault happened, by the name of its method.

    Raises:
        ConfigurationError: ``port`` is none.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__("resilient-fault-proxy")
        need(is_count(port) and port < 65536, "port", port, "a number from 1 to 65535")
        self.asked = self.answered = self.withheld = 0
        self.injected: Counter[Fault] = Counter()
        self._where = (host, port)
        self._state = _State()
        self._links: set[_Link] = set()

    # --- for the test's thread ---

    def heals(self) -> None:
        """Be a link like any other. What :meth:`hangs` kept back arrives now."""
        self._put(_State())

    def delays(self, by: Duration) -> None:
        """Let what is sent arrive so much later, in each direction."""
        self._put(_State(fault="delays", pause=seconds_of(by, option="by")))

    def slices(self, size: int, *, pause: Duration = 0.001) -> None:
        """Pass on ``size`` bytes at once at most, and pause before each of them."""
        need(is_count(size), "size", size, "a number of bytes above 0")
        self._put(_State(fault="slices", size=min(size, _PIECE), pause=seconds_of(pause, option="pause")))

    def hangs(self, *, after: int = 0) -> None:
        """Stay open and pass nothing on, as if the other side were gone without a word.

        Args:
            after: bytes of answers that each connection still passes before that.
        """
        self._spoil("hangs", after)

    def closes(self, *, after: int = 0) -> None:
        """End each connection at its next byte, after so many bytes of answers more."""
        self._spoil("closes", after)

    def resets(self, *, after: int = 0) -> None:
        """Reset each connection at its next byte, after so many bytes of answers more."""
        self._spoil("resets", after)

    def _spoil(self, fault: Fault, after: int) -> None:
        need(after == 0 or is_count(after), "after", after, "a number of bytes, 0 or more")
        self._put(_State(fault=fault, after=after))

    def _put(self, state: _State) -> None:
        self._ask(self._change(state))

    # --- on the proxy's thread ---

    async def _change(self, state: _State) -> None:
        before, self._state = self._state, state
        for link in self._links:
            link.answered = 0
        before.over.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(*self._where)
        except OSError:
            reset(writer)
            return
        link = _Link()
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(link, reader, to_server, answers=False))
                both.create_task(self._carry(link, from_server, writer, answers=True))
        except* OSError:
            reset(writer)
        except* EOFError:
            pass  # it ends as all do
        finally:
            self._links.discard(link)
            to_server.transport.abort()

    async def _carry(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        """Pass on what comes from one side, until that side ends."""
        while data := await reader.read(_PIECE):
            while data:
                state = self._state
                if (left := state.after - link.answered) <= 0:
                    await self._withhold(state, len(data))
                    continue
                size = min(state.size, int(min(left, _PIECE))) if answers else state.size
                if state.fault and state.pause:
                    self.injected[state.fault] += 1
                    await _pause(state)
                piece, data = data[:size], data[size:]
                # Counted first: whoever has got it finds it counted.
                if answers:
                    link.answered += len(piece)
                    self.answered += len(piece)
                else:
                    self.asked += len(piece)
                writer.write(piece)
                await writer.drain()
        writer.write_eof()

    async def _withhold(self, state: _State, size: int) -> None:
        """Keep so many bytes back while ``state`` holds, or end their connection."""
        assert state.fault is not None
        self.injected[state.fault] += 1
        self.withheld += size
        if state.fault == "resets":
            raise ConnectionResetError
        if state.fault == "closes":
            raise EOFError
        await state.over.wait()


async def _pause(state: _State) -> None:
    """Wait for as long as ``state`` says, while it holds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(state.pause):
            await state.over.wait()
