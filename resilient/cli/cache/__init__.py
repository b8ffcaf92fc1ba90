"""``resilient cache``: what a store keeps, looked at from outside."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "cache",
        help="what a store keeps: list it, show one, remove some, count",
        description="Look at what a store on disk or in Redis keeps, and remove some of it. Programs that use it "
        "go on.",
    )
    verbs = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for verb, about in {
        "ls": "list what is kept, the latest first",
        "show": "show answers with their header fields, or values' times",
        "rm": "remove what is meant",
        "stats": "count what is kept",
    }.items():
        sub = verbs.add_parser(verb, help=about, description=about)
        sub.add_argument("store", metavar="STORE_URL", help="such as disk:///var/cache/my-app or redis://localhost")
        if verb != "stats":
            sub.add_argument("key", metavar="KEY", nargs="?", help="how keys begin")
            sub.add_argument("--place", metavar="PATTERN", help="answers to these only: 'https://api.example.com/v1/*'")
        if verb == "rm":
            sub.add_argument("--all", action="store_true", help="everything")
        sub.set_defaults(run=run, verb=verb)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked.

    Raises:
        ConfigurationError: there is no such store.
        StoreError: it failed.
    """
    from resilient.cli.cache.looking import Looking
    from resilient.cli.cache.saying import SAYINGS

    with Looking(arguments.store) as looking:
        return SAYINGS[arguments.verb](looking, arguments)
