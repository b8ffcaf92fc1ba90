"""The ``resilient`` command."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from resilient.cli import cache, check, demo, doctor, explain, get, tap, top
from resilient.errors import ResilientError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names, that of the process if not given; its exit status."""
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign shows another one
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except ResilientError as error:
        print(f"resilient: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="resilient", description="HTTP clients that survive.")
    parser.add_argument("--version", action="version", version=f"resilient-client {version('resilient-client')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (demo, get, explain, check, cache, top, tap, doctor):
        command.add_to(commands)
    return parser
