"""``resilient get URL``: one request, its answer, and how it came about."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

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
    parser.add_argument("url", metavar="URL", help="an http or https address")
    parser.add_argument("--policy", metavar="FILE", help="a TOML file of policies; the standard policy without one")
    parser.add_argument("-X", "--method", default="GET", help="the request's method, GET if not given")
    parser.add_argument(
        "-H", "--header", metavar="'NAME: VALUE'", type=_field, action="append", default=[], help="a header field"
    )
    parser.set_defaults(run=run)


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # What was given may be a secret, so it is not repeated.
        raise argparse.ArgumentTypeError("that is no header field; write 'Name: value'")
    return name.strip(), value.strip()


def run(arguments: argparse.Namespace) -> int:
    """Send the request and print what came of it.

    Raises:
        ConfigurationError: something in the policy file is wrong.
    """
    import httpx

    from resilient.errors import ConfigurationError, ResilientError
    from resilient.httpx import ResilientClient

    method = arguments.method.upper()
    print(f"{method} {printable(without_secrets(arguments.url))}")
    with ResilientClient.from_config(arguments.policy) if arguments.policy else ResilientClient() as client:
        try:
            response = client.request(method, arguments.url, headers=arguments.header)
        except ConfigurationError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, ResilientError, ValueError) as error:
            _say_failed(error)
            return 1
    _say_answered(response)
    return 0 if response.status_code < 400 else 1


def _say_failed(error: Exception) -> None:
    text = "; ".join([str(error) or "no more is known", *getattr(error, "__notes__", ())])
    print(f"no answer: {type(error).__name__}: {printable(without_secrets(text))}", file=sys.stderr)
    if (journey := getattr(error, "journey", None)) is not None:
        print(f"\n{journey}")


def _say_answered(response: httpx.Response) -> None:
    journey = response.extensions["resilient"]
    time = "" if journey.seconds is None else f"  {shown(journey.seconds)}"
    print(f"{response.status_code} {response.reason_phrase}{time}")
    for name, value in response.headers.multi_items():
        print(f"  {name}: {printable(_shown_field(name, value))}")
    print(f"\n{_preview(response)}\n\n{journey}")


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
