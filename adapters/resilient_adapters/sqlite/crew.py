"""Work that would hold up an event loop, done in threads of our own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from resilient.locks import fork_safe_lock
from resilient_adapters.sqlite.trouble import unavailable

T = TypeVar("T")

THREADS = 4
"""Threads of a crew at most."""


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


class Crew:
    """A few daemon threads, shared by all event loops; they start when there is work and end when there is none.

    An executor's threads would hold up the end of the interpreter.
    """

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._jobs: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        self._threads: set[threading.Thread] = set()
        self._parked = False

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns; it is not begun any more once its caller was cancelled.

        Raises:
            StoreUnavailableError: the system has no thread left.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._lock:
            try:
                self._start()
            except RuntimeError as error:
                raise unavailable(error, "start a thread") from error
            self._jobs.append((future, work))
        return await future

    def park(self) -> None:
        """Do what waits, end all threads, and start none until :meth:`resume`."""
        with self._lock:
            self._parked = True
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def resume(self) -> None:
        """Go on after :meth:`park`, with what was asked for meanwhile."""
        with self._lock:
            self._parked = False
            if self._jobs:
                self._start()

    def _start(self) -> None:
        if not self._parked and len(self._threads) < THREADS:
            thread = threading.Thread(target=self._serve, name="resilient-disk-crew", daemon=True)
            thread.start()
            self._threads.add(thread)

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._threads.discard(threading.current_thread())
                    return
                future, work = self._jobs.popleft()
            if future.cancelled():
                continue
            try:
                result, error = work(), None
            except BaseException as caught:  # noqa: BLE001 - it belongs to whoever waits for the result
                result, error = None, caught
            settle(future, result, error)
