"""``resilient tap``: the events of a running process, as they happen."""

from __future__ import annotations

import argparse
import fnmatch
import time
from typing import Any

from resilient.journey import describe
from resilient.live.attaching import attach, socket_of
from resilient.live.record import KINDS, Record


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "tap",
        help="the events of a running process, as they happen",
        description="Print the latest events of a running process whose clients have telemetry=[Live()], and then each "
        "as it happens, until it ends.",
    )
    parser.add_argument("where", metavar="PROCESS", nargs="?", help="its number, or the path of its socket")
    parser.add_argument("--route", metavar="PATTERN", help="of these routes only, such as 'api.*'")
    parser.add_argument("--event", metavar="NAME", help="of these kinds only, such as 'circuit.*'")
    parser.add_argument("--no-follow", action="store_true", help="what has happened so far, and no more")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the events.

    Raises:
        ConfigurationError: there is no such process.
    """
    if arguments.event and not any(_is_called(name, arguments.event) for name in KINDS):
        known = ", ".join(sorted(name.removeprefix("resilient.") for name in KINDS))
        print(f"resilient: no event is called {arguments.event!r}; there are {known}")
        return 1
    for record in attach(socket_of(arguments.where)):
        if record is None:
            if arguments.no_follow:
                return 0
            continue
        if arguments.route and not fnmatch.fnmatchcase(record.source.route, arguments.route):
            continue
        if arguments.event and not _is_called(record.event.name, arguments.event):
            continue
        print(line_of(record), flush=True)
    return 0


def line_of(record: Record) -> str:
    """The record as a line for people."""
    at = time.strftime("%H:%M:%S", time.localtime(record.wall)) + f".{int(record.wall % 1 * 1000):03d}"
    whose = f"{record.source.name} {record.source.route}".strip()
    return f"{at}  {whose:24} {describe(record.event)}"


def _is_called(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name.removeprefix("resilient."), pattern.removeprefix("resilient."))
