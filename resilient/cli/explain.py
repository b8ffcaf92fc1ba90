"""``resilient explain URL``: the waterfall of one call, and what each stage decided."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from resilient.cli.asking import add_request_to, ask
from resilient.cli.text import printable
from resilient.durations import shown
from resilient.events import (
    AttemptEnded,
    CacheLookup,
    CacheStored,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    Event,
    FellBack,
    Paused,
    Rejected,
    Retried,
    RetryExhausted,
    StoreFailed,
    TimedOut,
)
from resilient.journey import Journey, describe

WIDTH = 40
"""Signs of a bar as long as the call."""
_CIRCUIT = (CircuitOpened, CircuitHalfOpened, CircuitClosed)


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "explain",
        help="the waterfall of one call: each stage, its decision and why",
        description="Send one request, and print what each stage of its pipeline decided and why, and when what "
        "happened. The exit status is 0 for an answer below 400, else 1.",
    )
    add_request_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send the request and explain what came of it.

    Raises:
        ConfigurationError: something in the policy file is wrong.
    """
    asked = ask(arguments)
    if asked.journey is None:
        return 1
    print("\n".join(explained(asked.pipeline, asked.journey)))
    if asked.response is None:
        return 1
    status = asked.response.headers.get("cache-status")
    print(f"\n{asked.response.status_code} {asked.response.reason_phrase}")
    if status is not None:
        print(f"cache-status: {printable(status)}")
    return 0 if asked.response.status_code < 400 else 1


def explained(pipeline: str, journey: Journey) -> Iterator[str]:
    """What each stage did, and then the waterfall, line by line.

    Args:
        pipeline: what the call went through, as ``client.describe`` tells it.
        journey: what happened.
    """
    title, *stages = pipeline.splitlines()
    yield title
    events = [event for _, event in journey.timeline]
    for stage in stages:
        yield stage
        told = [describe(event) for event in events if stage.strip().startswith(_stage_of(event))]
        yield from (f"      → {text}" for text in told)
    yield ""
    yield from waterfall(journey)


def waterfall(journey: Journey) -> Iterator[str]:
    """When what happened: a bar for each request and each wait, a dot for what takes no time."""
    whole = max([journey.seconds or 0.0, *(at - journey.started for at, _ in journey.timeline)], default=0.0)
    for at, event in journey.timeline:
        begins, lasts, sign = _span(at - journey.started, event)
        left = min(WIDTH - 1, round(begins / whole * WIDTH)) if whole else 0
        long = max(1, min(WIDTH - left, round(lasts / whole * WIDTH))) if whole else 1
        bar = f"{' ' * left}{sign * long}".ljust(WIDTH)
        yield f"{shown(begins):>9}  {bar}  {describe(event)}"
    yield f"{shown(whole):>9}  {'':{WIDTH}}  the end"


def _span(at: float, event: Event) -> tuple[float, float, str]:
    """When it began, how long it lasted, and its sign in a bar."""
    match event:
        case AttemptEnded(seconds=seconds):
            return max(0.0, at - seconds), seconds, "█"
        case Retried(delay=seconds) | Paused(seconds=seconds):
            return at, seconds, "░"
        case _:
            return at, 0.0, "·"


def _stage_of(event: Event) -> str:
    """The stage that an event is of, as descriptions call it."""
    match event:
        case CacheLookup() | CacheStored() | StoreFailed():
            return "response cache"
        case Retried() | RetryExhausted():
            return "retry"
        case Rejected(by="circuit"):
            return "circuit breaker"
        case Rejected() | Paused(by="rate"):
            return "rate limit"
        case TimedOut(what="deadline"):
            return "deadline"
        case TimedOut():
            return "attempt timeout"
        case FellBack():
            return "fallback"
        case _:
            return "circuit breaker" if isinstance(event, _CIRCUIT) else "send"
