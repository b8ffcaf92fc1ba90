"""``make conformance``: the public suite of HTTP caches over real sockets, with its own server.

It puts all our clients to it, and others, and writes ``docs/conformance.md``. It fails if a client of ours misses the
gate.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from . import package, page, suite
from .clients import Contestant, ours, peers
from .outcomes import Judged, judge, surprises
from .wire import TOO_SLOW, results_of


def main() -> int:
    """The exit status."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    folder = package.fetched()
    defined = package.definitions(folder)
    if defined != suite.definitions():
        suite.write(defined)
        sys.exit(
            "suite.json was not what the package defines. It is now: look at what has changed, and run this again."
        )
    mine = [(one, _outcomes(one, folder)) for one in ours()]
    missed = {one.name: surprises(judged, one.may_fail) for one, judged in mine}
    for name, found in missed.items():
        for surprise in found:
            print(f"{name}: {surprise}")
    page.write(mine, [(one, _outcomes(one, folder)) for one in peers()])
    return 1 if any(missed.values()) else 0


TRIES = 3
"""Runs of a client on a machine that is too busy for it."""


def _outcomes(one: Contestant, folder: Path) -> list[Judged]:
    """What each test comes to; shown as it is known."""
    cases = suite.private_cases()
    for left in reversed(range(TRIES)):
        with tempfile.TemporaryDirectory() as files, package.serving(folder) as origin:
            client = one.make(Path(files))
            results, slowest = asyncio.run(results_of(client, cases, origin))
        if slowest <= TOO_SLOW:
            break
        print(f"{one.name}: a request took {slowest:.1f} s, {'so it is run again' if left else 'which misleads'}.")
    judged = judge(cases, results)
    print(" | ".join(page.scores(one, judged)), flush=True)
    return judged


if __name__ == "__main__":
    sys.exit(main())
