"""What every store promises, in both colours."""

from __future__ import annotations

import asyncio
import math
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilient.entry import Entry

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary(max_size=50),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def same(one, other):
    """Whether two plain values are equal, their types included, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return one == other and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other))


def test_what_was_never_set_is_none(store):
    """A miss is None, and deleting it says that there was nothing."""
    assert store.get("k") is None
    assert store.delete("k") is False


def test_an_entry_comes_back_as_it_was(store, make):
    """Body, metadata, times and tags are what they were."""
    entry = make(b"\0\xff", meta={"status": 200, "headers": (("a", "b"),), "raw": b"\xff"}, tags=("x", "y"))
    store.set("k", entry)
    assert store.get("k") == entry


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=3000), st.dictionaries(st.text(), plain, max_size=5), st.lists(st.text(), max_size=3))
def test_any_plain_metadata_and_any_bytes_come_back(store, make, body, meta, tags):
    """Types are kept: 1, True and 1.0 stay apart, tuples stay tuples, long integers and broken text survive."""
    store.set("k", make(body, meta=meta, tags=tuple(tags)))
    found = store.get("k")
    assert (found.body, found.tags) == (body, tuple(tags))
    assert same(dict(found.meta), meta)


@pytest.mark.parametrize("body", [b"", b"a" * 5_000_000, os.urandom(3_000_000)], ids=["empty", "dull", "random"])
def test_bodies_of_any_size_come_back(store, make, body):
    """Nothing, five megabytes that compress well, three that do not."""
    store.set("k", make(body))
    assert store.get("k").body == body


def test_an_entry_is_gone_once_it_has_expired(store, make, clock):
    """It lives until the very instant of its end."""
    store.set("k", make(ttl=10.0))
    clock.advance(9.99)
    assert store.get("k") is not None
    clock.advance(0.01)
    assert store.get("k") is None
    assert store.delete("k") is False


def test_an_entry_that_had_expired_already_is_not_given(store, make):
    """Writing it is no error."""
    store.set("k", make(ttl=-1.0))
    assert store.get("k") is None


@pytest.mark.parametrize("back", [50.0, 3600.0])
def test_a_wall_clock_set_back_lengthens_no_life(store, make, clock, back):
    """The monotonic clock ends the life, even of an entry that is older than the jump."""
    store.set("k", make(ttl=7200.0))
    clock.advance(5400.0)
    clock.jump_wall(-back)
    assert store.get("k") is not None
    clock.advance(1799.0)
    assert store.get("k") is not None
    clock.advance(1.0)
    assert store.get("k") is None


def test_an_entry_far_from_the_future_is_not_believed(store, make, clock):
    """It was written by somebody whose clock was set back since."""
    store.set("k", make(ttl=7200.0))
    clock.jump_wall(-61.0)
    assert store.get("k") is None


def test_the_last_writer_wins_with_value_and_life(store, make, clock):
    """A longer life and a shorter one take the place of what was there."""
    store.set("k", make(b"1", ttl=10.0))
    store.set("k", make(b"2", ttl=100.0))
    clock.advance(50.0)
    assert store.get("k").body == b"2"
    store.set("k", make(b"3", ttl=1.0))
    assert store.get("k").body == b"3"
    clock.advance(1.0)
    assert store.get("k") is None


def test_deleting_removes_one_key_once(store, make):
    """The second time there is nothing left, and other keys are untouched."""
    store.set("k", make())
    store.set("kk", make())
    assert store.delete("k") is True
    assert store.delete("k") is False
    assert store.get("k") is None
    assert store.get("kk") is not None


@pytest.mark.parametrize("prefix", ["a:", "a:%", "a:_", "a*", "ä", "😀", "", "b"])
def test_scanning_takes_the_prefix_literally(store, make, prefix):
    """No character of a prefix means anything but itself."""
    keys = {"a:1", "a:%1", "a:_1", "a*1", "a", "ä1", "😀1", "\U0010ffff", "Z"}
    for key in keys:
        store.set(key, make())
    assert sorted(store.scan(prefix)) == sorted(key for key in keys if key.startswith(prefix))


def test_scanning_leaves_out_what_has_expired(store, make, clock):
    """Only what ``get`` would give is listed."""
    store.set("k1", make(ttl=1.0))
    store.set("k2", make(ttl=10.0))
    clock.advance(5.0)
    assert store.scan("k") == ["k2"]


def test_scanning_goes_through_many_keys(store, make):
    """More than fit one page of any store, each once."""
    entry = make()
    keys = [f"k{number:04}" for number in range(600)]
    for key in keys:
        store.set(key, entry)
    store.set("l", entry)
    assert sorted(store.scan("k")) == keys


def test_clearing_leaves_the_secret(store, make):
    """Digests made with the secret stay valid."""
    secret = store.secret()
    store.set("k", make())
    store.clear()
    assert store.get("k") is None
    assert store.scan() == []
    assert store.secret() == secret
    assert len(secret) == 32


def test_both_colours_are_one_store(pair, make):
    """What one colour writes, the other reads, and the secret is the same."""

    async def main():
        await pair.tasks.set("from tasks", make(b"1"))
        assert (await pair.tasks.get("from threads")).body == b"2"
        return await pair.tasks.secret()

    pair.blocking.set("from threads", make(b"2"))
    assert asyncio.run(main()) == pair.blocking.secret()
    assert pair.blocking.get("from tasks").body == b"1"


@pytest.mark.parametrize("key", ["", "\0", "a\0b", "\ud800", "'\";--", "ключ", "\r\n", "%s{}"], ids=ascii)
def test_any_text_is_a_key(store, make, key):
    """Also what is not valid Unicode, as a broken URL may be."""
    store.set(key, make(b"odd"))
    store.set(key + "x", make(b"other"))
    assert store.get(key).body == b"odd"
    assert store.delete(key) is True
    assert store.get(key) is None


@pytest.mark.parametrize("letter", ["a", "ä", "\ud800"], ids=ascii)
def test_long_keys_stay_apart_and_keep_their_beginning(store, make, letter):
    """Two keys that differ only at the end are two; what a scan gives can be read and deleted."""
    one, other = "users:" + letter * 10_000 + "1", "users:" + letter * 10_000 + "2"
    store.set(one, make(b"1"))
    store.set(other, make(b"2"))
    assert (store.get(one).body, store.get(other).body) == (b"1", b"2")
    names = store.scan("users:")
    assert len(names) == 2
    assert all(len(name.encode()) <= 250 for name in names)
    assert {store.get(name).body for name in names} == {b"1", b"2"}
    assert all(store.delete(name) for name in names)
    assert store.get(one) is None


@pytest.mark.parametrize("store", ["blocking"], indirect=True)
def test_threads_do_not_hurt_each_other(store, make):
    """Eight threads write, read and delete their own keys and one in common; nobody sees another's value.

    A loop belongs to one thread; for tasks there is the test of many loops.
    """

    def work(name):
        for number in range(40):
            store.set("common", make(b"%d" % name))
            store.set(f"{name}", make(b"%d %d" % (name, number)))
            assert store.get(f"{name}").body == b"%d %d" % (name, number)
            assert store.get("common").body in {b"%d" % other for other in range(8)}
            assert store.delete(f"{name}") is True

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_many_loops_share_one_store(pair, make):
    """Four threads run four loops each, one after the other, with ten tasks in each."""

    async def work(name):
        await pair.tasks.set(name, make(name.encode()))
        assert (await pair.tasks.get(name)).body == name.encode()

    async def main(thread, turn):
        await asyncio.gather(*(work(f"{thread} {turn} {task}") for task in range(10)))

    def run(thread):
        for turn in range(4):
            asyncio.run(main(thread, turn))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert len(list(pair.blocking.scan())) == 160


def test_a_second_close_does_nothing(store, make):
    """Nor does it hang, with a write just before it."""
    store.set("k", make())
    store.close()
    store.close()


def test_stores_say_what_they_are(store):
    """The name for events and metrics is the URL's scheme."""
    assert store.pair.blocking.name == store.pair.tasks.name
    assert store.pair.blocking.name in ("mem", "disk")


def test_entries_are_values(store, make):
    """What comes back is an entry that can be compared, with metadata as a mapping."""
    store.set("k", make(meta={"a": 1}))
    found = store.get("k")
    assert isinstance(found, Entry)
    assert found.meta["a"] == 1
