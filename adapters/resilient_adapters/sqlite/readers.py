"""A few threads that read for event loops, so that no loop waits for the disk."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from resilient.errors import StoreUnavailableError

T = TypeVar("T")
_Item: TypeAlias = "tuple[asyncio.Future[Any], Callable[[], Any]] | None"

THREADS = 4
HELD_UP = 0.005
"""Seconds after which a read is slow. Quick ones are done fastest one after the other, so only while all threads are
held up by slow ones another is started."""
IDLE = 10.0
"""Seconds after which a thread without work ends, so that forgotten stores leave none behind."""


def settle(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    """Give ``future`` its result or its error, from another thread; in a closed loop nobody waits for it."""
    with contextlib.suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


async def aside(work: Callable[[], None]) -> None:
    """Do ``work``, which may take long, in a thread of its own."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def run() -> None:
        try:
            work()
        finally:
            settle(future, None, None)

    threading.Thread(target=run, name="resilient-disk-closer", daemon=True).start()
    await future


class Readers:
    """Threads shared by all event loops; they start when there is work and end when there is none.

    They are daemons of our own: an executor's threads would hold up the end of the interpreter, and a thread
    that belongs to one loop would outlive it where nobody closes the store.

    Args:
        ended: called in a thread before it ends.
    """

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._began: dict[threading.Thread, float] = {}
        """When each thread that works began what it does."""
        self._parked = False
        self._closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, done in one of the threads; a caller that is cancelled leaves it to them."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._closed:
                raise StoreUnavailableError("the disk store is closed")
            self._queue.put((future, work))
            self._start()
        return await future

    def park(self) -> None:
        """Do what waits, end all threads, and start none until :meth:`resume`."""
        with self._lock:
            self._parked = True
            threads = list(self._threads)
            for _ in threads:
                self._queue.put(None)
        for thread in threads:
            thread.join()

    def resume(self) -> None:
        """Go on after :meth:`park`, with what was asked for meanwhile."""
        with self._lock:
            self._parked = self._closed
            if not self._queue.empty():
                self._start()

    def close(self) -> None:
        """Do what waits and end all threads; a second close does nothing."""
        with self._lock:
            self._closed = True
        self.park()

    def _start(self) -> None:
        if self._parked or len(self._threads) == THREADS:
            return
        slow = time.monotonic() - HELD_UP
        if sum(began < slow for began in list(self._began.values())) == len(self._threads):
            thread = threading.Thread(target=self._serve, name="resilient-disk-reader", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _serve(self) -> None:
        try:
            while self._serve_one():
                pass
        finally:
            self._ended()

    def _serve_one(self) -> bool:
        try:
            item = self._queue.get(timeout=IDLE)
        except Empty:
            return not self._leave(idle=True)
        if item is None:
            return not self._leave(idle=False)
        future, work = item
        result, error = None, None
        thread = threading.current_thread()
        if not future.cancelled():
            self._began[thread] = time.monotonic()
            try:
                result = work()
            except BaseException as caught:  # noqa: BLE001 - it belongs to whoever waits for the result
                error = caught
            del self._began[thread]
        settle(future, result, error)
        return True

    def _leave(self, *, idle: bool) -> bool:
        """Stop being one of the threads; False if work came in the very moment of giving up."""
        with self._lock:
            if idle and not self._queue.empty():
                return False
            self._threads.discard(threading.current_thread())
            return True
