"""A real Prometheus, a process of the test's own on a port of its own, and its tool."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest


def binary(name: str) -> str:
    """``prometheus`` or ``promtool``, as ``tools/get-prometheus`` leaves it; without it the test is left out."""
    unpacked = Path(sys.prefix, "prometheus", "usr", "bin", name)
    found = shutil.which(name) or (str(unpacked) if unpacked.exists() else None)
    if found is None:
        reason = f"there is no {name}: run tools/get-prometheus, as make test does"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return found


def promtool(*arguments: object, given: str | None = None) -> str:
    """What the tool says, once it is content."""
    command = [binary("promtool"), *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """A server that scrapes one program, five times a second.

    Args:
        folder: where it keeps what it has scraped.
        port: the program's.
        rules: a file of rules.
    """

    def __init__(self, folder: Path, port: int, rules: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 200ms, evaluation_interval: 1s}}\n"
            f"rule_files: ['{rules}']\n"
            f"scrape_configs: [{{job_name: everything, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        )
        command = [
            binary("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}", "--enable-feature=exemplar-storage", "--log.level=warn",
        ]  # fmt: skip
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=30.0)
        ends = time.monotonic() + 60.0
        while not self._is_ready():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < ends, self._log.read_text()
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, path: str, **parameters: str):
        """What its API answers."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expression: str) -> list[float]:
        """What an expression comes to now, one value a series; numbers only."""
        values = [float(each["value"][1]) for each in self.ask("query", query=expression)["result"]]
        return [value for value in values if value == value]

    def close(self) -> None:
        """End it."""
        self._client.close()
        self._process.kill()
        self._process.wait()
