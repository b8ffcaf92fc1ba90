"""Telemetry that lets other processes of the same user look on."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.events import Event
from resilient.live.place import SUFFIX, folder, made_private
from resilient.live.record import Record, line_of
from resilient.live.ring import Ring
from resilient.locks import fork_safe_lock
from resilient.telemetry import Source

logger = logging.getLogger("resilient.telemetry")
MOST_READERS = 8
_PATIENCE = 5.0
"""Seconds that a reader may take for a line."""


class Live:
    """Remembers the latest 2,048 events, and lets ``resilient top`` and ``resilient tap`` read along.

    ``ResilientClient(telemetry=[Live()])``. The socket is made with the first event, for the process's own user alone;
    one object is enough for all clients and caches of a process. After a fork the child has a socket of its own.

    Args:
        path: of the socket; one named after the process in the user's runtime folder if not given.

    Raises:
        ConfigurationError: the path cannot be one of a socket.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        need(path is None or isinstance(path, str | os.PathLike), "path", path, "the path of a socket")
        self._given = None if path is None else Path(path)
        need(len(os.fsencode(self._given or "")) < 100, "path", path, "one shorter than 100 bytes")
        self._lock = fork_safe_lock()
        self._ring = Ring()
        self._pid = 0
        self._listener: socket.socket | None = None
        self._path: Path | None = None

    def of(self, source: Source) -> Callable[[Event], object]:
        """What remembers the events of ``source``."""
        return lambda event: self._add(source, event)

    def record(self, event: Event) -> None:
        """Remember an event of nobody in particular."""
        self._add(Source(), event)

    def recent(self) -> list[Record]:
        """What is remembered, the oldest first."""
        return self._ring.latest()

    def close(self) -> None:
        """Remove the socket; whoever reads along has come to the end."""
        with self._lock:
            listener, path, self._listener = self._listener, self._path, None
            mine = self._pid == os.getpid()
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if mine and path is not None:
            path.unlink(missing_ok=True)
        self._ring.end()

    def _add(self, source: Source, event: Event) -> None:
        if self._pid != os.getpid():
            self._open()
        self._ring.add(Record(time.time(), source, event))

    def _open(self) -> None:
        """Listen; a process that cannot is looked into by nobody, and goes on."""
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
        if self._listener is not None:
            self._listener.close()  # the parent's, who goes on with it
        self._listener, self._ring = None, Ring()
        try:
            self._path = self._given or made_private(folder()) / f"{self._pid}{SUFFIX}"
            self._listener = _listening(self._path)
        except (ConfigurationError, OSError) as error:
            logger.warning("nobody can look into this process: %s", error)
            return
        atexit.register(self.close)
        threading.Thread(target=self._accept, args=(self._listener,), name="resilient-live", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        places = threading.BoundedSemaphore(MOST_READERS)
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if not places.acquire(blocking=False):
                connection.close()
                continue
            args = (connection, places)
            threading.Thread(target=self._serve, args=args, name="resilient-live-reader", daemon=True).start()

    def _serve(self, connection: socket.socket, places: threading.BoundedSemaphore) -> None:
        records, reader = self._ring.join()
        try:
            with connection:
                connection.settimeout(_PATIENCE)
                # An empty line stands between what was and what is.
                connection.sendall(b"".join([*map(line_of, records), b"\n"]))
                while (record := reader.queue.get()) is not None:
                    connection.sendall(line_of(record))
        except OSError:
            pass  # whoever read has gone
        finally:
            self._ring.leave(reader)
            places.release()


def _listening(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()  # of a process of the same number, which is gone
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # nobody gets in before it listens
        listener.listen(MOST_READERS)
    except OSError:
        listener.close()
        raise
    return listener
