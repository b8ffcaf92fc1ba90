"""A store that does not answer at first, and a call that has no other answer."""

import pytest

from resilient import Policy, ResponseCache
from resilient.caching.cache import Cache
from resilient.events import StoreFailed
from resilient.ports import StorePair
from resilient.stores.memory import MemoryStore

URL = "https://api.test/"


class Slow:
    """A store for tasks whose reading takes a while, as on a machine that is busy elsewhere."""

    name = "slow"

    def __init__(self, world, store):
        self.world, self.store, self.seconds, self.gets = world, store, 0.0, 0

    async def secret(self):
        return self.store.secret()

    async def get_many(self, keys):
        self.gets += 1
        await self.world.sleep(self.seconds)
        return self.store.get_many(keys)

    async def commit(self, changes, *, expected, tags=()):
        return self.store.commit(changes, expected=expected, tags=tags)


@pytest.fixture
def slow(async_world):
    return Slow(async_world, MemoryStore(clock=async_world.clock))


def client_of(world, origin, slow, **policy):
    cache = Cache(StorePair(blocking=slow.store, tasks=slow))
    policies = Policy(cache=ResponseCache.failover(ttl="1h"), retry=None, **policy)
    return world.client(origin, policies=policies, store=cache)


@pytest.mark.parametrize("outage", [{"status": 503}, {"error": "connect"}])
def test_a_failed_call_asks_a_store_again_that_did_not_answer(async_world, slow, outage):
    """The first reading is cut after 50 ms and told as such; the second one may take longer, and serves."""
    origin = async_world.origin()
    client = client_of(async_world, origin, slow)
    client.get(URL)
    slow.seconds = 0.2
    origin.fails(**outage)

    response = client.get(URL)

    assert response.status_code == 200
    assert response.extensions["resilient"].cache.result == "stale"
    assert [event.kind for event in response.extensions["resilient"].events(StoreFailed)] == ["timeout"]


def test_a_store_that_answered_is_not_asked_again(async_world, slow):
    """Nothing was kept, and it said so."""
    origin = async_world.origin().fails(status=503)
    client = client_of(async_world, origin, slow)
    assert client.get(URL).status_code == 503
    assert slow.gets == 1


def test_a_call_past_its_deadline_gives_the_store_its_grace_only(async_world, slow):
    """A hung origin and a store that takes 0.2 s: over at the deadline, and 20 ms later at the most."""
    origin = async_world.origin()
    client = client_of(async_world, origin, slow, deadline="2s")
    client.get(URL)
    slow.seconds = 0.2
    origin.hangs()
    began = async_world.clock.now()

    with pytest.raises(async_world.family.http.TimeoutException):
        client.get(URL)

    assert 2.0 <= async_world.clock.now() - began <= 2.0201
