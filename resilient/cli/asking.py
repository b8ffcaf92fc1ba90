"""One request as the command line gives it, for the commands that send one."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from resilient.cli.text import printable
from resilient.journey import Journey
from resilient.redaction import without_secrets

if TYPE_CHECKING:
    import httpx


class Asked(NamedTuple):
    """What came of a request.

    Attributes:
        pipeline: what it went through, line by line, the outermost stage first.
        response: its answer, None if there was none.
        journey: what happened, None if nothing did.
    """

    pipeline: str
    response: httpx.Response | None
    journey: Journey | None


def add_request_to(parser: Any) -> None:
    """Add the arguments of a request to a parser."""
    parser.add_argument("url", metavar="URL", help="an http or https address")
    parser.add_argument("--policy", metavar="FILE", help="a TOML file of policies; the standard policy without one")
    parser.add_argument("-X", "--method", default="GET", help="the request's method, GET if not given")
    parser.add_argument(
        "-H", "--header", metavar="'NAME: VALUE'", type=_field, action="append", default=[], help="a header field"
    )


def ask(arguments: argparse.Namespace) -> Asked:
    """Send the request. Why there is no answer, if there is none, goes to standard error.

    Raises:
        ConfigurationError: something in the policy file is wrong.
    """
    import httpx

    from resilient.errors import ConfigurationError, ResilientError
    from resilient.httpx import ResilientClient

    method = arguments.method.upper()
    pipeline = ""
    with ResilientClient.from_config(arguments.policy) if arguments.policy else ResilientClient() as client:
        try:
            pipeline = client.describe(arguments.url, method=method)
            response = client.request(method, arguments.url, headers=arguments.header)
        except ConfigurationError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, ResilientError, ValueError) as error:
            text = "; ".join([str(error) or "no more is known", *getattr(error, "__notes__", ())])
            print(f"no answer: {type(error).__name__}: {printable(without_secrets(text))}", file=sys.stderr)
            return Asked(pipeline, None, getattr(error, "journey", None))
    return Asked(pipeline, response, response.extensions["resilient"])


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # What was given may be a secret, so it is not repeated.
        raise argparse.ArgumentTypeError("that is no header field; write 'Name: value'")
    return name.strip(), value.strip()
