"""``resilient doctor``: what in this environment would hurt."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

SIGNS = {"good": "ok", "note": "--", "bad": "!!"}


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "doctor",
        help="what in this environment would hurt",
        description="Look at this environment: versions, extras, logs, instrumentation, the cache's folder, limits. "
        "With the name of a module, that is imported first, so that what it sets up is seen. The exit status is 1 if "
        "something is bad.",
    )
    parser.add_argument("module", metavar="MODULE", nargs="?", help="a module of your program, such as my_app.main")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, and print what was found.

    Raises:
        ConfigurationError: the module cannot be imported.
    """
    from resilient.cli.doctor.looks import LOOKS
    from resilient.errors import ConfigurationError

    if arguments.module:
        sys.path.insert(0, os.getcwd())
        try:
            importlib.import_module(arguments.module)
        except Exception as error:
            raise ConfigurationError(f"{arguments.module!r} cannot be imported: {type(error).__name__}") from error
    found = [finding for look in LOOKS for finding in look()]
    for finding in found:
        print(f"{SIGNS[finding.how]}  {finding.what}")
        if finding.remedy:
            print(f"    {finding.remedy}")
    return 1 if any(finding.how == "bad" for finding in found) else 0
