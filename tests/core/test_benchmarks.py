"""The benchmarks, each in a tiny slice: they run, and what they find can be shown. No figure is judged here."""

import math
import re
import subprocess
import sys
from functools import partial

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.__main__ import every_path
from benchmarks.measure import COLOURS, Bench, Effort
from benchmarks.origins import URL, families, is_answer
from benchmarks.peers import retries
from benchmarks.rows import Row, at_most, missed, ratio_at_least, ratio_at_most

TINY = Effort(rounds=1, seconds=0.0005, processes=1)
PATHS = dict(every_path())


@pytest.mark.slow
@pytest.mark.parametrize("name", PATHS)
def test_a_path_runs_and_gives_finite_figures(name):
    """Its own checks hold too: that a hit was one, that a peer retries, that an open circuit refused."""
    with Bench(TINY, whole=False) as bench:
        rows = PATHS[name](bench)
    assert rows
    assert PATHS[name].__doc__
    for row in rows:
        assert math.isfinite(row.ours)
        assert math.isfinite(row.ratio)
        assert row.share is None or math.isfinite(row.share)


@pytest.mark.slow
def test_the_command_shows_a_table():
    """As ``make bench-quick`` calls it, for one path."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "imports"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    assert "import httpx" in done.stdout
    assert re.search(r"\d of 1 goals missed", done.stdout)


@pytest.mark.parametrize("options", [["--quick"], ["--only", "hit"]], ids=" ".join)
def test_results_are_written_from_a_whole_run_only(options):
    """A part would take the place of all the rest."""
    command = [sys.executable, "-m", "benchmarks", "--update", *options]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "leave out --quick and --only" in done.stderr


@pytest.mark.parametrize("colour", COLOURS)
def test_who_does_not_retry_is_found_out(colour):
    """A comparison with a client that does less would be none."""

    def plain(bench, family, colour, transport):
        return partial(family.bare(bench, colour, transport=transport).get, URL)

    with Bench(TINY) as bench, pytest.raises(AssertionError):
        retries(bench, families()[0], colour, plain)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_wrong_answer_is_found_out(colour):
    """Before anything is measured."""
    family = families()[0]
    with Bench(TINY) as bench:
        client = family.bare(bench, colour, transport=family.origin(503))
        bench.add(colour, partial(client.get, URL), is_answer)
        with pytest.raises(AssertionError):
            bench.run()


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("at_once", [1, 3])
def test_a_slice_holds_just_as_many_calls(colour, at_once):
    """However many of them are made side by side."""
    called = []

    async def call():
        called.append(1)

    with Bench(TINY) as bench:
        work = partial(called.append, 1) if colour == "blocking" else call
        one = bench.add(colour, work, lambda _: None, at_once=at_once)
        bench.run()
        assert one.count % at_once == 0
        called.clear()
        bench.slice(one, 6)
    assert len(called) == 6


def rows():
    given = {"what": "work", "peer": "a peer", "theirs": 10.0, "unit": "µs"}
    return [
        Row(ours=1.0, **given, goal=ratio_at_most(0.12)),
        Row(ours=1.3, **given, goal=ratio_at_most(0.12)),
        Row(ours=9.6, **given, goal=ratio_at_least(0.95)),
        Row(ours=9.4, **given, goal=ratio_at_least(0.95)),
        Row(ours=4.9, **given, goal=at_most(5)),
        Row(ours=5.1, **given, goal=at_most(5)),
        Row(ours=5.1, **given),
    ]


def test_a_goal_is_met_or_not():
    """Above it, below it, and without one."""
    assert [row.met for row in rows()] == ["yes", "no", "yes", "no", "yes", "no", ""]
    assert missed(rows()) == rows()[1:6:2]


def test_what_the_goal_allows_is_used_up_in_part():
    """The plot's bars: 1 is the goal, whichever way it points."""
    shares = [row.share for row in rows()[:-1]]
    assert shares == pytest.approx([1 / 1.2, 1.3 / 1.2, 0.95 / 0.96, 0.95 / 0.94, 0.98, 1.02])


def test_the_page_holds_every_row(tmp_path, monkeypatch):
    """With versions, what was measured, what was not, and who missed the goal."""
    drawn = []
    monkeypatch.setattr(report, "PAGE", tmp_path / "results.md")
    monkeypatch.setattr(report, "_draw", drawn.extend)
    report.write({"path": ("What is measured.", rows())}, ["other: not measured"])
    page = report.PAGE.read_text(encoding="utf-8")
    assert "| work |  | 1.3 µs | a peer | 10 µs | 0.130× | ≤ 0.12× | no |" in page
    assert "| work |  | 5.1 µs | a peer | 10 µs | 0.510× |  |  |" in page
    assert "What is measured." in page
    assert "other: not measured." in page
    assert re.search(r"httpx \d+\.\d+", page)
    assert drawn == rows()[:-1]


def test_the_table_holds_every_row():
    """In the terminal."""
    console = Console(width=140, record=True)
    report.show("path: What is measured.", rows(), console)
    assert console.export_text().count("a peer") == len(rows())
