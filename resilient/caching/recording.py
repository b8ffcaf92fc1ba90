"""Keeping what a generator yields while it passes by."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, aclosing, closing, nullcontext
from types import TracebackType
from typing import Any, Self

from resilient.caching.functions import FunctionSlot
from resilient.caching.strategies.iterator import Replay
from resilient.caching.tee import MAX_BODY
from resilient.errors import StoreError

_END: Any = object()


class Recording:
    """The items of one run of a generator, each as it was when it was yielded.

    A ``with`` block lasts as long as the run. What follows it is told of its end; what is done between two items is
    its caller's own.

    Args:
        slot: where they are kept once the generator has come to its end.
        replay: for how long.
    """

    __slots__ = ("_following", "_items", "_replay", "_size", "_slot", "_why_not")

    def __init__(self, slot: FunctionSlot, replay: Replay) -> None:
        self._slot = slot
        self._replay = replay
        self._items: list[object] = []
        self._size = 0
        self._why_not: str | None = None
        self._following: AbstractContextManager[object] = slot.trace or nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._slot.over(None, error)

    async def kept(self) -> Any:
        """The items of a run before this one, None if none is kept."""
        with self._following:
            entry = await self._slot.read()
            try:
                if entry is not None:
                    return self._slot.serve(entry, "hit")
                self._slot.begin()
                return None
            finally:
                self._slot.tell_if_missed()

    def steps(self, source: Generator[Any, Any, Any]) -> Generator[Any, None, None]:
        """What ``source`` yields."""
        with closing(source):
            while True:
                with self._following:
                    item = next(source, _END)
                if item is _END:
                    return
                yield item

    async def async_steps(self, source: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, None]:
        """The same of an asynchronous one."""
        async with aclosing(source):
            while True:
                with self._following:
                    item = await anext(source, _END)
                if item is _END:
                    return
                yield item

    def note(self, item: object) -> None:
        """One more was yielded."""
        if self._why_not is not None:
            return
        try:
            copy, size = self._slot.copy_of(item)
        except StoreError:
            self._stop("unencodable")
            return
        self._size += size
        if self._size > MAX_BODY:
            self._stop("too-large")
        else:
            self._items.append(copy)

    def _stop(self, reason: str) -> None:
        self._why_not = reason
        self._items.clear()

    async def keep(self) -> None:
        """The generator has come to its end."""
        with self._following:
            if self._why_not is None:
                await self._slot.put(tuple(self._items), fresh_for=self._replay.ttl, keep_for=self._replay.ttl)
            else:
                self._slot.not_kept(self._why_not)
