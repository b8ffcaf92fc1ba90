"""Reading along with a process that runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from resilient.errors import ConfigurationError
from resilient.live.place import running
from resilient.live.record import Record, record_of


def socket_of(where: str | None) -> Path:
    """The socket of the process that is meant.

    Args:
        where: its number, or the path of its socket; None for the only one that runs.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    if where is not None and os.sep in where:
        return Path(where)
    found = running()
    if where is not None:
        if where.isdigit() and int(where) in found:
            return found[int(where)]
        raise ConfigurationError(f"no process {where!r} lets others look on; {_listed(found)}")
    if len(found) != 1:
        raise ConfigurationError(f"say which process is meant; {_listed(found)}")
    return next(iter(found.values()))


def attach(path: Path) -> Iterator[Record | None]:
    """What a process remembers, then None, and then what happens in it; None whenever nothing did for half a second.

    Raises:
        ConfigurationError: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError as error:
            raise ConfigurationError(f"nobody can be looked into at {str(path)!r}: {error.strerror}") from error
        connection.settimeout(0.5)
        begun = b""
        while True:
            try:
                data = connection.recv(65536)
            except TimeoutError:
                yield None
                continue
            if not data:
                return
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                if not line:
                    yield None
                    continue
                # Of another version, perhaps: what it says of events that this one does not know is passed over.
                with suppress(ValueError):
                    yield record_of(line)


def _listed(found: dict[int, Path]) -> str:
    if not found:
        return "none does now: give its clients telemetry=[Live()], of resilient.live"
    return f"those that do: {', '.join(map(str, found))}"
