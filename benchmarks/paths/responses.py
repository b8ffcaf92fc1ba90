"""An answer from the cache, by the whole client."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.http_caches import is_kept, with_hishel, with_requests_cache
from benchmarks.measure import Bench, Contestant
from benchmarks.origins import FRESH, URL, Family, families, is_answer, plain_get
from benchmarks.rows import Goal, Row, ratio_at_most
from resilient import Policy, ResponseCache

KEPT = Policy(cache=ResponseCache())


def measure(bench: Bench) -> list[Row]:
    """A hit by ``AsyncResilientClient.get``, 2 KB of body read, in memory and on disk, beside other HTTP caches.

    What is kept is fresh by its own word. All other stages are on, as by default. The plain client's transport does
    nothing. hishel keeps in SQLite only, and stands beside our memory and our disk; requests-cache keeps in memory, and
    is blocking.
    """
    folder = Path(bench.own(_Folder()).name)
    found: list[tuple[str, Family, Contestant, str, Contestant, Goal | None]] = []
    requests_cache = (
        bench.add("blocking", with_requests_cache(bench), is_kept) if bench.wants("requests_cache") else None
    )
    for family in families():
        memory = _ours(bench, family, "mem://")
        disk = _ours(bench, family, f"disk://{folder}/{family.name}")
        inline = _ours(bench, family, f"disk://{folder}/{family.name}-inline?inline_reads=true")
        plain = plain_get(bench, family, "async")
        found.append(("memory hit", family, memory, "plain AsyncClient.get", plain, ratio_at_most(0.9)))
        if requests_cache is not None:
            found.append(("memory hit", family, memory, "requests-cache", requests_cache, ratio_at_most(0.125)))
        if bench.wants("hishel"):
            hishel = bench.add("async", with_hishel(bench, family, folder), is_kept)
            found.append(("memory hit", family, memory, "hishel", hishel, ratio_at_most(0.1)))
            found.append(("disk hit", family, disk, "hishel", hishel, ratio_at_most(0.25)))
            found.append(
                ("disk hit, read on the loop's thread", family, inline, "hishel", hishel, ratio_at_most(0.125))
            )
    bench.run()
    return [
        Row(
            what=what,
            client=f"async {family.name}",
            ours=ours.micros,
            peer=peer,
            theirs=theirs.micros,
            unit="µs",
            goal=goal,
        )
        for what, family, ours, peer, theirs, goal in found
    ]


def _ours(bench: Bench, family: Family, store: str) -> Contestant:
    """Our client, with its answer kept."""
    client = family.ours(bench, "async", transport=family.origin(fields=FRESH), policies=KEPT, store=store)
    call = partial(client.get, URL)
    is_answer(bench.once("async", call))
    return bench.add("async", call, _is_hit)


def _is_hit(response: Any) -> None:
    is_answer(response)
    looked_up = response.extensions["resilient"].cache
    assert looked_up.result == "hit", looked_up


class _Folder(tempfile.TemporaryDirectory[str]):
    def close(self) -> None:
        self.cleanup()
