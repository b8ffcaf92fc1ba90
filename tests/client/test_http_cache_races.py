"""Something is written while it is read: what began before the write is not kept after it."""

import pytest

from resilient.caching.cache import Cache
from resilient.testing import Reply

from .http_caching import CACHED, fresh, is_hit


class Shelf:
    """An origin with one thing, which a PUT changes; a GET that began before may come in late."""

    def __init__(self, origin, latency):
        self.content = b"old"
        self.origin = origin
        origin.behaves(self.behave)
        self.latency = latency

    def behave(self, request, *_):
        if request.method == "GET":
            return Reply(body=self.content, headers=fresh(600, "stale-while-revalidate=600"), latency=self.latency)
        self.content = b"new"
        return Reply(status=204, latency=0.5)


def test_an_answer_that_a_write_has_overtaken_is_not_kept(world, origin):
    """The slow GET began first and ends last. Its own caller gets it; who comes after the PUT does not."""
    Shelf(origin, latency=3)
    caller = world.client(origin, CACHED)

    async def reader():
        return (await caller.ask()).content

    async def writer():
        await world.sleep(1)
        await caller.ask("PUT", content=b"new")
        return b""

    assert world.run([reader, writer])[0] == b"old"
    last = caller.get()
    assert (last.content, is_hit(last)) == (b"new", False)


def test_who_comes_after_a_write_does_not_join_what_began_before_it(world, origin):
    """The GET that is under way would answer with the old content."""
    Shelf(origin, latency=3)
    caller = world.client(origin, CACHED)

    async def reader():
        return (await caller.ask()).content

    async def writer():
        await world.sleep(1)
        await caller.ask("PUT", content=b"new")
        return (await caller.ask()).content

    assert world.run([reader, writer]) == [b"old", b"new"]


def test_a_refresh_that_a_write_has_overtaken_is_not_kept(world, origin):
    """One in the background, that nobody waits for."""
    shelf = Shelf(origin, latency=0)
    caller = world.client(origin, CACHED)
    caller.get()
    world.clock.advance(700)
    shelf.latency = 3

    async def script():
        stale = (await caller.ask()).content
        await world.sleep(1)
        await caller.ask("PUT", content=b"new")
        await world.sleep(5)
        return stale, (await caller.ask()).content

    assert world.do(script) == (b"old", b"new")


@pytest.mark.parametrize("how", ["url", "prefix"])
def test_an_answer_that_an_invalidation_has_overtaken_is_not_kept(world, origin, how):
    """By the client's own method, as by a PUT."""
    Shelf(origin, latency=3)
    caller = world.client(origin, CACHED)

    async def reader():
        await caller.ask()

    async def invalidator():
        await world.sleep(1)
        await world.result_of(caller.client.invalidate(**{how: "https://api.test/"}))

    world.run([reader, invalidator])
    assert not is_hit(caller.get())


@pytest.mark.parametrize(
    "forget", [lambda cache: cache.clear(), lambda cache: cache.delete_match("*")], ids=["clear", "match"]
)
def test_an_answer_that_a_cleared_cache_has_overtaken_is_not_kept(world, origin, forget):
    """By the commands of a cache that a client shares, for all of it; they find nothing yet, and that stays so."""
    Shelf(origin, latency=3)
    cache = Cache("mem://", clock=world.clock)
    caller = world.client(origin, CACHED, store=cache)

    async def reader():
        return (await caller.ask()).content

    async def clearer():
        await world.sleep(1)
        await world.result_of(forget(cache if world.colour == "async" else cache.blocking))
        return b""

    assert world.run([reader, clearer])[0] == b"old"
    assert caller.get().headers["cache-status"].startswith("resilient; fwd=uri-miss")
    assert is_hit(caller.get())


def test_a_failed_write_changes_nothing(world, origin):
    """Neither for what is kept nor for what is under way."""
    caller = world.client(origin, CACHED)
    origin.behaves(lambda request, *_: Reply(headers=fresh(600), latency=3) if request.method == "GET" else 409)

    async def reader():
        await caller.ask()

    async def writer():
        await world.sleep(1)
        await caller.ask("PUT", content=b"new")

    world.run([reader, writer])
    assert is_hit(caller.get())
