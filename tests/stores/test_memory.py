"""What the memory store promises beyond the contract: its bounds."""

from __future__ import annotations

import os
import signal
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from resilient.entry import ENTRY_OVERHEAD, Entry
from resilient.errors import ConfigurationError
from resilient.events import StoreEvicted, StoreMeasured
from resilient.stores.memory import MemoryStore
from resilient.stores.registry import open_store


def entry(clock, body=b"", ttl=60.0, **more):
    now = clock.wall()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)


def keys(store):
    return sorted(store.scan())


def evictions(events):
    return [event for event in events if isinstance(event, StoreEvicted)]


def test_the_least_recently_used_entry_goes_first(clock, events):
    """Reading is using; what is dropped to make room is counted and told."""
    store = MemoryStore(max_entries=3, clock=clock, record=events.append)
    for key in "abc":
        store.set(key, entry(clock))
    store.get("a")
    store.set("d", entry(clock))
    assert keys(store) == ["a", "c", "d"]
    assert store.usage().evicted == 1
    assert evictions(events) == [StoreEvicted(store="mem", entries=1)]


def test_overwriting_is_using_and_drops_nobody(clock, events):
    """A full store takes a new value for an old key without dropping another."""
    store = MemoryStore(max_entries=2, clock=clock, record=events.append)
    for key in "aba":
        store.set(key, entry(clock))
    assert evictions(events) == []
    store.set("c", entry(clock))
    assert keys(store) == ["a", "c"]


def test_expired_entries_go_before_living_ones(clock, events):
    """However recently they were used; and they do not count as dropped."""
    store = MemoryStore(max_entries=3, clock=clock, record=events.append)
    store.set("old", entry(clock, ttl=60.0))
    store.set("short", entry(clock, ttl=1.0))
    store.set("brief", entry(clock, ttl=1.0))
    clock.advance(2.0)
    store.set("new", entry(clock))
    assert keys(store) == ["new", "old"]
    assert store.usage().entries == 2
    assert evictions(events) == []


def test_bytes_are_bounded_too(clock):
    """One large entry takes the place of several small ones."""
    store = MemoryStore(max_bytes=10 * (ENTRY_OVERHEAD + 1000), clock=clock)
    for number in range(10):
        store.set(f"{number}", entry(clock, b"x" * 1000))
    assert store.usage().evicted == 0
    store.set("large", entry(clock, b"x" * 2500))
    assert store.usage().entries == 9
    assert keys(store) == ["2", "3", "4", "5", "6", "7", "8", "9", "large"]
    assert store.usage().size <= 10 * (ENTRY_OVERHEAD + 1000)


def test_an_entry_larger_than_the_store_is_refused_quietly(clock, events):
    """It is counted, drops nobody, and the value that it was to replace is gone: it would be an outdated answer."""
    store = MemoryStore(max_bytes=5000, clock=clock, record=events.append)
    store.set("k", entry(clock, b"small"))
    store.set("other", entry(clock, b"small"))
    store.set("k", entry(clock, b"x" * 5000))
    assert keys(store) == ["other"]
    assert (store.usage().refused, store.usage().evicted, evictions(events)) == (1, 0, [])


def test_overwriting_for_ever_takes_no_memory(clock):
    """The order of ends holds no more than twice the entries and a little, whatever was overwritten or dropped."""
    store = MemoryStore(max_entries=100, clock=clock)
    for number in range(20_000):
        store.set(f"{number % 150}", entry(clock, ttl=1000.0 + number))
        assert len(store._ends) <= 1_202
    assert store.usage().entries == 100


@pytest.mark.parametrize("tags", [0, 1, 10])
def test_what_it_counts_is_what_it_takes(clock, tags):
    """The bookkeeping of an entry, its key, its place in the order of ends and its tags included, stays below what is
    allowed for it; a tag that is no other entry's takes most."""
    store = MemoryStore(clock=clock)
    tracemalloc.start()
    for number in range(5_000):
        mine = tuple(f"some:ordinary:tag:{number}:{tag}" for tag in range(tags))
        store.set(f"some:ordinary:key:{number}", entry(clock, b"%04d" % number * 500, tags=mine))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 5_000 * 2_000 < taken < store.usage().size


