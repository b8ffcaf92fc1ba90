"""What the demo says in the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resilient.cli.demo.lines import Figures, Line
from resilient.cli.demo.process import OriginProcess
from resilient.cli.demo.promises import Outage
from resilient.cli.demo.table import brief
from resilient.durations import shown


def print_summary(console: Console, lines: Sequence[Line], origin: OriginProcess, outage: Outage | None) -> bool:
    """Print the figures and what they mean; whether all promises held, or none could be judged."""
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("calls", "ok", "sent", "hits", "stale", "opened", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(Text("the whole run", "bold"))
    for line in lines:
        _add_row(table, line, line.of(None), origin.attempts(line.name), len(line.openings))
    if outage is not None:
        table.add_row()
        table.add_row(Text("in the outage", "bold"))
        for line in lines:
            _add_row(table, line, outage.of(line.name), outage.attempts(line.name), outage.openings(line.name))
    console.print(table)
    if outage is None:
        console.print("\nIt ended early, so there is nothing to judge.")
        return True
    promises = outage.promises()
    said = Table.grid(padding=(0, 1))
    for promise in promises:
        said.add_row(Text("✓", "green") if promise.holds else Text("✗", "bold red"), promise.text)
    console.print(f"\nThe server was away for {shown(outage.seconds)}:", style="bold")
    console.print(said)
    console.print(
        "\nsent: requests that the server counted itself, in a process of its own. While it is away it takes each "
        "connection, counts the request, and cuts the connection without a byte of an answer.\nopened: of the "
        "circuit, failed probes included.",
        style="dim",
    )
    return all(promise.holds for promise in promises)


def _add_row(table: Table, line: Line, figures: Figures, attempts: int, openings: int) -> None:
    own = (str(figures.count("hit")), str(figures.count("stale")), str(openings)) if line.resilient else ("", "", "")
    times = (brief(figures.percentile(50)), brief(figures.percentile(99)))
    table.add_row(f"  {line.name}", str(figures.calls), f"{figures.share * 100:.1f} %", str(attempts), *own, *times)
