"""What is looked at."""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """Something that was found.

    Attributes:
        how: whether it is good, worth knowing, or bad.
        what: what it is.
        remedy: what to do about it, empty if nothing.
    """

    how: Literal["good", "note", "bad"]
    what: str
    remedy: str = ""


OURS = "resilient-client"
EXTRAS = {
    "cli": "rich", "redis": "redis", "prometheus": "prometheus_client", "otel": "opentelemetry", "fastapi": "fastapi",
    "zstd": "zstandard", "httpx2": "httpx2",
}  # fmt: skip
FEW_FILES = 1024


def versions() -> Iterator[Finding]:
    """What runs here."""
    needed = [line.split(";")[0] for line in requires(OURS) or [] if "extra ==" not in line]
    names = [line.split("[")[0].split(">")[0].split("<")[0].split("=")[0].strip() for line in needed]
    told = ", ".join(f"{name} {version(name)}" for name in names)
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("good", f"{OURS} {version(OURS)} on Python {python}: {told}, SQLite {sqlite3.sqlite_version}")


def names() -> Iterator[Finding]:
    """Whether somebody else's package of our name is in the way."""
    others = sorted(set(packages_distributions().get("resilient", [])) - {OURS})
    if others:
        remedy = f"use environments of their own, or uninstall {others[0]}"
        yield Finding("bad", f"{', '.join(others)} installs a package 'resilient' over ours", remedy)


def extras() -> Iterator[Finding]:
    """Which extras there are."""
    missing = [extra for extra, module in EXTRAS.items() if find_spec(module) is None]
    there = [extra for extra in EXTRAS if extra not in missing]
    yield Finding("good", f"extras: {', '.join(there) or 'none'}")
    if missing:
        remedy = f"if you want them: pip install '{OURS}[{','.join(missing)}]'"
        yield Finding("note", f"extras that are not installed: {', '.join(missing)}", remedy)


def logs() -> Iterator[Finding]:
    """Whether httpx writes addresses, with the tokens in them, into the log."""
    from resilient.logs.redacting import LOGGERS, is_redacted

    for name in LOGGERS:
        if logging.getLogger(name).isEnabledFor(logging.INFO) and not is_redacted(name):
            remedy = "call resilient.logs.redact_httpx_logs(), or set that logger to WARNING"
            yield Finding("bad", f"{name} logs every address at INFO, the values of its query included", remedy)


def instrumentation() -> Iterator[Finding]:
    """Whether requests are followed by another library too."""
    import httpx

    if hasattr(httpx.HTTPTransport.handle_request, "__wrapped__"):
        remedy = "our clients with telemetry=[OpenTelemetry()] keep it from making second spans; others it follows"
        yield Finding("note", "another library follows httpx's requests", remedy)


def store() -> Iterator[Finding]:
    """Whether the default disk cache could be used."""
    from resilient.errors import ConfigurationError
    from resilient_adapters.sqlite.folder import default_folder, make_private

    try:
        folder = default_folder()
        make_private(folder.parent)
        with tempfile.NamedTemporaryFile(dir=folder.parent):
            pass
    except (ConfigurationError, OSError) as error:
        yield Finding("bad", f"the default folder of disk caches cannot be used: {error}", "give disk:///a/path")
        return
    free = os.statvfs(folder.parent)
    yield Finding("good", f"disk caches go to {folder.parent}, {free.f_bavail * free.f_frsize / 2**30:.0f} GiB free")


def files() -> Iterator[Finding]:
    """Whether enough connections can be open."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 < most < FEW_FILES:
        remedy = "raise it: ulimit -n 4096; each connection is one, and a client has up to 100"
        yield Finding("bad", f"this process may open {most} files only", remedy)


def proxies() -> Iterator[Finding]:
    """Which proxies clients go through without being told."""
    set_here = [name for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") if os.environ.get(name) or _lower(name)]
    if set_here:
        remedy = "trust_env=False keeps a client from it"
        yield Finding("note", f"clients go through the proxy that {', '.join(set_here)} names", remedy)


def metrics() -> Iterator[Finding]:
    """Whether metrics of many processes can be added up."""
    place = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if place and not Path(place).is_dir():
        yield Finding("bad", "PROMETHEUS_MULTIPROC_DIR names no folder", "make it, empty, before the program starts")


def instruments() -> Iterator[Finding]:
    """Whether spans are recorded at all."""
    try:
        version("opentelemetry-api")
    except PackageNotFoundError:
        return
    try:
        version("opentelemetry-sdk")
    except PackageNotFoundError:
        yield Finding("note", "OpenTelemetry's API is here, its SDK is not: nothing is recorded")


def _lower(name: str) -> str | None:
    return os.environ.get(name.lower())


LOOKS = (versions, names, extras, instruments, logs, instrumentation, metrics, store, files, proxies)
