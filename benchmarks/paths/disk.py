"""A hit of a decorated function on disk."""

import tempfile
from pathlib import Path

from benchmarks.caches import ARGUMENT, VALUE, Function, is_value, ours, with_cashews, with_diskcache
from benchmarks.measure import Bench
from benchmarks.rows import Row, ratio_at_most
from resilient import Cache


def measure(bench: Bench) -> list[Row]:
    """A value of 2 KB on disk: a decorated async function, and a plain read.

    The plain read is ``Cache.blocking.get`` beside ``diskcache.Cache.get``.
    """
    folder = Path(bench.own(_Folder()).name)
    function, theirs = Function(), Function()
    mine = bench.add("async", ours(bench, "async", function, f"disk://{folder}/ours"), is_value)
    inline = bench.add("async", ours(bench, "async", Function(), f"disk://{folder}/inline?inline_reads=true"), is_value)
    cache = bench.own(Cache(f"disk://{folder}/plain"))
    cache.blocking.set(ARGUMENT, VALUE)
    read = bench.add("blocking", lambda: cache.blocking.get(ARGUMENT), is_value)
    found = []
    if bench.wants("cashews"):
        peer = bench.add("async", with_cashews(bench, "async", theirs, f"disk://?directory={folder}/cashews"), is_value)
        found.append(("hit of a decorated function on disk", "async", mine, "cashews", peer, ratio_at_most(0.4)))
        found.append(("the same, reading on the loop's thread", "async", inline, "cashews", peer, None))
    if bench.wants("diskcache"):
        peer = bench.add("blocking", with_diskcache(bench, folder / "diskcache"), is_value)
        found.append(("get from disk", "blocking", read, "diskcache", peer, ratio_at_most(2)))
    plain = bench.add("blocking", (folder / "plain" / "resilient.db").stat, lambda _: None)
    found.append(("get from disk", "blocking", read, "a stat of the file", plain, None))
    bench.run()
    assert function.calls == 1, "the function was called again"
    return [
        Row(what=what, client=colour, ours=ours_.micros, peer=name, theirs=peer.micros, unit="µs", goal=goal)
        for what, colour, ours_, name, peer, goal in found
    ]


class _Folder(tempfile.TemporaryDirectory[str]):
    def close(self) -> None:
        self.cleanup()
