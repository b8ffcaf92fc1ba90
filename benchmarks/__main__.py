"""The command: ``python -m benchmarks [--quick] [--only NAME] [--update]``."""

import argparse
import inspect
import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules

from rich.console import Console

from benchmarks import paths, report
from benchmarks.measure import FULL, QUICK, Bench
from benchmarks.origins import absent
from benchmarks.rows import Row, missed


def every_path() -> Iterator[tuple[str, Callable[[Bench], list[Row]]]]:
    """Name and function of each path."""
    for found in iter_modules(paths.__path__):
        yield found.name, import_module(f"{paths.__name__}.{found.name}").measure


def main() -> None:
    """Measure, show, and write if told so."""
    known = dict(every_path())
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Our cost beside that of others.")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that everything runs")
    parser.add_argument("--only", metavar="NAME", choices=known, help=f"one path: {', '.join(known)}")
    parser.add_argument("--update", action="store_true", help="write results.md and results.png")
    asked = parser.parse_args()
    if asked.update and (asked.quick or asked.only):
        parser.error("--update writes the results of a whole run: leave out --quick and --only")

    logging.basicConfig(level=logging.ERROR)  # peers tell of their retries
    console, found = Console(), {}
    if not console.is_terminal:
        console = Console(width=140)
    for name in [asked.only] if asked.only else known:
        told = inspect.getdoc(known[name]) or ""
        with Bench(QUICK if asked.quick else FULL) as bench, console.status(f"{name} ..."):
            rows = known[name](bench)
        report.show(f"{name}: {told.splitlines()[0]}", rows, console)
        if bench.unrest:
            quiet = f"The median of a contestant's slices was at most {bench.unrest:.2f} times its figure."
            told += f"\n\n{quiet}"
            console.print(quiet)
        found[name] = (told, rows)
    for note in absent():
        console.print(f"[yellow]{note}[/yellow]")
    every = [row for _, rows in found.values() for row in rows]
    console.print(f"{len(missed(every))} of {sum(row.goal is not None for row in every)} goals missed")
    if asked.update:
        report.write(found, absent())


if __name__ == "__main__":
    main()
