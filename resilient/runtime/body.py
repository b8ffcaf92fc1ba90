"""The raw body of one answer, watched while it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from resilient.messages import Watcher
from resilient.runtime.drive import drive


class StreamBody:
    """A body around the network's stream; the door of an HTTP library makes it one of that library's streams.

    Args:
        source: the network's stream, with ``close`` or ``aclose`` of its own.
    """

    __slots__ = ("_closed", "_complete", "_error", "_source", "_watchers", "content")

    def __init__(self, source: Any) -> None:
        self._source = source
        self._watchers: list[Watcher] = []
        self._complete = False
        self._error: BaseException | None = None
        self._closed = False
        self.content: bytes | None = None

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` what happens from now on."""
        self._watchers.append(watcher)

    def keep(self, content: bytes) -> None:
        """From now on give back ``content``, as often as it is asked for."""
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces() if self.content is None else iter((self.content,))

    def _pieces(self) -> Iterator[bytes]:
        try:
            for chunk in self._source:
                for watcher in self._watchers:
                    watcher.chunk(chunk)
                yield chunk
            self._complete = True
        except BaseException as error:
            self._broke(error)
            raise

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._apieces() if self.content is None else _Once(self.content)

    async def _apieces(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._source:
                for watcher in self._watchers:
                    watcher.chunk(chunk)
                yield chunk
            self._complete = True
        except BaseException as error:
            self._broke(error)
            raise

    def _broke(self, error: BaseException) -> None:
        # A reader that stops half-way, or is cancelled, proves nothing against the origin.
        if isinstance(error, Exception):
            self._error = error

    def close(self) -> None:
        """Let go of the connection and tell the watchers; once."""
        if self._closed:
            return
        self._closed = True
        try:
            self._source.close()
        finally:
            if self._watchers:
                drive(self._end())

    async def aclose(self) -> None:
        """Let go of the connection and tell the watchers; once."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._source.aclose()
        finally:
            if self._watchers:
                await self._end()

    async def _end(self) -> None:
        """Watchers that release something come first and never suspend: a cancellation loses nothing."""
        watchers, self._watchers = self._watchers, []
        await self._tell(iter(watchers))

    async def _tell(self, watchers: Iterator[Watcher]) -> None:
        """Tell each of ``watchers``, even if one before it fails or is cancelled."""
        for watcher in watchers:
            try:
                await watcher.ended(self._complete, self._error)
            except BaseException:
                await self._tell(watchers)
                raise


class _Once:
    """An asynchronous iterator of one piece; an asynchronous generator costs several times as much."""

    __slots__ = ("_piece",)

    def __init__(self, piece: bytes) -> None:
        self._piece: bytes | None = piece

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = self._piece
        if piece is None:
            raise StopAsyncIteration
        self._piece = None
        return piece
