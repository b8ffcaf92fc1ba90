"""The origin's process, as the demo holds it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from resilient.cli.demo.origin import BIND_WITHIN, LOOPBACK
from resilient.errors import ConfigurationError, ResilientError

_PATIENCE = 10.0
"""Seconds that the process may take to start, to obey, or to end."""


def need_port(port: int) -> None:
    """See that nothing listens on a port, before anything is said about it.

    Raises:
        ConfigurationError: it cannot be had.
    """
    ends = time.monotonic() + BIND_WITHIN
    while True:
        try:
            socket.create_server((LOOPBACK, port)).close()
        except OSError as error:
            if time.monotonic() > ends:
                raise _refused(port, os.strerror(error.errno or 0)) from error
            time.sleep(0.05)
        else:
            return


def _refused(port: int, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"the demo's server cannot listen on port {port} ({problem.lower()}); end what holds it, which may be "
        f"another demo, or give another one, as in --port {port % 60000 + 1}"
    )


class OriginProcess:
    """Starts the origin, tells it what to do, and knows what it has counted last.

    Args:
        port: where it listens.
        seed: of its dice.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self._seed = seed
        self._changed = threading.Condition()
        self._said: Mapping[str, Any] = {}
        self._ended = False

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{LOOPBACK}:{self.port}"

    def attempts(self, line: str, phase: str | None = None) -> int:
        """How many requests of a line of the table it has counted, in one phase or in all."""
        counted: Mapping[str, Mapping[str, int]] = self._said.get("attempts", {})
        return sum(counts.get(line, 0) for name, counts in counted.items() if phase in (None, name))

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            ConfigurationError: the port cannot be had.
        """
        command = [sys.executable, "-m", "resilient.cli.demo.origin", str(self.port), str(self._seed)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._listener = threading.Thread(target=self._listen, name="resilient-demo-origin", daemon=True)
        self._listener.start()
        try:
            self._await("phase")
        except BaseException:
            self._end()
            raise
        return self

    def enter(self, phase: str) -> None:
        """Have it behave as in ``phase``; returns when it does."""
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(f"{phase}\n")
        pipe.flush()
        self._await("phase", phase)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it, and hear its last figures."""
        self._end()

    def _await(self, key: str, value: str | None = None) -> None:
        def heard() -> bool:
            found = self._said.get(key)
            return self._ended or "error" in self._said or (found == value if value else found is not None)

        with self._changed:
            heard_in_time = self._changed.wait_for(heard, _PATIENCE)
            if (problem := self._said.get("error")) is not None:
                raise _refused(self.port, str(problem))
            if self._ended or not heard_in_time:
                raise ResilientError("the demo's server has ended by itself, or does not answer")

    def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        for line in pipe:
            with self._changed:
                self._said = json.loads(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _end(self) -> None:
        process = self._process
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._listener.join(_PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
