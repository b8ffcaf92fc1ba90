"""An entry of Redis of which this process has a copy, and how soon a change at the server ends the copy."""

import socket
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import redis
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

from benchmarks.caches import ARGUMENT, VALUE, Function, is_value, ours
from benchmarks.measure import COLOURS, Bench
from benchmarks.origins import FRESH, URL, families
from benchmarks.paths.hit import KEPT, fill, is_hit
from benchmarks.redis_server import RedisServer
from benchmarks.rows import Row, ratio_at_most
from resilient import Cache
from resilient.entry import Entry
from resilient.stores.registry import open_store
from resilient_adapters.redis.keys import Keys


def measure(bench: Bench) -> list[Row]:
    """A hit with ``client_side=True``, of a value of 2 KB, and the time from a write to the end of the copy.

    A hit of our transport stands beside one in memory. ``Cache.blocking.get`` stands beside ``get`` of redis-py with
    its own client-side cache, which gives bytes. A copy's end stands beside the same word from the server, read by a
    bare socket: medians of writes by a third party, which include the writing.
    """
    server = bench.own(RedisServer())
    url = f"{server.url}?client_side=true"
    found = []
    for family in families():
        for colour in COLOURS:
            calls = []
            for store in ("mem://", url):
                send = family.our_transport(bench, colour, family.origin(fields=FRESH), policies=KEPT, store=store)
                call = partial(send, family.http.Request("GET", URL))
                fill(bench, colour, call)
                calls.append(bench.add(colour, call, is_hit))
            memory, copy = calls
            what = "hit of a copy, transport called directly"
            found.append((what, f"{colour} {family.name}", copy, "memory hit", memory, ratio_at_most(1.5)))
    cache = bench.own(Cache(f"{url}&namespace=plain"))
    cache.blocking.set(ARGUMENT, VALUE)
    get = bench.add("blocking", lambda: cache.blocking.get(ARGUMENT), is_value)
    theirs = bench.add("blocking", _redis_py(bench, server), is_value)
    found.append(("get of a copy", "blocking", get, "redis-py's own cache", theirs, None))
    for colour in COLOURS:
        what = "hit of a decorated function, of a copy"
        function = bench.add(colour, ours(bench, colour, Function(), f"{url}&namespace={colour}"), is_value)
        found.append((what, colour, function, "redis-py's own cache", theirs, ratio_at_most(1 / 8)))
    time.sleep(0.2)  # links are there before the clock starts
    bench.run()
    rows = [
        Row(what=what, client=client, ours=mine.micros, peer=name, theirs=peer.micros, unit="µs", goal=goal)
        for what, client, mine, name, peer, goal in found
    ]
    mine, bare = _ends(bench, server)
    what = "from a write to the end of the copy"
    return [*rows, Row(what=what, ours=mine, peer="bare push", theirs=bare, unit="µs", goal=ratio_at_most(3))]


def _redis_py(bench: Bench, server: RedisServer) -> Callable[[], str]:
    # It wants Redis 7.4, though older servers tell of changes in the same words.
    CacheProxyConnection.MIN_ALLOWED_VERSION = "6.2.0"
    client = bench.own(redis.Redis(unix_socket_path=server.path, protocol=3, cache_config=CacheConfig()))
    client.set(ARGUMENT, VALUE)
    return lambda: client.get(ARGUMENT).decode()


def _ends(bench: Bench, server: RedisServer) -> tuple[float, float]:
    """Medians in microseconds, of our copy and of the bare push, in turns."""
    store = bench.own(open_store(f"{server.url}?client_side=true&namespace=ends").blocking)
    writer = bench.own(redis.Redis(unix_socket_path=server.path))
    name = Keys("ends").entry("k")
    now = time.time()
    store.set("k", Entry(body=b"x" * 2048, stored_at=now, fresh_until=now + 3600, expires_at=now + 3600))
    value = writer.get(name)
    listener = bench.own(socket.socket(socket.AF_UNIX))
    listener.connect(server.path)
    listener.sendall(b"HELLO 3\r\nCLIENT TRACKING ON BCAST PREFIX bare\r\n")
    time.sleep(0.05)
    listener.recv(65536)
    mine, bare = [], []
    for _ in range(bench.effort.rounds * 5):
        bare.append(_timed(writer, b"bare", b"x" * len(value), partial(listener.recv, 65536)))
        while store.get("k") is not store.at_hand.get("k"):
            time.sleep(0.0005)
        time.sleep(0.0005)  # a word of the write before may still be under way
        store.get("k")
        mine.append(_timed(writer, name, value, partial(_gone, store)))
    return median(mine) * 1e6, median(bare) * 1e6


def _timed(writer: Any, name: bytes, value: bytes, wait: Callable[[], Any]) -> float:
    began = time.perf_counter()
    writer.set(name, value)
    wait()
    return time.perf_counter() - began


def _gone(store: Any) -> None:
    while store.at_hand.get("k") is not None:
        time.sleep(0)