def test_leases_for_ever_take_no_memory(clock):
    """Those that have ended go; those that live stay, and are dropped neither for entries nor by clearing."""
    store = MemoryStore(max_entries=2, max_bytes=5_000, clock=clock)
    living = [store.acquire(f"living {number}", "ann", 1e6) for number in range(300)]
    for number in range(10_000):
        assert store.acquire(f"{number}", "ann", 1.0) == 301 + number
        clock.advance(0.1)
        store.set(f"{number % 5}", entry(clock, b"x" * 1000))
    assert len(store._leases._held) < 1_000
    store.clear()
    assert [store.acquire(f"living {number}", "bob", 1.0) for number in range(len(living))] == [None] * 300


def test_threads_cannot_break_the_bounds(clock):
    """Eight threads that write and read at once leave counts that add up."""
    store = MemoryStore(max_entries=50, max_bytes=100_000, clock=clock)

    def work(thread):
        for number in range(2_000):
            store.set(f"{(thread * 7 + number) % 90}", entry(clock, b"x" * (number % 3000)))
            store.get(f"{number % 90}")
            store.delete(f"{(number + thread) % 300}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    held = [store.get(key) for key in store.scan()]
    assert len(held) == store.usage().entries <= 50
    assert store.usage().size == sum(one.size() for one in held) <= 100_000


@pytest.mark.slow
def test_very_many_keys_stay_below_the_bound(clock):
    """With the default bounds 300,000 distinct keys leave the last ones."""
    store = MemoryStore(clock=clock)
    one = entry(clock, b"x" * 2000)
    for number in range(300_000):
        store.set(f"{number}", one)
    assert store.usage().size <= 64 * 2**20
    assert list(store.scan())[-1] == "299999"
    assert store.usage().entries + store.usage().evicted == 300_000


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_leaves_a_whole_store_in_both_processes(clock):
    """Forking while other threads write: the child reads and writes, its counts add up, and no lock is left held."""
    store = MemoryStore(max_entries=50, clock=clock)
    stop = []

    def write():
        while not stop:
            for number in range(100):
                store.set(f"{number}", entry(clock, b"x" * number))

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write) for _ in range(3)]
        try:
            for _ in range(30):
                child = os.fork()
                if not child:
                    signal.alarm(60)  # it must not hang for ever on a lock that nobody will let go of
                    held = [store.get(key) for key in store.scan()]
                    whole = store.usage().size == sum(one.size() for one in held)
                    store.set("child", entry(clock))
                    os._exit(0 if whole and store.usage().entries <= 50 and store.get("child") else 1)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finally:
            stop.append(True)
        for writer in writers:
            writer.result()
    assert store.get("child") is None


def test_its_url_takes_its_options(clock):
    """Size and bytes, as numbers or as text; both colours are one store."""
    pair = open_store("mem://?size=2&max_bytes=1MiB", clock=clock)
    for key in "abc":
        pair.blocking.set(key, entry(clock))
    pair.blocking.set("large", entry(clock, b"x" * 2**20))
    assert sorted(pair.blocking.scan()) == ["b", "c"]
    assert len(list(open_store("mem://", clock=clock, size=5).blocking.scan())) == 0


@pytest.mark.parametrize("url", ["mem://?size=0", "mem://?size=many", "mem://?max_bytes=5parsecs", "mem:///tmp/x"])
def test_wrong_options_are_refused(url):
    """With a word on what is right."""
    with pytest.raises(ConfigurationError, match="give"):
        open_store(url)


def test_nothing_is_shared_between_two_memory_stores(clock):
    """Each has entries and a secret of its own."""
    one, other = open_store("mem://", clock=clock), open_store("mem://", clock=clock)
    one.blocking.set("k", entry(clock))
    assert other.blocking.get("k") is None
    assert one.blocking.secret() != other.blocking.secret()


def test_how_much_there_is_is_told_once_it_has_changed_by_a_tenth(clock, events):
    """A thousand writes, some deletions and the end: those who listen are never more than a tenth behind."""
    store = MemoryStore(clock=clock, record=events.append)
    for number in range(1000):
        store.set(f"k{number}", entry(clock))
        assert abs(events[-1].entries - store.usage().entries) * 10 <= events[-1].entries
        assert abs(events[-1].size - store.usage().size) * 10 <= events[-1].size
    assert len(events) < 80
    for number in range(0, 1000, 7):
        store.delete(f"k{number}")
        assert abs(events[-1].entries - store.usage().entries) * 10 <= events[-1].entries
    store.clear()
    store.clear()
    assert events[-1] == StoreMeasured(store="mem", entries=0, size=0)
    assert sum(event.entries == 0 for event in events) == 1
