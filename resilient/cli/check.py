"""``resilient check FILE``: is a policy file right, and what does it mean?"""

from __future__ import annotations

import argparse
from typing import Any

from resilient.redaction import without_secrets


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "check",
        help="validate a policy file, and print the pipeline of each entry",
        description="Validate a policy file, and print the pipeline of each entry, the most specific first. "
        "The exit status is 1 if something in the file is wrong.",
    )
    parser.add_argument("file", metavar="FILE", help="a TOML file of policies")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what the file means.

    Raises:
        ConfigurationError: something in it is wrong.
    """
    from resilient.config import load
    from resilient.policies import Policies

    config = load(arguments.file)
    for option, value in config.client.items():
        print(f"{option} {without_secrets(value)}")
    for route in Policies(config.policies).routes:
        note = "" if route.name in config.policies else "    (not in the file: the standard policy)"
        print(f"\n{route.name}{note}")
        for line in [*str(route.policy).splitlines(), "send"]:
            print(f"  {line}")
    return 0
