"""A connection on which many tasks ask at once: their commands go out together, the answers come in the same order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from copy import copy
from typing import Any, Protocol

from redis.exceptions import ReadOnlyError, RedisError

from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.redis import pool
from resilient_adapters.redis.address import AsyncConnection
from resilient_adapters.redis.trouble import failure
from resilient_adapters.redis.wire import UNASKED, Answers

MOST = 1000
"""Askers who wait on one connection."""

LARGE = 64 * 1024
"""Bytes on their way in either direction, behind which nobody is made to wait."""

LOOK = 0.1
"""Seconds from one look at a connection on which somebody waits to the next."""

DOUBTED = 2
"""Looks between which nothing moved, after which nobody else is made to wait there."""

GIVEN_UP = 50
"""Such looks after which those who wait there are told that it is over."""


class Asked:
    """Commands that somebody waits for.

    Args:
        words: the commands as a server reads them.
        count: how many they are.
        answered: ends with the answers; who gave up has cancelled it.
    """

    __slots__ = ("answered", "answers", "count", "words")

    def __init__(self, words: bytes, count: int, answered: asyncio.Future[list[Any]]) -> None:
        self.words = words
        self.count = count
        self.answered = answered
        self.answers: list[Any] = []


def fail(asked: Iterable[Asked], error: StoreError) -> None:
    """Tell all who still wait."""
    for one in asked:
        if not one.answered.done():
            one.answered.set_exception(copy(error))


class Home(Protocol):
    """Whose connection it is."""

    def serve(self, link: Link) -> None:
        """It may have room for those who wait for some."""
        ...

    def is_spare(self) -> bool:
        """Whether a connection that nobody needs may be closed."""
        ...

    def lost(self, link: Link) -> None:
        """It is closed, by whomever."""
        ...


class Link(asyncio.Protocol):
    """A connection that is open. It makes no task, and whoever gives up waiting takes nothing of it along.

    Args:
        connection: redis-py's, open; the link takes its socket over.
        loop: the event loop in which it was opened.
        home: whose connection it is.

    Attributes:
        closed: ends once it is closed.
        is_retired: whether nobody may ask here any more, since it is closed, or will be once all is answered.
    """

    def __init__(self, connection: AsyncConnection, loop: asyncio.AbstractEventLoop, home: Home) -> None:
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._home = home
        self._stream = _stream_of(connection)
        self._transport = self._stream.transport
        self._transport.set_protocol(self)
        self._answers = Answers()
        self._unanswered: deque[Asked] = deque()
        self._unwritten: list[bytes] = []
        self._collected = 0
        """Bytes of what is still to be written."""
        self._is_choked = False
        """Whether much of what was written has not left yet."""
        self.is_retired = False
        self._error: StoreError | None = None
        """Why it was closed from this side."""
        self._looks = 0
        """How often it was looked at since something moved."""
        self._unsent = 0
        """Bytes that had not left at the last look."""
        self._timer = loop.call_later(pool.REST, self._rest)
        self._is_watched = False

    def has_room(self) -> bool:
        """Whether somebody may ask here, and will not wait behind what takes long."""
        if self.is_retired:
            return False
        return not self._unanswered or not (
            self._is_choked or self.is_doubted() or len(self._unanswered) >= MOST or self._answers.on_its_way > LARGE
        )

    def is_doubted(self) -> bool:
        """Whether nothing has moved for so long that it may be dead."""
        return self._looks >= DOUBTED

    def give(self, asked: Asked) -> None:
        """Ask; at once if nobody else waits, else together with all others who ask in this turn of the loop."""
        words, asked.words = asked.words, b""
        if not self._unanswered:
            self._unanswered.append(asked)
            self._watch()
            self._transport.write(words)
            return
        self._unanswered.append(asked)
        if not self._unwritten:
            self._loop.call_soon(self._write)
        self._unwritten.append(words)
        self._collected += len(words)
        if self._collected > LARGE:
            self._write()

    def close(self, error: StoreError) -> None:
        """Close it at once; all who still wait hear of ``error``."""
        self.is_retired = True
        self._error = self._error or error
        self._transport.abort()

    # --- what the loop tells --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._looks = 0
        try:
            for answer in self._answers.take(data):
                self._pass_on(answer)
            if not self._unanswered and self._answers.on_its_way:
                raise ValueError(UNASKED)
        except (RedisError, ValueError) as error:
            self.close(failure(error))
        if self.is_retired and not self._unanswered:
            self.close(StoreUnavailableError("the server takes no writes", kind="readonly"))
        self._home.serve(self)

    def eof_received(self) -> None:
        self.is_retired = True

    def pause_writing(self) -> None:
        self._is_choked = True

    def resume_writing(self) -> None:
        self._is_choked = False
        self._home.serve(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_retired = True
        self._timer.cancel()
        lost = self._error or failure(exc or ConnectionError("the server has closed the connection"))
        fail(self._unanswered, lost)
        self._unanswered.clear()
        self._unwritten.clear()
        self._home.lost(self)
        if not self.closed.done():
            self.closed.set_result(None)

    # --------------------------------------------------------------------------------------------------------------

    def _pass_on(self, answer: Any) -> None:
        if isinstance(answer, ReadOnlyError):
            # It leads to what was the master once. The next one is looked up anew.
            self.is_retired = True
        if not self._unanswered:
            raise ValueError(UNASKED)
        asked = self._unanswered[0]
        asked.answers.append(answer)
        if len(asked.answers) == asked.count:
            self._unanswered.popleft()
            if not asked.answered.done():
                asked.answered.set_result(asked.answers)

    def _write(self) -> None:
        words, self._unwritten, self._collected = self._unwritten, [], 0
        if words:
            self._transport.write(b"".join(words))

    def _watch(self) -> None:
        self._looks = 0
        if not self._is_watched:
            self._is_watched = True
            self._timer.cancel()
            self._timer = self._loop.call_later(LOOK, self._look)

    def _look(self) -> None:
        # A loop that was held up takes what has come meanwhile before it calls this, so that counts as no silence.
        if not self._unanswered:
            self._is_watched = False
            self._timer = self._loop.call_later(pool.REST, self._rest)
            return
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        self._looks = 0 if self._unsent < before else self._looks + 1
        if self._looks >= GIVEN_UP:
            self.close(StoreUnavailableError("the server does not answer", kind="timeout"))
        else:
            self._timer = self._loop.call_later(LOOK, self._look)

    def _rest(self) -> None:
        if self._home.is_spare():
            self.close(StoreUnavailableError("nobody needed the connection"))


def _stream_of(connection: AsyncConnection) -> asyncio.StreamWriter:
    """The stream of redis-py's connection, which is left without it; to be held on to until it is closed.

    It has no other way to give it away. What it reads with, several tasks cannot share, and takes half as long again.
    """
    opened: Any = connection
    stream: asyncio.StreamWriter = opened._writer
    opened._reader = opened._writer = None
    return stream
