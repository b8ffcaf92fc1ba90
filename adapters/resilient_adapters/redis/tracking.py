"""The link on which a server says what has changed, so that no copy outlives its entry."""

from __future__ import annotations

import math
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from redis.exceptions import TimeoutError

from resilient.events import Event, ReplicaConnected, ReplicaFlushed, ReplicaInvalidated, ReplicaLost, StoreFailed
from resilient.locks import fork_safe_lock
from resilient.mechanics.backoff import full_jitter
from resilient.stores.parameters import Record
from resilient_adapters.redis.address import Address, Connection
from resilient_adapters.redis.copies import Copies
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.reading import NAME
from resilient_adapters.redis.script import Command
from resilient_adapters.redis.trouble import failure

PING = 1.0
"""Seconds from one question whether the server is there to the next."""
SILENCE = 2.0
"""Seconds without an answer after which it is not."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
"""Seconds until a link that could not be made is tried again."""
_CANARY_LIFE = 2000
"""Milliseconds."""


class Tracking:
    """One connection, and one thread that listens there from the first reading on until the store is closed.

    The server tells of every change of an entry, a group or the secret (``CLIENT TRACKING`` of their prefixes). What
    was changed before it answers a PING was told before, so an answer is worth trust for the time until the next one
    is due, counted from the question. So a copy is stale for three seconds at most, also where the link is silent, or
    this process stood still.

    Args:
        address: where the server is.
        keys: where everything lies.
        copies: what it keeps true.
        now: tells the time by which copies are trusted.
        record: hears what becomes of it.
    """

    def __init__(
        self, address: Address, keys: Keys, copies: Copies, now: Callable[[], float], record: Record | None
    ) -> None:
        self._address = address
        self._keys = keys
        self._copies = copies
        self._now = now
        self._record = record
        self._lock = fork_safe_lock()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._connection: Connection | None = None
        self._is_up = False
        self._canary: bytes | None = None
        """What has to be told of before copies are trusted."""
        self._heard: list[Any] = []

    def start(self) -> None:
        """Listen from now on; does nothing where that is done already."""
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="resilient-redis-link", daemon=True)
        with self._lock:
            if self._thread is not None or self._closed:
                return
            self._thread = thread
        try:
            thread.start()
        except RuntimeError:
            # No thread can be had: every reading asks the server, until one can.
            self._thread = None

    def close(self) -> None:
        """Listen no longer. The thread closes its connection itself, as soon as it notices that it is shut."""
        with self._lock:
            self._closed = True
            connection = self._connection
        self._over.set()
        self._copies.close()
        # redis-py has no name for it; to close a connection that another thread reads would do harm.
        sock: socket.socket | None = getattr(connection, "_sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def renew(self) -> None:
        """Start anew in a child process: the thread is the parent's, and so is what it heard."""
        connection = self._connection
        self._begin()
        self._copies.close()
        if connection is not None:
            # Here it is only let go of, so the parent's goes on; a server would fill it for ever.
            with suppress(OSError):
                connection.disconnect()

    def _run(self) -> None:
        over, failed = self._over, 0
        while not over.is_set():
            try:
                self._listen(over)
            except Exception as error:  # noqa: BLE001 - whatever ends a link, there has to be another one
                if not over.is_set():
                    failed = 1 if self._let_go(error) else failed + 1
                    over.wait(full_jitter(failed, base=_FIRST_WAIT, cap=_LONGEST_WAIT, random=random.random))

    def _listen(self, over: threading.Event) -> None:
        """Open a connection, see that it tells of changes, and hear what it tells until ``over``."""
        connection = self._connection = self._address.open(protocol=3)
        try:
            connection.update_current_socket_timeout(SILENCE)
            self._track(connection)
            while not over.is_set():
                due = time.monotonic() + PING
                while (left := due - time.monotonic()) > 0:
                    if connection.can_read(left):
                        self._hear(connection, due)
                self._ask(connection, ("PING",))
        finally:
            connection.disconnect()

    def _track(self, connection: Connection) -> None:
        """Have the server tell of changes, and see that it tells of one, before copies are trusted."""
        # As redis-py's own replica does; there is no other door. What a handler raises would only be logged.
        self._heard = []
        cast("Any", connection)._parser.set_invalidation_push_handler(self._heard.append)
        prefixes = [word for prefix in self._keys.told for word in ("PREFIX", prefix)]
        canary = self._canary = self._keys.canary(os.urandom(8).hex())
        self._ask(connection, ("CLIENT", "TRACKING", "ON", "BCAST", *prefixes), ("SET", canary, "", "PX", _CANARY_LIFE))
        self._is_up = True
        self._tell(ReplicaConnected(store=NAME, staleness=self._copies.longest))

    def _ask(self, connection: Connection, *commands: Command) -> None:
        """Ask the server, hear all that it tells before it has answered, and trust in copies for a while.

        Raises:
            TimeoutError: it does not answer.
        """
        asked, ends = self._now(), time.monotonic() + SILENCE
        connection.send_packed_command(connection.pack_commands(commands))
        missing = len(commands)
        while missing or self._canary is not None:
            missing -= self._hear(connection, ends)
        self._copies.trust(asked + PING + SILENCE)

    def _hear(self, connection: Connection, ends: float) -> bool:
        """Take in the next thing that the server says; whether it is an answer.

        Raises:
            TimeoutError: it says nothing until then.
        """
        # What has come is taken in even if it is late: this process may have stood still.
        if not connection.can_read(max(0.0, ends - time.monotonic())):
            raise TimeoutError("the server is silent")
        connection.read_response(push_request=True)
        if not self._heard:
            return True
        for _, names in self._heard:
            self._lose(names)
        self._heard.clear()
        return False

    def _lose(self, names: list[bytes] | None) -> None:
        """Drop the copies of what has changed: of everything, where no names are given."""
        if names is None or self._keys.secret in names:
            self._tell(ReplicaFlushed(store=NAME, reason="server", entries=self._copies.empty()))
            return
        self._tell(ReplicaInvalidated(store=NAME, names=len(names)))
        if self._canary in names:
            self._canary = None
        of, kind = self._keys.key_of, self._keys.kind_of
        self._copies.lose(
            [of(name) for name in names if kind(name) == "e"],
            [of(name) for name in names if kind(name) == "t"],
        )

    def _let_go(self, error: Exception) -> bool:
        """Serve nothing from here on; whether anything could be served before."""
        was_up, self._is_up = self._is_up, False
        self._copies.trust(-math.inf)
        count = self._copies.empty()
        if was_up:
            self._tell(ReplicaLost(store=NAME, reason="silent" if isinstance(error, TimeoutError) else "closed"))
            self._tell(ReplicaFlushed(store=NAME, reason="lost", entries=count))
        else:
            self._tell(StoreFailed(store=NAME, operation="track", kind=failure(error).kind))
        return was_up

    def _tell(self, event: Event) -> None:
        if self._record is not None:
            self._record(event)
