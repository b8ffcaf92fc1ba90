"""What an origin or a caller can make the cache hold is bounded, and what cannot be used is not held at all."""

import pytest

from resilient import Cache
from resilient.testing import Reply
from tests.soaking import sizes

from .http_caching import CACHED, fresh, is_hit


@pytest.fixture
def kept(world):
    """A memory for a thousand entries, and how many it holds."""
    cache = Cache("mem://?size=1000", clock=world.clock)
    cache.held = lambda: len(list(cache.blocking.scan("*")))
    return cache


@sizes(flood=(3_000, 100_000))
def test_a_flood_of_urls_stays_within_the_memory(world, origin, kept, found, flood):
    """The latest stay; what was dropped is counted."""
    caller = world.client(origin, CACHED, store=kept)
    origin.answers(headers=fresh(600))
    for number in range(flood):
        caller.get(f"/{number}")
    found["held"] += kept.held()
    assert found["held"] <= 1000
    assert is_hit(caller.get(f"/{flood - 1}"))
    assert not is_hit(caller.get("/0"))


@sizes(flood=(300, 10_000))
def test_a_flood_of_variants_of_one_url_stays_small(world, origin, kept, found, flood):
    """Of one URL some are kept, the latest of them; other URLs are not driven out."""
    caller = world.client(origin, CACHED, store=kept)
    origin.behaves(lambda request, *_: Reply(headers={**fresh(600), "vary": "x-kind"}))
    caller.get("/other")
    for number in range(flood):
        caller.get("/one", headers={"x-kind": str(number)})
    found["held"] += kept.held()
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
    assert kept.held() <= 100


@pytest.mark.parametrize("names", [10, 1000])
def test_a_hostile_vary_is_no_burden(world, origin, kept, names):
    """An answer that varies by a thousand fields."""
    caller = world.client(origin, CACHED, store=kept)
    origin.answers(headers={**fresh(600), "vary": ", ".join(f"x-{number}" for number in range(names))})
    assert [caller.get().status_code for _ in range(3)] == [200] * 3
    assert kept.held() <= 10


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
    assert kept.held() == 0


def test_a_hit_writes_nothing(world, origin, kept):
    """Reading is all that it does."""
    caller = world.client(origin, CACHED, store=kept)
    origin.answers(headers=fresh(600))
    caller.get()
    before = kept.stats()
    for _ in range(10):
        assert is_hit(caller.get())
    assert kept.stats() == before or kept.held() == 1
