"""Every store, in both colours, behind one colour-neutral face."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

import resilient
import resilient_adapters
from resilient.entry import Entry
from resilient.events import ReplicaConnected
from resilient.stores.registry import open_store
from resilient.testing import FakeClock
from tests.stores.certificates import Certificates, SecureServer
from tests.stores.servers import Server

SOURCES = [str(Path(package.__file__).parents[1]) for package in (resilient, resilient_adapters)]
NO_HURRY = {"write_wait": "60s", "busy_timeout": "60s"}
PATIENT = {"socket_timeout": "60s", "socket_connect_timeout": "60s"}
"""Waits that a busy machine does not cut short, on disk and in Redis."""


class Face:
    """A store as plain functions; the asynchronous one runs in an event loop of the test's own."""

    def __init__(self, pair, colour, runner, *, is_scattered=False):
        self.pair, self.colour = pair, colour
        self.is_scattered = is_scattered
        self.tasks = colour == "tasks"
        self._store = pair.tasks if self.tasks else pair.blocking
        self._runner = runner

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if not self.tasks:
            return method
        return lambda *args, **options: self._runner.run(method(*args, **options))

    def at_once(self, calls):
        """What several commands return, each a name and its arguments, run in as many threads or tasks."""
        if not self.tasks:
            with ThreadPoolExecutor(len(calls)) as pool:
                return list(pool.map(lambda call: getattr(self._store, call[0])(*call[1:]), calls))

        async def gather():
            return await asyncio.gather(*(getattr(self._store, name)(*args) for name, *args in calls))

        return self._runner.run(gather())

    def scan(self, *args):
        if not self.tasks:
            return list(self._store.scan(*args))

        async def collect():
            return [key async for key in self._store.scan(*args)]

        return self._runner.run(collect())


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """One server for all tests that need one and do it no harm."""
    server = Server(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def redis_url(redis_server):
    """The address of that server, with nothing in it."""
    redis_server.ask("FLUSHALL")
    return redis_server.url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority for all tests that do it no harm."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def secure_server(tmp_path_factory, certificates):
    """One that speaks TLS, for all tests that do it no harm."""
    server = SecureServer(tmp_path_factory.mktemp("secure"), certificates)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def cluster_url(redis_cluster):
    """The addresses of that cluster, with nothing in it."""
    redis_cluster.flush()
    return redis_cluster.url


@pytest.fixture
def own_server(tmp_path):
    """Starts a server that the test may do harm to."""
    started = []

    def start(*options):
        started.append(Server(tmp_path / f"server{len(started)}", *options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def opened(events):
    """Opens a store by its URL, by the machine's clock, and closes it in the end."""
    pairs = []

    def opened(url, **options):
        pairs.append(open_store(url, record=events.append, **{**PATIENT, **options}))
        return pairs[-1]

    yield opened
    for pair in pairs:
        pair.blocking.close()


COPIES = {"redis, copies": "?client_side=true&max_staleness=500ms", "redis, copies untold": "?local=500ms"}
"""Ways to keep copies in memory; some tests play with clocks that the server does not know, so not for long."""


WAYS = ("memory", "disk", "redis", *COPIES, "redis-cluster")
by_tls_too = pytest.mark.parametrize("url", [*WAYS, "rediss"], indirect=True)
"""For tests of much at once and of connections: TLS changes how bytes travel, and nothing of what they say."""


@pytest.fixture(params=WAYS)
def url(request, folder):
    if request.param == "rediss":
        server, certificates = map(request.getfixturevalue, ("secure_server", "certificates"))
        server.ask("FLUSHALL")
        return f"{server.secure_url}?{urlencode(certificates.client)}"
    if request.param.startswith("redis"):
        server = request.getfixturevalue("cluster_url" if request.param == "redis-cluster" else "redis_url")
        return server + COPIES.get(request.param, "")
    return "mem://" if request.param == "memory" else f"disk://{folder}"


@pytest.fixture
def options(url):
    patient = dict.fromkeys(("redis", "rediss", "redis+cluster"), PATIENT)
    return {"disk": NO_HURRY, **patient}.get(url.partition(":")[0], {})


@pytest.fixture
def events():
    return []


@pytest.fixture
def pair(url, options, clock, events):
    pair = open_store(url, clock=clock, record=events.append, **options)
    if "client_side" in url:
        pair.blocking.get("")
        while not any(isinstance(event, ReplicaConnected) for event in events):
            time.sleep(0.005)
        events.clear()
    yield pair
    pair.blocking.close()


@pytest.fixture(params=["blocking", "tasks"])
def store(request, pair, url):
    with asyncio.Runner() as runner:
        yield Face(pair, request.param, runner, is_scattered="+cluster:" in url)


@pytest.fixture
def disk(folder, clock, events):
    """Opens the disk store in the test's folder, or in another one, and closes it in the end."""
    opened = []

    def disk(where=folder, clock=clock, **options):
        options = {"record": events.append, **NO_HURRY, **options}
        opened.append(open_store(f"disk://{where}", clock=clock, **options))
        return opened[-1]

    yield disk
    for pair in opened:
        pair.blocking.close()


@pytest.fixture
def raw(folder):
    """Opens a connection of the test's own to the database of the test's folder."""
    connections = []

    def raw():
        connections.append(sqlite3.connect(folder / "resilient.db", isolation_level=None))
        return connections[-1]

    yield raw
    for connection in connections:
        connection.close()


@pytest.fixture
def make(clock):
    """Makes an entry that is written now and lives for ``ttl`` seconds."""

    def make(body=b"value", ttl=60.0, **more):
        now = clock.wall()
        return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)

    return make


@pytest.fixture
def script(tmp_path):
    """Starts Python on a text, with warnings as errors, in a process of its own."""

    def start(text, *args, umask=-1):
        path = tmp_path / f"script{len(list(tmp_path.glob('script*')))}.py"
        path.write_text(PRELUDE + text)
        given = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
        return subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", str(path), *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            umask=umask,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*SOURCES, *given])},
        )

    started = []

    def tracked(*args, **options):
        started.append(start(*args, **options))
        return started[-1]

    yield tracked
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


PRELUDE = """
import asyncio, logging, os, signal, sys, threading, time, warnings
from resilient.entry import Entry
from resilient.stores.registry import open_store

# In development mode asyncio speaks of callbacks that took long, which they do on a busy machine.
logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())

def entry(body, ttl=3600.0, **more):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)

def opened(folder, **options):
    return open_store(f"disk://{folder}", **{"write_wait": "60s", "busy_timeout": "60s", **options})

"""


def _ends_well(process):
    out, err = process.communicate(timeout=100)
    assert err == ""
    assert process.returncode == 0
    return out


@pytest.fixture
def ends_well():
    """What a process wrote, once it ended with success and without a word of complaint."""
    return _ends_well
