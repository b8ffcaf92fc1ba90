"""``resilient demo``: a real server that fails on cue, and a client that survives it."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "demo",
        help="a real local server that fails on cue, and a client that survives it",
        description="Start a local HTTP server that works, slows down, fails, goes away and comes back; call it with "
        "a plain httpx client and a resilient one side by side; print what became of the calls. Takes half a minute. "
        "The exit status is 1 if a promise did not hold.",
    )
    parser.add_argument("--port", type=_port, default=8787, help="where the server listens, 8787 if not given")
    parser.add_argument(
        "--store", metavar="URL", help="where answers are kept; a folder of the user's cache if not given"
    )
    parser.add_argument("--blocking", action="store_true", help="call with the blocking clients, in threads")
    parser.add_argument("--seed", type=int, default=7, help="of the server's dice")
    parser.add_argument("--speed", type=_speed, default=1.0, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo.

    Raises:
        ConfigurationError: the port or the store cannot be had.
    """
    try:
        importlib.import_module("rich")
    except ImportError:
        print("resilient demo needs rich: pip install 'resilient-client[cli]'", file=sys.stderr)
        return 1
    from resilient.cli.demo.stage import play

    return play(arguments.port, arguments.store or default_store(), arguments.seed, arguments.speed, arguments.blocking)


def default_store() -> str:
    """A folder of the user's cache: what is kept there outlives the demo."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif os.path.isabs(given := os.environ.get("XDG_CACHE_HOME", "")):
        base = Path(given)
    else:
        base = Path.home() / ".cache"
    return f"disk://{quote(str(base / 'resilient-demo'))}"


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 1 to 65535")
    return int(text)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; give a number above 0")
    return speed
