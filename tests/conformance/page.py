"""The page ``docs/conformance.md``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.provenance import provenance

from .clients import Contestant
from .expectations import MAY_FAIL, NEEDS_FAILOVER
from .outcomes import Judged, score, surprises
from .package import NAME, VERSION

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
PACKAGES = ("httpx", "httpx2", "hishel", "requests-cache")
SCORES = ("client", "required", "optimal")
Found = Sequence[tuple[Contestant, list[Judged]]]


def scores(one: Contestant, judged: list[Judged]) -> tuple[str, ...]:
    """What came out for a client."""
    return one.name, score(judged, "required"), score(judged, "optimal")


def with_surprises(one: Contestant, judged: list[Judged]) -> tuple[str, ...]:
    """The same for one of ours, with how much of it is unexpected."""
    return *scores(one, judged), str(len(surprises(judged, one.may_fail)))


def write(ours: Found, peers: Found) -> None:
    """All of it."""
    lines = [*EXPLAINED, "", f"Made by `make conformance`: {provenance(PACKAGES)}.", ""]
    lines += _table((*SCORES, "unexpected"), [with_surprises(*one) for one in ours])
    lines += ["", "Others, over the same server:", "", *_table(SCORES, [scores(*one) for one in peers])]
    lines += ["", "## What a right cache may fail", "", *_table(("test", "why"), _reasons(MAY_FAIL))]
    lines += ["", "And without failover:", "", *_table(("test", "why"), _reasons(NEEDS_FAILOVER))]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _reasons(excused: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"`{test}`", why) for test, why in excused.items()]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_line(row) for row in (columns, ["---"] * len(columns), *rows)]


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


EXPLAINED = f"""\
# How it stands to the HTTP standard

There is a public suite of tests for HTTP caches: [cache-tests.fyi](https://cache-tests.fyi/), on npm as `{NAME}`.
Browsers and proxies are measured by it. `make conformance` puts our clients to version {VERSION} of it, as private
caches, over real sockets and with the suite's own server. It needs Node.js, and a network the first time.

Two things are judged otherwise than by the suite's own client. Where the origin hangs up, a client that raises has
served nothing stale, which is what the tests of that kind are about. And Set-Cookie is looked at only where a test is
about it.

A test is *required* if the standard demands it, and *optimal* if it makes a cache better. The rest only record what a
cache does; for many of them we say what is right. *Unexpected* is whatever came out otherwise, less the tests below
that a right cache may fail. It has to be 0 for every client of ours, or `make conformance` fails. `make test` puts all
of them to the same tests, with a clock that moves at once.""".splitlines()
