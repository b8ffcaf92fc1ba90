"""Draw the pictures of the documentation: timelines of a cache, as SVG that is readable on light and on dark ground.

It writes them into ``docs/cache/pictures``. With ``--check`` it says whether they are in step, and changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parents[1] / "docs" / "cache" / "pictures"
LEFT, WIDTH, RIGHT = 112, 560, 28
"""Pixels of the column of labels, of the time from 0 to 100, and of the margin behind it."""
TOP, LANE, FOOT = 14, 46, 34
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .label { font-weight: 600 } .small { font-size: 11px } .faint { fill: #59636e }
  .middle { text-anchor: middle } .axis { stroke: #59636e } .edge { stroke: #8c959f; stroke-dasharray: 2 4 }
  .fresh { fill: #1a7f37; fill-opacity: .28 } .stale { fill: #bf8700; fill-opacity: .32 }
  .gone { fill: none; stroke: #8c959f; stroke-dasharray: 4 4 }
  .call { fill: #0969da } .wait { stroke: #0969da; stroke-width: 3 }
  .run { fill: #6639ba; fill-opacity: .75 } .fails { fill: #cf222e; fill-opacity: .8 }
  .behind { fill: #6639ba; fill-opacity: .18; stroke: #6639ba; stroke-width: 1.5; stroke-dasharray: 4 3 }
  .lost { fill: #cf222e; fill-opacity: .15; stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9ea7b3 } .axis { stroke: #9ea7b3 } .edge, .gone { stroke: #6e7681 }
    .fresh { fill: #3fb950; fill-opacity: .38 } .stale { fill: #d29922; fill-opacity: .42 }
    .call { fill: #58a6ff } .wait { stroke: #58a6ff }
    .run { fill: #bc8cff } .behind { fill: #bc8cff; stroke: #bc8cff }
    .fails { fill: #ff7b72 } .lost { fill: #ff7b72; stroke: #ff7b72 }
  }"""


@dataclass(frozen=True)
class Call:
    """Somebody calls: a dot, and a line as long as it waits. ``says`` is what it gets."""

    at: float
    says: str
    until: float | None = None

    def drawn(self, y: float) -> list[str]:
        """Its parts, in the lane at ``y``."""
        x = placed(self.at)
        wait = [] if self.until is None else [f'<path class="wait" d="M{x} {y + 8}H{placed(self.until)}"/>']
        return [
            *wait,
            f'<circle class="call" cx="{x}" cy="{y + 8}" r="4.5"/>',
            said(self.at, y - 5, self.says, "small"),
        ]


@dataclass(frozen=True)
class Bar:
    """Something lasts: a value that is kept, or a function that runs."""

    start: float
    end: float
    kind: Literal["fresh", "stale", "gone", "run", "behind", "fails", "lost"]
    says: str = ""

    def drawn(self, y: float) -> list[str]:
        """Its parts, in the lane at ``y``."""
        left, right = placed(self.start), placed(self.end)
        box = f'<rect class="{self.kind}" x="{left}" y="{y - 6}" width="{round(right - left, 1)}" height="20" rx="3"/>'
        if self.kind in ("fresh", "stale", "gone"):
            return [box, said((self.start + self.end) / 2, y + 8, self.says, "small")]
        return [box, said((self.start + self.end) / 2, y - 12, self.says, "small")]


@dataclass(frozen=True)
class Picture:
    """Lanes one below the other, by their labels, over a common time from 0 to 100; ``ticks`` name instants of it."""

    title: str
    lanes: Mapping[str, Sequence[Call | Bar]]
    ticks: dict[float, str]

    def svg(self) -> str:
        """The whole of it."""
        bottom = TOP + LANE * len(self.lanes)
        width, height = LEFT + WIDTH + RIGHT, bottom + FOOT
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f"<style>{STYLE}\n</style>",
        ]
        for at, tick in self.ticks.items():
            lines.append(f'<path class="edge" d="M{placed(at)} {TOP}V{bottom}"/>')
            lines.append(said(at, bottom + 20, tick, "small faint"))
        for number, (label, things) in enumerate(self.lanes.items()):
            y = TOP + LANE * number + 24
            lines.append(f'<text class="label" x="0" y="{y + 8}">{escape(label)}</text>')
            for thing in things:
                lines += thing.drawn(y)
        lines.append(f'<path class="axis" d="M{LEFT} {bottom}H{width - RIGHT}"/>')
        return "\n".join([*lines, "</svg>", ""])


