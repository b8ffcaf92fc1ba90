"""Soak tests: how large they are, and the table of what they found.

A test with :func:`sizes` runs scaled down with all the others, and whole in ``make soak``. As a plugin
(``pytest -m soak -p tests.soaking``) this module shows what was found, and writes ``docs/soak.md`` if all of them ran.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from benchmarks.provenance import provenance

COLUMNS = ("what", "where", "size", "found", "took", "outcome")
OUTCOMES = ("not run", "passed", "skipped", "failed")
"""From the best to the worst."""
PACKAGES = ("httpx", "httpx2", "aiosqlite")
NARROWING = ("keyword", "deselect", "ignore", "ignore_glob", "lf", "stepwise")
"""Options that leave tests out."""


def sizes(**pairs: tuple[int, int]) -> pytest.MarkDecorator:
    """Give each argument its size in CI and its size in ``make soak``: ``@sizes(rounds=(10, 200), writers=(2, 4))``."""
    small, whole = (dict(zip(pairs, values, strict=True)) for values in zip(*pairs.values(), strict=True))
    soak = [pytest.mark.soak(**whole), pytest.mark.timeout(3600)]
    given = [
        pytest.param(*small.values(), id=counted(small), marks=pytest.mark.slow),
        pytest.param(*whole.values(), id=counted(whole), marks=soak),
    ]
    return pytest.mark.parametrize(list(pairs), given)


def counted(figures: Mapping[str, int]) -> str:
    """``figures`` in words, such as "1,000 calls, 0 lost"."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in figures.items())


@dataclass
class Row:
    """What a soak test found."""

    what: str
    where: str
    size: str
    found: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    outcome: str = "not run"

    @classmethod
    def of(cls, item: pytest.Function) -> "Row":
        """The row of a test that is still to run."""
        what = item.originalname.removeprefix("test_").replace("_", " ")
        size = counted(item.get_closest_marker("soak").kwargs)
        where = [part for part in item.callspec.id.split("-") if part != size]
        return cls(what[:1].upper() + what[1:], ", ".join(where), size)

    def add(self, report: pytest.TestReport) -> None:
        """Take in one of the test's phases. The last one knows the figures, and that all was well."""
        self.seconds += report.duration
        self.found = dict(report.user_properties).get("found", self.found)
        if report.when == "teardown" or not report.passed:
            self.outcome = max(self.outcome, report.outcome, key=OUTCOMES.index)

    def line(self) -> str:
        """The row in the table."""
        return line(self.what, self.where, self.size, counted(self.found), f"{self.seconds:.0f} s", self.outcome)


def line(*cells: str) -> str:
    """A line of the table."""
    return f"| {' | '.join(cells)} |"


class SoakTable:
    """Collects the rows of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self.page = config.rootpath / "docs" / "soak.md"
        # What is about to run: the tree may have changed when all is done.
        self.made = provenance(PACKAGES)
        self.rows: dict[str, Row] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        soak = [item for item in session.items if item.get_closest_marker("soak")]
        self.rows = {item.nodeid: Row.of(item) for item in sorted(soak, key=lambda item: item.nodeid)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid in self.rows:
            self.rows[report.nodeid].add(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        terminalreporter.section("what the soak tests found")
        for row in self.rows.values():
            terminalreporter.write_line(row.line())
        if is_whole(config) and self.rows and all(row.outcome != "not run" for row in self.rows.values()):
            self.page.write_text("\n".join(self.lines()) + "\n", encoding="utf-8")
            terminalreporter.write_line(f"{self.page} is written")
        else:
            terminalreporter.write_line(f"{self.page} is left as it was: not all of them ran")

    def lines(self) -> Iterator[str]:
        """The page."""
        yield from ("# Soak tests", "", *EXPLAINED, "", f"Made by `make soak`: {self.made}.", "")
        yield from (line(*COLUMNS), line(*["---"] * len(COLUMNS)))
        yield from (row.line() for row in self.rows.values())


EXPLAINED = (
    "Each row is a test that runs whole in `make soak`, which writes this page, and scaled down with every change. It",
    "has passed if what its name says held all the time. Only counts matter here: how long it took depends on the",
    "machine, and on what else the machine had to do.",
)


def is_whole(config: pytest.Config) -> bool:
    """Whether all soak tests are asked for, and not some of them."""
    narrowed = any(config.getoption(name, None) for name in NARROWING) or config.getoption("markexpr") != "soak"
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not narrowed


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SoakTable(config))
