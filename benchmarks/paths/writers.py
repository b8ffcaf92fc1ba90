"""Four processes that write one cache on disk."""

import asyncio
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from benchmarks.caches import VALUE
from benchmarks.measure import Bench, percentile
from benchmarks.rows import Row, at_most, ratio_at_least
from resilient import Cache

PROCESSES = 4
BATCH = 50
Write = Callable[[str, int, int, Barrier], None]
GENEROUS = "write_wait=60s&busy_timeout=60s"


def measure(bench: Bench) -> list[Row]:
    """Four processes that write values of 2 KB to one disk cache, beside four that write rows to SQLite in batches.

    Both write with ``BEGIN IMMEDIATE``, 50 values a transaction, and wait for its end. They take turns, and each
    figure is the 90th percentile of its turns. A fifth process reads meanwhile.
    """
    count = max(BATCH, 20 * BATCH * bench.effort.rounds // 150)
    rates: list[tuple[float, float]] = []
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(max(1, bench.effort.rounds // 15)):
            ours, seconds = _rate(_write_ours, f"disk://{folder}/ours{turn}?{GENEROUS}", count, reading=True)
            _make(path := Path(folder, f"raw{turn}.db"))
            raw, _ = _rate(_write_raw, str(path), count, reading=False)
            rates.append((ours, raw))
            waits += seconds
    ours, raw = (percentile(sorted(side), 0.9) for side in zip(*rates, strict=True))
    slow = percentile(waits, 0.99) * 1000
    return [
        Row(
            what=f"{PROCESSES} processes writing",
            client="async",
            ours=ours,
            peer="raw batches",
            theirs=raw,
            unit="values/s",
            goal=ratio_at_least(0.6),
        ),
        Row(
            what="a reader meanwhile, 99th percentile",
            client="blocking",
            ours=slow,
            peer="its median",
            theirs=percentile(waits, 0.5) * 1000,
            unit="ms",
            goal=at_most(5),
        ),
    ]


def _rate(
    write: Callable[[str, int, int, Barrier], None], where: str, count: int, *, reading: bool
) -> tuple[float, list[float]]:
    """Values a second that all processes write together, and the seconds of each read meanwhile."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES + 1)
    workers = [context.Process(target=write, args=(where, number, count, start)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    waits = _read(where, workers) if reading else []
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    assert all(worker.exitcode == 0 for worker in workers), "a process failed"
    return PROCESSES * count / seconds, waits


def _read(where: str, workers: list[Any]) -> list[float]:
    """Seconds of each read, of keys that are being written, until the writers end."""
    waits = []
    cache = Cache(where)
    try:
        while any(worker.is_alive() for worker in workers):
            began = time.perf_counter()
            cache.blocking.get(f"0:{len(waits) % BATCH}")
            waits.append(time.perf_counter() - began)
            time.sleep(0.001)
    finally:
        cache.close()
    return waits


def _write_ours(url: str, number: int, count: int, start: Barrier) -> None:
    async def write() -> None:
        cache = Cache(url)
        await cache.set(f"{number}:first", VALUE, "1h")
        start.wait()
        for first in range(0, count, BATCH):
            await cache.set_many({f"{number}:{one}": VALUE for one in range(first, first + BATCH)}, "1h")
        await cache.aclose()

    asyncio.run(write())


def _make(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, ends REAL, value BLOB)")


def _write_raw(path: str, number: int, count: int, start: Barrier) -> None:
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        start.wait()
        for first in range(0, count, BATCH):
            connection.execute("BEGIN IMMEDIATE")
            rows = [(f"{number}:{one}", 1.0, VALUE.encode()) for one in range(first, first + BATCH)]
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
