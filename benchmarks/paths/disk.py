"""A hit of a decorated function on disk."""

import sqlite3
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

import aiosqlite

from benchmarks.caches import ARGUMENT, VALUE, Function, is_value, ours, with_cashews, with_diskcache
from benchmarks.measure import Bench
from benchmarks.rows import Row, ratio_at_most
from resilient import Cache


def measure(bench: Bench) -> list[Row]:
    """A value of 2 KB on disk: a decorated async function, and a plain read.

    The plain read is ``Cache.blocking.get`` beside ``diskcache.Cache.get``. Both stand also beside the least that can
    be done: one ``SELECT`` of a value that is neither compressed nor checked, in tasks through the one hop to a
    thread that aiosqlite needs.
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
    path = folder / "rows.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB)")
        connection.execute("INSERT INTO entries VALUES (?, ?)", (ARGUMENT, VALUE.encode()))
        connection.commit()
    select = "SELECT value FROM entries WHERE key = ?", (ARGUMENT,)
    connection = bench.own(sqlite3.connect(path))
    alone = bench.add("blocking", lambda: connection.execute(*select).fetchall(), _is_row)
    hop = bench.own(_Aio(bench, path)).connection
    aside = bench.add("async", partial(hop.execute_fetchall, *select), _is_row)
    found.append(("get from disk", "blocking", read, "a SELECT alone", alone, None))
    found.append(("hit of a decorated function on disk", "async", mine, "a SELECT by aiosqlite alone", aside, None))
    bench.run()
    assert function.calls == 1, "the function was called again"
    return [
        Row(what=what, client=colour, ours=ours_.micros, peer=name, theirs=peer.micros, unit="µs", goal=goal)
        for what, colour, ours_, name, peer, goal in found
    ]


class _Folder(tempfile.TemporaryDirectory[str]):
    def close(self) -> None:
        self.cleanup()


class _Aio:
    """A connection of aiosqlite."""

    def __init__(self, bench: Bench, path: Path) -> None:
        self.connection = bench.once("async", partial(aiosqlite.connect, path))

    async def aclose(self) -> None:
        await self.connection.close()


def _is_row(rows: list[tuple[bytes]]) -> None:
    assert rows[0][0] == VALUE.encode(), rows
