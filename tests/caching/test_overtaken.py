"""A value whose making began before its key was forgotten is not kept, and nobody who comes later gets it."""

import asyncio

import pytest

from resilient import Cache
from resilient.caching.control import Command
from resilient.caching.forgotten import MOST_NAMES, MOST_PATTERNS, Forgotten
from resilient.events import CacheStored
from resilient.testing import FakeClock

WAYS = {
    "delete": lambda cache: cache.delete("of:ann"),
    "delete_many": lambda cache: cache.delete_many("of:bob", "of:ann"),
    "delete_match": lambda cache: cache.delete_match("of:*"),
    "delete_tags": lambda cache: cache.delete_tags("people"),
    "clear": lambda cache: cache.clear(),
}


class Source:
    """A value that changes; whoever asks first is told only after ``gate`` was opened."""

    def __init__(self):
        self.value, self.calls, self.gate = "old", 0, asyncio.Event()

    async def told(self):
        self.calls += 1
        value = self.value
        if self.calls == 1:
            await self.gate.wait()
        return value


@pytest.fixture(params=["mem://", "disk://{}"])
def scene(request, tmp_path):
    clock, heard = FakeClock(), []
    cache = Cache(clock=clock, telemetry=[heard.append])
    options = {} if request.param == "mem://" else {"busy_timeout": "60s"}
    cache.setup(request.param.format(tmp_path), store_budget=None, **options)
    yield cache, Source(), heard
    cache.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["simple", "locked", "soft"])
def test_what_began_before_an_invalidation_is_not_kept(scene, way, name):
    """Those who waited get it; whoever comes after the invalidation makes a value of its own, and that is kept."""
    cache, source, heard = scene
    decorator = {
        "simple": cache(ttl="1h", key="of:{name}", tags=["people"]),
        "locked": cache.locked(ttl="1h", key="of:{name}", tags=["people"], protected=True),
        "soft": cache.soft(ttl="2h", soft_ttl="1h", key="of:{name}", tags=["people"]),
    }[name]

    @decorator
    async def fetch(name):
        return await source.told()

    async def main():
        early = asyncio.create_task(fetch("ann"))
        while not source.calls:
            await asyncio.sleep(0.001)
        source.value = "new"
        await WAYS[way](cache)
        late = asyncio.create_task(fetch("ann"))
        await asyncio.sleep(0)
        source.gate.set()
        assert await early == "old"
        assert await late == "new"
        assert await fetch("ann") == "new"

    asyncio.run(main())
    assert source.calls == 2
    assert [event.detail for event in heard if isinstance(event, CacheStored)].count("overtaken") == 1


def test_what_concerns_others_overtakes_nothing(scene):
    """Other keys, other tags, patterns that do not match."""
    cache, source, _ = scene

    @cache(ttl="1h", key="of:{name}", tags=["people"])
    async def fetch(name):
        return await source.told()

    async def main():
        early = asyncio.create_task(fetch("ann"))
        while not source.calls:
            await asyncio.sleep(0.001)
        await cache.delete("of:bob")
        await cache.delete_match("off:*")
        await cache.delete_tags("animals")
        source.gate.set()
        assert await early == "old"
        assert await fetch("ann") == "old"

    asyncio.run(main())
    assert source.calls == 1


def test_a_generator_that_began_before_is_not_kept_either(scene):
    """It is yielded to its end all the same."""
    cache, _, _ = scene
    runs = []

    @cache.iterator(ttl="1h", key="of:{name}")
    async def fetch(name):
        runs.append(name)
        yield 1
        yield 2

    async def main():
        items = []
        async for item in fetch("ann"):
            items.append(item)
            if len(runs) == 1:
                await cache.delete("of:ann")
        assert items == [1, 2]
        assert [item async for item in fetch("ann")] == [1, 2]
        assert [item async for item in fetch("ann")] == [1, 2]

    asyncio.run(main())
    assert runs == ["ann", "ann"]


def test_what_is_remembered_is_bounded_and_what_is_not_counts_as_forgotten():
    """So that nothing stale is kept because too much was forgotten meanwhile."""
    forgotten = Forgotten()
    before = forgotten.when("k", ())
    forgotten.note(Command.DELETE, ["k"])
    for number in range(MOST_NAMES):
        forgotten.note(Command.DELETE, [f"other:{number}"])
    assert forgotten.when("k", ()) > before
    now = forgotten.when("k", ())
    forgotten.note(Command.DELETE_MATCH, ["k*"])
    for number in range(MOST_PATTERNS):
        forgotten.note(Command.DELETE_MATCH, [f"other:{number}:*"])
    assert forgotten.when("k", ()) > now
