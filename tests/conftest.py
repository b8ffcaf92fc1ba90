"""What tests of clients stand on: virtual time, each case in both colours and in every HTTP library with a door."""

import os
import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

import resilient.httpx
import resilient.testing.httpx
import resilient_adapters.httpx2
import resilient_adapters.httpx2.testing
from resilient.logs.limit import Limit
from resilient.testing import Simulation
from tests.stores.clusters import Cluster

COLOURS = ("blocking", "async")


@dataclass(frozen=True)
class Family:
    """An HTTP library, our door to it, and the part of the testing kit that plays it an origin."""

    http: ModuleType
    door: ModuleType
    kit: ModuleType


FAMILIES = {
    "httpx": Family(httpx, resilient.httpx, resilient.testing.httpx),
    "httpx2": Family(httpx2, resilient_adapters.httpx2, resilient_adapters.httpx2.testing),
}


class Caller:
    """A client of either colour, called in the same words.

    A test calls it plainly, and the world runs meanwhile; a script, which runs in the world, awaits :meth:`ask`.
    Addresses may be paths at ``https://api.test``.
    """

    def __init__(self, world: "World", client: Any) -> None:
        self.world = world
        self.client = client

    async def ask(self, method="GET", url="/", *, stream=False, follow_redirects=False, **options):
        """One call, for scripts."""
        request = self.client.build_request(method, url, **options)
        sent = self.client.send(request, stream=stream, follow_redirects=follow_redirects)
        return await self.world.result_of(sent)

    async def read(self, response):
        """The body of a streamed answer, read to its end and closed; for scripts."""
        return await self.world.result_of(response.read() if self.world.colour == "blocking" else response.aread())

    async def close(self, response):
        """Close a streamed answer; for scripts."""
        await self.world.result_of(response.close() if self.world.colour == "blocking" else response.aclose())

    def __call__(self, method="GET", url="/", **options):
        """One call, for tests."""
        return self.world.do(lambda: self.ask(method, url, **options))

    def get(self, url="/", **options):
        """One GET, for tests."""
        return self("GET", url, **options)

    def post(self, url="/", **options):
        """One POST, for tests."""
        return self("POST", url, **options)

    def outcome(self, method="GET", url="/", **options):
        """What one call ended with: an answer, or the error that it raised."""
        return self.world.run([lambda: self.ask(method, url, **options)], return_errors=True)[0]

    def circuit(self, url="https://api.test/"):
        """The state of an origin's circuit."""
        return self.client.circuit(url).state

    def tokens(self, url="https://api.test"):
        """What is left of an origin's budget."""
        return self.client.state()[f"* {url}"]["budget"]["level"]


class World(Simulation):
    """A world of one colour and one HTTP library: its clients and origins, in virtual time."""

    def __init__(self, colour, family: Family) -> None:
        super().__init__(colour)
        self.family = family
        self.http = family.http

    def origin(self, **options):
        """A scripted origin that tells this world's time."""
        return self.family.kit.Origin(clock=self.clock, **options)

    def client(self, transport, policies=None, **options) -> Caller:
        """A resilient client in front of ``transport``."""
        door = self.family.door
        kind = self.choose(door.ResilientClient, door.AsyncResilientClient)
        given = {"base_url": "https://api.test", "clock": self.clock, **options}
        return Caller(self, kind(transport=transport, policies=policies, **given))

    def do(self, caller):
        """Run one script to its end and give back what it returned."""
        return self.run([caller])[0]


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch):
    """Nothing was written into the log yet, so that nothing is kept back."""
    monkeypatch.setattr("resilient.logs.logs._limit", Limit())


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture
def families():
    """All of them, for what they share."""
    return list(FAMILIES.values())


@pytest.fixture
def world(colour, family):
    return World(colour, family)


@pytest.fixture
def world_of(family):
    """Makes worlds of any colour, for what compares them."""
    return partial(World, family=family)


@pytest.fixture
def blocking_world(family):
    """For what only threads can show."""
    return World("blocking", family)


@pytest.fixture
def async_world(family):
    """For what only tasks can show."""
    return World("async", family)


@pytest.fixture
def origin(world):
    return world.origin()


@pytest.fixture(autouse=True)
def dice():
    """The library throws the dice of the ``random`` module: seeded here, a test has the same luck every time."""
    before = random.getstate()
    random.seed(20)
    yield
    random.setstate(before)


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory):
    """One cluster for all tests that need one and leave it as they found it."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def found(record_property):
    """What a soak test counts: ``found.update(kills=4, lost=0)`` adds to it, and ``make soak`` shows it.

    Count first and judge then, so that a failure has its figures too.
    """
    figures = Counter()
    yield figures
    record_property("found", dict(figures))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A build server has everything that the tests need, so there nothing may be skipped."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped on a build server: {report.longrepr}"
    return report
