"""What ``import resilient`` costs."""

import subprocess
import sys
from statistics import median

from benchmarks.measure import Bench
from benchmarks.rows import Row, at_most

SCRIPT = """
import sys, time
began = time.process_time()
import httpx
between = time.process_time()
assert "resilient" not in sys.modules
import resilient
print(between - began, time.process_time() - between)
"""


def measure(bench: Bench) -> list[Row]:
    """Processor time of ``import resilient`` in a new process that has imported httpx, beside that of httpx itself.

    The median of several processes; the modules have been compiled before.
    """
    figures = [_figures() for _ in range(bench.effort.processes + 1)][1:]
    theirs, ours = (median(column) for column in zip(*figures, strict=True))
    what, peer = "import resilient, httpx being there", "import httpx"
    return [Row(what=what, ours=ours * 1e3, peer=peer, theirs=theirs * 1e3, unit="ms", goal=at_most(150))]


def _figures() -> tuple[float, ...]:
    done = subprocess.run([sys.executable, "-I", "-c", SCRIPT], check=True, stdout=subprocess.PIPE, text=True)
    return tuple(map(float, done.stdout.split()))
