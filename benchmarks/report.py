"""The results as a table in the terminal, a page and a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.provenance import provenance
from benchmarks.rows import COLUMNS, Row

HOME = Path(__file__).parent
PAGE, PLOT = HOME / "results.md", HOME / "results.png"
PACKAGES = (
    "httpx", "httpx2", "tenacity", "stamina", "httpx-retries", "cashews", "aiocache", "cachebox", "cachetools",
    "dogpile.cache", "diskcache", "hishel", "requests-cache", "redis",
)  # fmt: skip


def show(title: str, rows: Sequence[Row], console: Console) -> None:
    """One path in the terminal."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in ("ours", "peer's", "ratio", "goal") else "left")
    for row in rows:
        table.add_row(*row.cells(), style="red" if row.met == "no" else None)
    console.print(table)


def write(found: Mapping[str, tuple[str, Sequence[Row]]], notes: Sequence[str]) -> None:
    """The page and the plot of all paths: by name what was measured, and what came out."""
    lines = ["# Benchmarks", "", f"Made by `make bench`: {provenance(PACKAGES)}.", "", *_explained()]
    lines += [f"\n{note}." for note in notes]
    for name, (told, rows) in found.items():
        lines += ["", f"## {name}", "", told, ""]
        lines += [_line(COLUMNS), _line(["---"] * len(COLUMNS)), *(_line(row.cells()) for row in rows)]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _draw([row for _, rows in found.values() for row in rows if row.share is not None])


def _explained() -> list[str]:
    return [
        "Each ratio is ours to the peer's, both measured in one run, in slices that take turns; each figure is the",
        "10th percentile of its slices. Bodies have 2 KB. Figures of different runs or machines do not compare. The",
        "plot shows how much of each goal is used up.",
        "",
        f"![how much of each goal is used up]({PLOT.name})",
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _draw(rows: Sequence[Row]) -> None:
    """A bar a row, as long as the part of its goal that is used up."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(11, 1.5 + 0.28 * len(rows)), layout="constrained")
    shares = [row.share or 0.0 for row in rows]
    bars = axes.barh(
        [f"{row.what}, {row.client}" for row in rows],
        shares,
        color=["#2a7f62" if row.met == "yes" else "#c8553d" for row in rows],
    )
    axes.axvline(1.0, color="black", linewidth=1.2)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.bar_label(bars, [row.figure for row in rows], padding=6, bbox=behind)
    axes.set_xlim(0, max(1.25, *shares) * 1.1)
    axes.set_xlabel("part of the goal that is used up; the line is the goal, and shorter is better")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PLOT, dpi=110)
    pyplot.close(figure)
