"""Where a client is used: each process and each event loop has connections of its own.

A connection that two processes share gives the one the other's answers, and a connection of one event loop cannot
be used on another. So what httpx built for a client serves the place where the client was used first; elsewhere a
plain client with the same options lends its transports. Transports that were handed in are used everywhere as they
are.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, ref

import httpx

from resilient.engine import Engine
from resilient.httpx.transports import AsyncDoor, Door
from resilient.locks import fork_safe_lock
from resilient.runtime.tasks import running_loop

_OF_TRANSPORTS = ("verify", "cert", "trust_env", "http1", "http2", "proxy", "mounts", "limits", "transport")


def _handed_in(options: Mapping[str, Any]) -> set[int]:
    """The transports that are somebody else's, by their identity: not to be closed where a client was only lent."""
    mounts: Mapping[str, object] = options.get("mounts") or {}
    return {id(options.get("transport")), *map(id, mounts.values())}


class Place:
    """One process: the client that owns its connections, and the doors before them."""

    __slots__ = ("client", "doors", "pid")

    def __init__(self, client: httpx.Client | None) -> None:
        self.client = client
        self.pid = os.getpid()
        self.doors: dict[int, Door] = {}

    def door(self, transport: httpx.BaseTransport, engine: Engine) -> Door:
        """The door before ``transport``, which need not be hashable; the door holds it."""
        found = self.doors.get(id(transport))
        if found is None:
            # One of two threads wins; two doors would let in twice as many.
            found = self.doors.setdefault(id(transport), Door(transport, engine))
        return found


class Places:
    """The processes in which a blocking client is used."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options: dict[str, Any] = {name: options[name] for name in _OF_TRANSPORTS if name in options}
        self._handed_in = _handed_in(options)
        self._lock = fork_safe_lock()
        self._here = Place(None)

    def here(self) -> Place:
        """This process; its client is None where the client was made."""
        found = self._here
        return found if found.pid == os.getpid() else self._moved()

    def _moved(self) -> Place:
        with self._lock:
            if self._here.pid != os.getpid():
                self._here = Place(httpx.Client(**self._options))
            return self._here

    def leave(self) -> bool:
        """Close what this process was lent; whether the client's own connections may be closed here."""
        place = self.here()
        if place.client is None:
            return True
        for door in place.doors.values():
            if id(door.transport) not in self._handed_in:
                door.transport.close()
        return False


class AsyncPlace:
    """One event loop: the client that owns its connections, and the doors before them."""

    __slots__ = ("client", "doors", "keeper", "left", "loop", "pid")

    def __init__(self, loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient | None) -> None:
        self.client = client
        self.pid = os.getpid()
        self.loop = ref(loop)
        self.left = False
        self.keeper: AsyncGenerator[None, None] | None = None
        self.doors: dict[int, AsyncDoor] = {}

    def door(self, transport: httpx.AsyncBaseTransport, engine: Engine) -> AsyncDoor:
        """The door before ``transport``, which need not be hashable; the door holds it."""
        found = self.doors.get(id(transport))
        if found is None:
            found = self.doors[id(transport)] = AsyncDoor(transport, engine)
        return found

    async def settle(self) -> None:
        """Wait until what callers gave up is wound up."""
        for door in self.doors.values():
            await door.settle()


class AsyncPlaces:
    """The event loops on which an asynchronous client is used; the first one is its home."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options: dict[str, Any] = {name: options[name] for name in _OF_TRANSPORTS if name in options}
        self._handed_in = _handed_in(options)
        self._lock = fork_safe_lock()
        self._pid = os.getpid()
        self._home: ref[asyncio.AbstractEventLoop] | None = None
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncPlace] = WeakKeyDictionary()
        self._inherited: list[object] = []
        self._last: AsyncPlace | None = None

    def here(self) -> AsyncPlace:
        """This event loop; its client is None at home.

        Raises:
            ConfigurationError: no asyncio loop runs here.
        """
        loop = running_loop()
        last = self._last
        if last is not None and last.loop() is loop and last.pid == os.getpid():
            return last
        self._last = found = self._found(loop)
        return found

    def _found(self, loop: asyncio.AbstractEventLoop) -> AsyncPlace:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                # Kept for ever: what lives on the parent's loops would be wound up there, if it were let go of.
                self._inherited.append(self._loops)
                self._loops = WeakKeyDictionary()
            found = self._loops.get(loop)
            if found is not None:
                return found
            is_home = self._home is None
            if is_home:
                self._home = ref(loop)
        made = AsyncPlace(loop, None if is_home else self._lent())
        made.keeper = _open_until_closed(partial(self._leave, made))
        # Its first step tells the loop of it; a loop closes its asynchronous generators when it ends.
        with suppress(StopIteration):
            made.keeper.asend(None).send(None)
        with self._lock:
            # Those that were closed without a word. A place holds its loop by its keeper, so none would ever go.
            for closed in [one for one in self._loops if one.is_closed()]:
                del self._loops[closed]
            self._loops[loop] = made
        return made

    def _lent(self) -> httpx.AsyncClient:
        """A plain client with the same options, all of them with one context of TLS.

        Reading the certificates takes 16 ms, and there are programs that run every call on a loop of its own.
        """
        options: dict[str, Any] = self._options
        if options.get("transport") is None and not isinstance(options.get("verify"), ssl.SSLContext):
            given: dict[str, Any] = {name: options[name] for name in ("verify", "cert", "trust_env") if name in options}
            options = {**options, "verify": httpx.create_ssl_context(**given), "cert": None}
            self._options = options
        return httpx.AsyncClient(**options)

    async def _leave(self, place: AsyncPlace) -> None:
        """Close the connections of an event loop that ends."""
        if place.left:
            return
        place.left = True
        with self._lock:
            self._loops.pop(asyncio.get_running_loop(), None)
        await place.settle()
        for door in place.doors.values():
            if id(door.transport) not in self._handed_in:
                await door.transport.aclose()

    async def aclose(self) -> bool:
        """Close what this loop was lent; whether the client's own connections may be closed here too."""
        loop = asyncio._get_running_loop()
        self._last = None
        place = None if loop is None else self._loops.get(loop)
        if place is not None and place.pid == os.getpid():
            await self._leave(place)
            if place.keeper is not None:
                with suppress(RuntimeError):  # the loop ends, and closes it now
                    await place.keeper.aclose()
        home = None if self._home is None else self._home()
        return home is None or home is loop or home.is_closed()


async def _open_until_closed(leave: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await leave()