def placed(time: float) -> float:
    """Where an instant from 0 to 100 is, in pixels from the left."""
    return round(LEFT + WIDTH * time / 100, 1)


def said(time: float, y: float, text: str, classes: str) -> str:
    """Text around an instant."""
    return f'<text class="middle {classes}" x="{placed(time)}" y="{y}">{escape(text)}</text>' if text else ""


CALLS, KEPT, RUNS = "callers", "kept value", "your function"

PICTURES = {
    "simple": Picture(
        "@cache: the function runs when nothing is kept; who calls then waits",
        {
            CALLS: [Call(4, "miss", 12), Call(30, "hit"), Call(52, "hit"), Call(74, "miss", 82), Call(93, "hit")],
            KEPT: [Bar(12, 66, "fresh", "served"), Bar(66, 82, "gone", "gone"), Bar(82, 100, "fresh", "served")],
            RUNS: [Bar(4, 12, "run"), Bar(74, 82, "run")],
        },
        {12: "stored", 66: "ttl"},
    ),
    "early": Picture(
        "@cache.early: the first call after early_ttl has the value made anew in the background",
        {
            CALLS: [Call(4, "miss", 12), Call(28, "hit"), Call(56, "hit"), Call(72, "hit"), Call(90, "hit")],
            KEPT: [Bar(12, 64, "fresh", "served"), Bar(64, 100, "fresh", "the new value, served")],
            RUNS: [Bar(4, 12, "run"), Bar(56, 64, "behind", "in the background")],
        },
        {12: "stored", 46: "early_ttl", 64: "stored anew", 82: "ttl of the first"},
    ),
    "soft": Picture(
        "@cache.soft: fresh, then stale while it is made anew, then gone",
        {
            CALLS: [Call(3, "miss", 9), Call(20, "hit"), Call(34, "stale"), Call(50, "hit"), Call(62, "stale"),
                    Call(69.5, "stale"), Call(79, "stale"), Call(91, "miss", 97)],
            KEPT: [Bar(9, 28, "fresh", "fresh"), Bar(28, 40, "stale", "stale"), Bar(40, 59, "fresh", "fresh"),
                   Bar(59, 86, "stale", "stale: served all the same"), Bar(86, 97, "gone", "gone")],
            RUNS: [Bar(3, 9, "run"), Bar(34, 40, "behind", "in the background"), Bar(62, 64.5, "lost", "fails"),
                   Bar(69.5, 72, "lost", "fails"), Bar(79, 81.5, "lost", "fails"), Bar(91, 97, "run")],
        },
        {9: "stored", 28: "soft_ttl", 40: "stored anew", 59: "soft_ttl", 86: "ttl"},
    ),
    "locked": Picture(
        "@cache.locked: of all processes one runs the function, the others wait for its result",
        {
            "process A": [Call(10, "miss", 42), Call(66, "hit")],
            "process B": [Call(16, "collapsed", 44), Call(74, "hit")],
            "process C": [Call(24, "collapsed", 46), Call(84, "hit")],
            KEPT: [Bar(42, 100, "fresh", "served to all")],
            RUNS: [Bar(10, 42, "run", "once, in process A")],
        },
        {10: "lease taken", 42: "stored, lease given back"},
    ),
    "failover": Picture(
        "@cache.failover: the function always runs; if it fails, the last good value stands in",
        {
            CALLS: [Call(4, "miss", 10), Call(24, "miss", 30), Call(46, "stale", 52), Call(64, "stale"),
                    Call(88, "error", 94)],
            KEPT: [Bar(10, 30, "stale", "in reserve"), Bar(30, 82, "stale", "the newer one, in reserve"),
                   Bar(82, 100, "gone", "gone")],
            RUNS: [Bar(4, 10, "run"), Bar(24, 30, "run"), Bar(46, 52, "fails", "fails"), Bar(88, 94, "fails", "fails")],
        },
        {30: "stored", 52: "failed", 69: "retry_after", 82: "ttl"},
    ),
    "iterator": Picture(
        "@cache.iterator: the first run passes as it comes, later ones are replayed",
        {
            CALLS: [Call(4, "miss", 34), Call(48, "hit"), Call(62, "hit"), Call(84, "miss", 100)],
            "items": [Bar(start, start + 2, "run") for start in (8, 15, 22, 31)]
            + [Bar(start, start + 2, "run") for start in (48, 50.6, 53.2, 55.8)]
            + [Bar(start, start + 2, "run") for start in (62, 64.6, 67.2, 69.8)]
            + [Bar(start, start + 2, "run") for start in (88, 95)],
            KEPT: [Bar(34, 80, "fresh", "the whole run, replayed"), Bar(80, 100, "gone", "gone")],
            RUNS: [Bar(4, 34, "run"), Bar(84, 100, "run")],
        },
        {34: "ended: stored", 80: "ttl"},
    ),
    "hit": Picture(
        "@cache.hit: a kept value is returned so many times",
        {
            CALLS: [Call(4, "miss", 10), Call(20, "1st"), Call(30, "2nd"), Call(40, "3rd"), Call(52, "miss", 58),
                    Call(68, "1st"), Call(78, "2nd"), Call(88, "3rd")],
            KEPT: [Bar(10, 46, "fresh", "cache_hits=3"), Bar(46, 58, "gone", "used up"), Bar(58, 94, "fresh", "again")],
            RUNS: [Bar(4, 10, "run"), Bar(52, 58, "run")],
        },
        {10: "stored", 58: "stored"},
    ),
    "dynamic": Picture(
        "@cache.dynamic: the first hit has the value made anew in the background",
        {
            CALLS: [Call(4, "miss", 10), Call(30, "hit"), Call(34, "hit"), Call(62, "hit"), Call(80, "hit")],
            KEPT: [Bar(10, 38, "fresh", "served"), Bar(38, 70, "fresh", "the new one"), Bar(70, 88, "fresh", "newer"),
                   Bar(88, 100, "fresh", "newest")],
            RUNS: [Bar(4, 10, "run"), Bar(30, 38, "behind", "in the background"), Bar(62, 70, "behind"),
                   Bar(80, 88, "behind")],
        },
        {10: "stored"},
    ),
    "batch": Picture(
        "@cache.batch: the function is asked only for items that are not kept",
        {
            CALLS: [Call(6, "ids 1 2 3", 18), Call(44, "ids 2 3 4", 52), Call(80, "ids 1 4")],
            "user:1": [Bar(18, 100, "fresh", "kept")],
            "user:2, user:3": [Bar(18, 100, "fresh", "kept")],
            "user:4": [Bar(52, 100, "fresh", "kept")],
            RUNS: [Bar(6, 18, "run", "1 2 3"), Bar(44, 52, "run", "4")],
        },
        {18: "stored", 52: "stored"},
    ),
    "invalidate": Picture(
        "@cache.invalidate: a write forgets what it has changed",
        {
            CALLS: [Call(4, "miss", 10), Call(26, "hit"), Call(40, "hit"), Call(66, "miss", 72), Call(86, "hit")],
            KEPT: [Bar(10, 56, "fresh", "the old value"), Bar(56, 72, "gone", "forgotten"),
                   Bar(72, 100, "fresh", "the new value")],
            RUNS: [Bar(4, 10, "run"), Bar(66, 72, "run")],
            "a write": [Bar(48, 56, "run")],
        },
        {56: "the write has returned"},
    ),
}  # fmt: skip


def main() -> None:
    """Write the pictures, or say which of them are not as they would be drawn."""
    drawn = {FOLDER / f"{name}.svg": picture.svg() for name, picture in PICTURES.items()}
    if "--check" in sys.argv:
        wrong = [path.name for path, svg in drawn.items() if not path.exists() or path.read_text() != svg]
        wrong += [path.name for path in FOLDER.glob("*.svg") if path not in drawn]
        if wrong:
            sys.exit(f"{', '.join(sorted(wrong))} out of step: run tools/pictures.py")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, svg in drawn.items():
        path.write_text(svg)


if __name__ == "__main__":
    main()
