"""``resilient get URL``: one request, its answer, and how it came about."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from resilient.cli.asking import add_request_to, ask
from resilient.cli.text import printable
from resilient.durations import shown
from resilient.redaction import REDACTED, without_secrets

if TYPE_CHECKING:
    import httpx

MOST_LINES, MOST_SIGNS = 20, 2000
"""How much of a body is shown."""


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "get",
        help="one request, and its journey: attempts, waits, circuit, cache",
        description="Send one request and print its answer and its journey. The exit status is 0 for an answer "
        "below 400, else 1. The values of queries and of Set-Cookie are never printed.",
    )
    add_request_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send the request and print what came of it.

    Raises:
        ConfigurationError: something in the policy file is wrong.
    """
    print(f"{arguments.method.upper()} {printable(without_secrets(arguments.url))}", flush=True)
    asked = ask(arguments)
    if asked.response is None:
        if asked.journey is not None:
            print(f"\n{asked.journey}")
        return 1
    _say_answered(asked.response)
    print(f"\n{_preview(asked.response)}\n\n{asked.journey}")
    return 0 if asked.response.status_code < 400 else 1


def _say_answered(response: httpx.Response) -> None:
    seconds = response.extensions["resilient"].seconds
    time = "" if seconds is None else f"  {shown(seconds)}"
    print(f"{response.status_code} {response.reason_phrase}{time}")
    for name, value in response.headers.multi_items():
        print(f"  {name}: {printable(_shown_field(name, value))}")


def _shown_field(name: str, value: str) -> str:
    if name.lower() == "set-cookie":
        return f"{value.partition('=')[0]}={REDACTED}"
    return without_secrets(value)


def _preview(response: httpx.Response) -> str:
    content = response.content
    if not content:
        return "(no body)"
    size = f"{len(content):,} bytes"
    if b"\0" in content[:MOST_SIGNS]:
        return f"({size} of {response.headers.get('content-type', 'who knows what')})"
    text = response.text
    lines = text[:MOST_SIGNS].splitlines()[:MOST_LINES]
    cut = printable("\n".join(lines))
    return cut if len(cut) >= len(text.strip()) else f"{cut}\n… ({size} in all)"
