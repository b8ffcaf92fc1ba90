"""The table on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from resilient.cli.tap import line_of
from resilient.cli.text import printable
from resilient.cli.top.figures import Figures, Row
from resilient.durations import shown
from resilient.live.record import Record

EVERY = 0.5
"""Seconds between two pictures."""
_LAMPS = {"closed": "[green]●[/] closed", "half open": "[yellow]●[/] half open", "open": "[red]●[/] open"}


def show(records: Iterator[Record | None], *, once: bool, console: Console | None = None) -> None:
    """Show what ``records`` say, until they end; or only what they say at first."""
    console = console or Console()
    figures = Figures()
    if once:
        for record in records:
            if record is None:
                break
            figures.add(record)
        console.print(picture(figures, time.time()))
        return
    due = 0.0
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        for record in records:
            if record is not None:
                figures.add(record)
            if time.monotonic() >= due:
                due = time.monotonic() + EVERY
                live.update(picture(figures, time.time()), refresh=True)
    console.print("the process has ended")


def picture(figures: Figures, now: float) -> RenderableType:
    """All of it as it is at ``now``."""
    table = Table(title="the last minute", title_justify="left", expand=False)
    table.add_column("client")
    table.add_column("route")
    for name in ("calls/s", "effective", "actual", "p50", "p99", "hits", "stale", "retries"):
        table.add_column(name, justify="right")
    table.add_column("circuit")
    rows = figures.rows(now)
    for row in rows:
        table.add_row(*_cells(row))
    parts: list[RenderableType] = [table if rows else Text("no calls in the last minute")]
    if failed := figures.stores():
        said = ", ".join(f"{name} failed {count} times" for name, count in failed.items())
        parts.append(Text(f"stores: {said}", style="red"))
    parts.extend(Text(printable(line_of(record)), style="dim", no_wrap=True) for record in figures.news)
    return Group(*parts)


def _cells(row: Row) -> list[str]:
    return [
        escape(printable(row.client)),
        escape(printable(row.route)),
        f"{row.rate:.1f}",
        _percent(row.effective),
        _percent(row.actual),
        "" if row.p50 is None else shown(row.p50),
        "" if row.p99 is None else shown(row.p99),
        _percent(row.hits),
        _percent(row.stale),
        str(row.retries),
        _LAMPS[row.circuit],
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
