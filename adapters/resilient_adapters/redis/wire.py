"""How commands are written to a server, and how its answers are read: version 2 of the protocol of Redis.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from redis.asyncio.connection import DefaultParser
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from resilient_adapters.redis.script import Command

_LONGEST_LINE = 64 * 1024
"""Bytes; lines are short, since whatever may be long comes after a line that says how long."""

_END = b"\r\n"
_TEXT, _ERROR, _NUMBER, _BYTES, _ARRAY = b"+-:$*"
_MORE = object()
"""In the place of an answer of which more is to come."""

UNASKED = "the server answers what nobody has asked"

_error: Callable[[str], RedisError] = cast(Any, DefaultParser).parse_error
"""The exception of redis-py for what a server says."""


def packed(commands: Sequence[Command]) -> bytes:
    """``commands`` as a server reads them."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            blob = word if isinstance(word, bytes) else str(word).encode()
            parts += (b"$%d\r\n" % len(blob), blob, _END)
    return b"".join(parts)


class _Array:
    """An answer that consists of several, as many as its length says."""

    __slots__ = ("items", "length")

    def __init__(self, length: int) -> None:
        self.items: list[Any] = []
        self.length = length


class Answers:
    """Takes what a server sends in pieces of any size, and gives each answer once it is whole.

    What the server refuses is an exception of redis-py, given like any other answer.
    """

    __slots__ = ("_arrays", "_earlier", "_held", "_needed", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        """Bytes in these pieces."""
        self._needed = 1
        """Bytes of them without which there is nothing more to read."""
        self._arrays: list[_Array] = []
        """Those that have begun, each a part of the one before."""
        self._earlier = 0
        """Bytes of the answer that has begun which are held no longer."""

    @property
    def on_its_way(self) -> int:
        """Bytes of the answer that has begun, as far as it has said how many it has; 0 between two answers."""
        return self._earlier + self._needed - 1

    def take(self, piece: bytes) -> list[Any]:
        """The answers that end in this piece.

        Raises:
            RedisError: the server says that it has had enough of this connection, or what no server would say.
            ValueError: no server would say that either.
        """
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held < self._needed:
            return []
        # No copy is made of a single piece. What is large comes here with its first and its last piece alone.
        held = b"".join(self._pieces)
        whole: list[Any] = []
        begun = at = 0
        while (end := held.find(_END, at)) >= 0:
            answer, following = _read(held, at, end)
            if following > len(held):
                self._needed = following - at
                break
            at = following
            if self._arrays or type(answer) is _Array:
                answer = self._gathered(answer)
                if answer is _MORE:
                    continue
            whole.append(answer)
            begun = at
        else:
            self._needed = len(held) - at + 1
            if self._needed > _LONGEST_LINE:
                raise InvalidResponse("a line without an end")
        self._earlier = at - begun + (0 if whole else self._earlier)
        self._pieces = [held[at:]]
        self._held = len(held) - at
        return whole

    def _gathered(self, answer: Any) -> Any:
        """The array that ends with ``answer``, as a list."""
        if type(answer) is _Array and answer.length:
            self._arrays.append(answer)
            return _MORE
        if type(answer) is _Array:
            answer = answer.items
        while self._arrays:
            array = self._arrays[-1]
            array.items.append(answer)
            if len(array.items) < array.length:
                return _MORE
            answer = self._arrays.pop().items
        return answer


def _read(held: bytes, at: int, end: int) -> tuple[Any, int]:
    """The answer whose first line lies from ``at`` to ``end``, and where what follows it begins.

    If not all of it is held, there is no answer, but the place is right.

    Raises:
        RedisError: it speaks of the connection, or is none.
        ValueError: it is none.
    """
    kind, said, following = held[at], held[at + 1 : end], end + 2
    if kind == _BYTES:
        length = int(said)
        if length < 0:
            return None, following
        last = following + length
        if len(held) < last + 2:
            return None, last + 2
        if held[last : last + 2] != _END:
            raise InvalidResponse(f"{length} bytes that go on")
        return held[following:last], last + 2
    if kind == _NUMBER:
        return int(said), following
    if kind == _TEXT:
        return said, following
    if kind == _ERROR:
        error = _error(said.decode(errors="replace"))
        if not isinstance(error, ResponseError):
            raise error
        return error, following
    if kind == _ARRAY:
        length = int(said)
        return (None if length < 0 else _Array(length)), following
    raise InvalidResponse(f"an answer that begins with {held[at : at + 1]!r}")
