"""The demo from its beginning to its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from rich.console import Console
from rich.markup import escape

from resilient.caching.cache import Cache
from resilient.cli.demo.lines import CODES, ORDERS, PLAIN, RATE, READS, lines, policies
from resilient.cli.demo.origin import LOOPBACK
from resilient.cli.demo.process import OriginProcess, need_port
from resilient.cli.demo.promises import Outage
from resilient.cli.demo.script import BACK, Script
from resilient.cli.demo.summary import print_summary
from resilient.cli.demo.table import Board
from resilient.cli.demo.traffic import Traffic
from resilient.httpx import ResilientClient
from resilient.redaction import without_secrets
from resilient.stores.registry import open_store

INTERRUPTED = 130


def play(port: int, store: str, seed: int, speed: float, blocking: bool) -> int:
    """Play the demo; its exit status.

    Raises:
        ConfigurationError: the port or the store cannot be had.
    """
    console = Console(highlight=False, emoji=False)
    need_port(port)
    pair = open_store(store)
    cache = Cache(pair)
    origin = OriginProcess(port, seed)
    script = Script(speed)
    kept_in = escape(without_secrets(store))
    console.print(
        f"A server at [cyan]{origin.url}[/] works, slows down, fails, goes away and returns: {script.seconds:.0f} s.\n"
        f"[bold]{PLAIN}[/] asks for /rates. [bold]{READS}[/] does too, and keeps the answers in {kept_in}. "
        f"[bold]{ORDERS}[/] keeps nothing. Each makes {RATE:.0f} calls a second."
    )
    try:
        _from_the_run_before(console, origin.url, cache, sum(1 for _ in pair.blocking.scan("http:")))
        return _show(console, origin, script, cache, blocking)
    finally:
        cache.close()


def _from_the_run_before(console: Console, url: str, cache: Cache, kept: int) -> None:
    """If answers of an earlier run are on disk, show that they outlived it: read them while no server is there."""
    if not kept:
        return
    with ResilientClient(base_url=url, policies=policies(LOOPBACK), store=cache, trust_env=False) as client:
        answered = 0
        for code in CODES:
            with suppress(Exception):
                answered += client.get(f"/rates/{code}").is_success
    console.print(
        f"\nFrom the run before, {kept} answers are kept. The server is not up yet and refuses every connection: "
        f"[bold]{answered} of {len(CODES)} reads answered[/]."
    )


def _show(console: Console, origin: OriginProcess, script: Script, cache: Cache, blocking: bool) -> int:
    rows = lines()
    interrupted = False
    with origin:
        board = Board(console, origin, rows)
        traffic = board.traffic = Traffic(script, origin, rows, cache, board.refresh)
        with board:
            try:
                if blocking:
                    traffic.in_threads()
                else:
                    asyncio.run(traffic.in_tasks())
            except KeyboardInterrupt:
                interrupted = True
    console.print()
    outage = Outage(rows, traffic.entered, origin) if BACK in traffic.entered and not interrupted else None
    held = print_summary(console, rows, origin, outage)
    return INTERRUPTED if interrupted else 0 if held else 1
