"""The suite's npm package: fetched, found to be the right one, and its server run."""

import base64
import hashlib
import http.client
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from .messages import Step

NAME, VERSION = "http-cache-tests", "0.4.5"
SHA512 = "DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A=="
"""Of its archive, as npm knows it."""
HERE = Path(__file__).parent
KEPT_IN = HERE.parents[1] / ".conformance"
SECONDS = 30.0
"""That the registry and the server may take to answer."""


def fetched() -> Path:
    """The package's folder. It comes from the registry the first time; without one or the other this ends here."""
    folder = KEPT_IN / f"{NAME}-{VERSION}"
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            sys.exit(f"There is no {tool}, and the public suite needs it: install Node.js.")
    if folder.is_dir():
        return folder
    KEPT_IN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT_IN) as there:
        command = ["npm", "pack", "--silent", "--fetch-retries=1", f"{NAME}@{VERSION}"]
        if subprocess.run(command, cwd=there, check=False, stdout=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"{NAME} {VERSION} does not come from npm's registry; is there a network?")
        (archive,) = Path(there).glob("*.tgz")
        if hashlib.sha512(archive.read_bytes()).digest() != base64.b64decode(SHA512):
            sys.exit(f"npm's registry gave another {NAME} {VERSION} than the one that is known here.")
        with tarfile.open(archive) as packed:
            packed.extractall(there, filter="data")
        Path(there, "package").rename(folder)
    return folder


def definitions(folder: Path) -> list[dict[str, Any]]:
    """The tests that the package defines."""
    command = ["node", str(HERE / "dump.mjs"), str(folder)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


class PackagedOrigin:
    """The package's own server, asked beside the client that is tested."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"

    def configure(self, token: str, steps: list[Step]) -> None:
        """Prepare for the requests of a test."""
        self._ask("PUT", f"/config/{token}", json.dumps(steps).encode())

    def state(self, token: str) -> list[dict[str, Any]]:
        """What was received of a test, and what was answered."""
        return json.loads(self._ask("GET", f"/state/{token}") or b"[]")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        with closing(http.client.HTTPConnection(self.address, timeout=SECONDS)) as connection:
            connection.request(method, path, body)
            response = connection.getresponse()
            read = response.read()
            return read if response.status < 400 else b""


@contextmanager
def serving(folder: Path) -> Iterator[PackagedOrigin]:
    """The package's server, in a process of its own."""
    command = ["node", "--no-warnings", str(HERE / "serve.mjs"), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            # What else it prints has to be read, or it would wait for that some day.
            Thread(target=process.stdout.read, daemon=True).start()
            yield PackagedOrigin(port)
        finally:
            process.terminate()
