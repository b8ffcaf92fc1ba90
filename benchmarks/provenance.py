"""Where a table of figures was made: day, commit, versions and machine."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]


def provenance(packages: Sequence[str]) -> str:
    """Today, the commit that is checked out, Python, ``packages`` and this machine, in a line."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    machine = f"{platform.system()} {platform.machine()} with {os.cpu_count()} processors"
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {python}, {versions}, {machine}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty=, changed since", "--abbrev=10", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
