"""The demo as it happens: a live table on a terminal, a line a second elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from resilient.cli.demo.lines import CallRecord, Figures, Line
from resilient.cli.demo.process import OriginProcess
from resilient.cli.demo.script import AWAY, BACK, FAILS, SLOW, WORKS

if TYPE_CHECKING:
    from types import TracebackType

    from resilient.cli.demo.traffic import Traffic

COLOURS = {WORKS: "green", SLOW: "yellow", FAILS: "dark_orange", AWAY: "red", BACK: "green"}
_NEWS = 3
_BAR = 60


class Board:
    """Shows the lines while the traffic goes on.

    Args:
        console: where.
        origin: knows what was sent.
        lines: what is shown.
    """

    def __init__(self, console: Console, origin: OriginProcess, lines: Sequence[Line]) -> None:
        self.traffic: Traffic | None = None
        self._console = console
        self._origin = origin
        self._lines = lines
        self._is_live = console.is_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._due = 0.0

    def __enter__(self) -> Board:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()

    def refresh(self) -> None:
        """Show what there is now, five times a second on a terminal, once a second elsewhere."""
        now = time.monotonic()
        if now < self._due or self.traffic is None or self.traffic.started is None:
            return
        self._due = now + (0.2 if self._is_live else 1.0)
        second = now - self.traffic.started
        if not any(line.calls for line in self._lines):
            return
        if self._is_live:
            self._live.update(self._picture(self.traffic, now, second), refresh=True)
        else:
            self._console.print(self._line(self.traffic, now, second), soft_wrap=True)
            self._console.file.flush()

    def _line(self, traffic: Traffic, now: float, second: float) -> str:
        said = [f"{second:4.0f} s  {traffic.phase:<5}"]
        for line in self._lines:
            circuit = f", circuit {line.circuit}" if line.resilient else ""
            said.append(f"{line.name} {_percent(_latest(line, now))}{circuit}")
        return "   ".join(said)

    def _picture(self, traffic: Traffic, now: float, second: float) -> RenderableType:
        found = traffic.script.at(second)
        head = Text()
        if found is not None:
            phase, left = found
            head.append(f"● {phase.name} ", f"bold {COLOURS[phase.name]}")
            head.append(f"the server {phase.text}", COLOURS[phase.name])
            head.append(f", {left:.0f} s more", "dim")
        return Group(Text(), self._bar(traffic, second), head, Text(), self._table(now), Text(), *self._news(traffic))

    def _bar(self, traffic: Traffic, second: float) -> Text:
        """The whole script as a bar; what is over is bright."""
        bar = Text()
        total, at = traffic.script.seconds, 0.0
        for phase in traffic.script.phases:
            first, last = round(at / total * _BAR), round((at + phase.seconds) / total * _BAR)
            done = min(last, max(first, round(second / total * _BAR)))
            bar.append("━" * (done - first), COLOURS[phase.name])
            bar.append("─" * (last - done), f"dim {COLOURS[phase.name]}")
            at += phase.seconds
        return bar

    def _table(self, now: float) -> Table:
        table = Table(box=None, padding=(0, 1), header_style="bold", collapse_padding=True)
        table.add_column("client", no_wrap=True, min_width=17)
        for name in ("calls", "ok", "now", "sent", "stale"):
            table.add_column(name, justify="right", no_wrap=True, min_width=6)
        table.add_column("circuit", no_wrap=True, min_width=9)
        for name in ("p50", "p99"):
            table.add_column(name, justify="right", no_wrap=True, min_width=7)
        for line in self._lines:
            every, latest = line.of(None), _latest(line, now)
            table.add_row(
                line.name,
                str(every.calls),
                Text(_percent(every), _colour(every)),
                Text(_percent(latest), _colour(latest)),
                str(self._origin.attempts(line.name)),
                str(every.count("stale")) if line.resilient else "",
                _lamp(line),
                brief(every.percentile(50)),
                brief(every.percentile(99)),
            )
        return table

    def _news(self, traffic: Traffic) -> list[Text]:
        """What the circuits did last; always as many lines, so that nothing jumps."""
        news = [(at, f"{line.name}: {text}") for line in self._lines for at, text in line.news]
        start = traffic.started or 0.0
        lines = [
            Text(f"{at - start:5.1f} s  {text}", "dim", no_wrap=True, overflow="ellipsis") for at, text in sorted(news)
        ]
        return [*lines[-_NEWS:], *[Text()] * (_NEWS - len(lines[-_NEWS:]))]


def _latest(line: Line, now: float) -> Figures:
    """The calls that ended within the last second."""
    latest: list[CallRecord] = []
    for call in reversed(line.calls):
        if call.ended < now - 1:
            break
        latest.append(call)
    return Figures(latest)


def _percent(figures: Figures) -> str:
    return f"{figures.share * 100:.0f} %" if figures.calls else "–"


def _colour(figures: Figures) -> str:
    if not figures.calls:
        return "dim"
    return "green" if figures.share >= 0.99 else "yellow" if figures.share >= 0.5 else "red"


def _lamp(line: Line) -> Text:
    if not line.resilient:
        return Text("")
    return Text(f"● {line.circuit}", "red" if line.circuit == "open" else "green")


def brief(seconds: float | None) -> str:
    """A duration with as many digits as a table has room for; nothing if there is none."""
    if seconds is None:
        return ""
    if seconds >= 0.9995:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.{0 if seconds >= 0.00995 else 1}f} ms"
