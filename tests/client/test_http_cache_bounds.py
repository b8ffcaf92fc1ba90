"""What an origin or a caller can make the cache hold is bounded, and what cannot be used is not held at all."""

import pytest

from resilient import Cache
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from resilient.testing import Reply
from tests.soaking import sizes

from .http_caching import CACHED, fresh, is_hit


@pytest.fixture
def kept(world):
    """A memory for a thousand entries."""
    return Cache("mem://?size=1000", clock=world.clock)


def held_by(cache):
    """How many entries are there."""
    return len(list(cache.blocking.scan("*")))


async def asking(caller, times, what):
    """So many requests, one after the other."""
    for number in range(times):
        await caller.ask(**what(number))


@sizes(flood=(1_500, 100_000))
@pytest.mark.parametrize("colour", ["async"])
@pytest.mark.parametrize("family", ["httpx"], indirect=True)
def test_a_flood_of_urls_stays_within_the_memory(world, origin, kept, found, flood):
    """The latest stay; what was dropped is counted."""
    caller = world.client(origin, CACHED, store=kept)
    origin.answers(headers=fresh(600))
    world.do(lambda: asking(caller, flood, lambda number: {"url": f"/{number}"}))
    found["held"] += held_by(kept)
    assert found["held"] <= 1000
    assert is_hit(caller.get(f"/{flood - 1}"))
    assert not is_hit(caller.get("/0"))


@sizes(flood=(300, 10_000))
def test_a_flood_of_variants_of_one_url_stays_small(world, origin, kept, found, flood):
    """Of one URL some are kept, the latest of them; other URLs are not driven out."""
    caller = world.client(origin, CACHED, store=kept)
    origin.behaves(lambda request, *_: Reply(headers={**fresh(600), "vary": "x-kind"}))
    caller.get("/other")
    world.do(lambda: asking(caller, flood, lambda number: {"url": "/one", "headers": {"x-kind": str(number)}}))
    found["held"] += held_by(kept)
    assert found["held"] <= 100
    assert is_hit(caller.get("/one", headers={"x-kind": str(flood - 1)}))
    assert is_hit(caller.get("/other"))


@sizes(flood=(300, 10_000))
def test_a_flood_of_groups_stays_small(world, origin, kept, flood):
    """An answer in more groups than anybody needs is served like any other."""
    caller = world.client(origin, CACHED, store=kept)
    origin.answers(headers={**fresh(600), "cache-groups": ", ".join(f'"group-{number}"' for number in range(flood))})
    caller.get()
    assert caller.get().status_code == 200
    assert held_by(kept) <= 100


@pytest.mark.parametrize("names", [10, 1000])
def test_a_hostile_vary_is_no_burden(world, origin, kept, names):
    """An answer that varies by a thousand fields."""
    caller = world.client(origin, CACHED, store=kept)
    origin.answers(headers={**fresh(600), "vary": ", ".join(f"x-{number}" for number in range(names))})
    assert [caller.get().status_code for _ in range(3)] == [200] * 3
    assert held_by(kept) <= 10


def test_nothing_is_written_for_what_cannot_be_used(world, origin, kept):
    """Neither fresh nor to be confirmed: there would be nothing to do with it."""
    caller = world.client(origin, CACHED, store=kept)
    for url, said in (
        ("/a", {}),
        ("/b", fresh(0)),
        ("/c", {"cache-control": "no-cache"}),
        ("/d", fresh(60, "no-store")),
    ):
        origin.answers(headers=said)
        caller.get(url)
    assert held_by(kept) == 0


NOT_KEPT = [{}, fresh(0), {"cache-control": "no-cache"}, fresh(60, "no-store"), {"vary": "*"}]


@pytest.mark.parametrize("said", NOT_KEPT, ids=["nothing", "stale", "no-cache", "no-store", "vary"])
def test_what_is_not_kept_costs_one_command(world, origin, said):
    """The one by which it was looked for, once and again."""
    store = Watched(world.clock)
    caller = world.client(origin, CACHED, store=StorePair(store, Lifted(store)))
    origin.answers(headers=said)
    for _ in range(2):
        store.asked.clear()
        caller.get()
        assert [one for one in store.asked if one not in ("name", "secret")] == ["get_many"]


class Watched:
    """A memory that notes its commands."""

    def __init__(self, clock):
        self._memory = MemoryStore(clock=clock)
        self.asked = []

    def __getattr__(self, command):
        self.asked.append(command)
        return getattr(self._memory, command)


def test_a_hit_reads_once_and_writes_nothing(world, origin):
    """A miss reads once too, what was forgotten included, and writes in one command."""
    store = Watched(world.clock)
    caller = world.client(origin, CACHED, store=StorePair(store, Lifted(store)))
    origin.answers(headers=fresh(600))
    caller.get()
    assert [one for one in store.asked if one not in ("name", "secret")] == ["get_many", "commit"]
    store.asked.clear()
    assert is_hit(caller.get())
    assert [one for one in store.asked if one not in ("name", "secret")] == ["get_many"]
