"""``resilient top``: a running process's routes as a live table."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "top",
        help="a running process, route by route: calls, success, times, cache, retries, circuits",
        description="Show what a running process whose clients have telemetry=[Live()] did in the last minute, until "
        "it ends. Needs the extra 'cli'.",
    )
    parser.add_argument("where", metavar="PROCESS", nargs="?", help="its number, or the path of its socket")
    parser.add_argument("--once", action="store_true", help="as it is now, and no more")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the table.

    Raises:
        ConfigurationError: there is no such process, or rich is not installed.
    """
    from resilient.errors import ConfigurationError

    try:
        from resilient.cli.top.screen import show
    except ImportError as error:
        raise ConfigurationError("the table needs rich: pip install 'resilient-client[cli]'") from error
    from resilient.live.attaching import attach, socket_of

    show(attach(socket_of(arguments.where)), once=arguments.once)
    return 0
