"""What every store promises, in both colours.

What one commit changes has ``{c}`` in common: a Redis Cluster changes at once only what lies together.
"""

from __future__ import annotations

import asyncio
import math
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilient.entry import COUNTER, Entry, counted
from resilient.errors import StoreError, TransactionError
from tests.stores.conftest import by_tls_too

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
    assert store.delete("k") == 0


@by_tls_too
def test_an_entry_comes_back_as_it_was(store, make):
    """Body, metadata, times, tags and fence are what they were."""
    meta = {"status": 200, "headers": (("a", "b"),), "raw": b"\xff"}
    entry = make(b"\0\xff", meta=meta, tags=("x", "y"), fence=2**40)
    store.set("k", entry)
    assert store.get("k") == entry


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=3000),
    st.dictionaries(st.text(), plain, max_size=5),
    st.lists(st.text(st.characters()), max_size=3),
)
def test_any_plain_metadata_and_any_bytes_come_back(store, make, body, meta, tags):
    """Types are kept: 1, True and 1.0 stay apart, tuples stay tuples, long integers and broken text survive."""
    store.set("k", make(body, meta=meta, tags=tuple(tags)))
    found = store.get("k")
    assert (found.body, found.tags) == (body, tuple(tags))
    assert same(dict(found.meta), meta)


@by_tls_too
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
    assert store.delete("k") == 0


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
    assert store.delete("k") == 1
    assert store.delete("k") == 0
    assert store.get("k") is None
    assert store.get("kk") is not None


def test_deleting_several_keys_counts_those_that_lived(store, make, clock):
    """Each once, however often it is named; one that has expired was not there."""
    for key in "abc":
        store.set(key, make())
    store.set("d", make(ttl=1.0))
    clock.advance(2.0)
    assert store.delete() == 0
    assert store.delete("a", "d", "a", "nothing", "b") == 2
    assert store.scan() == ["c"]


def test_many_entries_come_in_the_order_of_their_keys(store, make, clock):
    """None for what is not there; a key that is asked for twice is answered twice, a long one as any other."""
    long, longer = "users:" + "a" * 1000 + "1", "users:" + "a" * 1000 + "2"
    for key in ("a", "b", "c", long):
        store.set(key, make(key.encode()))
    store.set("gone", make(ttl=1.0))
    clock.advance(2.0)
    asked = ["c", "nothing", "a", long, "gone", "a", longer, "\ud800"]
    assert [found and found.body for found in store.get_many(asked)] == [
        b"c", None, b"a", long.encode(), None, b"a", None, None
    ]  # fmt: skip
    assert store.get_many([]) == []


@by_tls_too
def test_very_many_entries_are_read_at_once(store, make):
    """More than fit into one question to any database, in one list or in one deletion."""
    keys = [f"{{many}}{number}" for number in range(600)]
    store.commit({key: make(key.encode()) for key in keys})
    assert [found.body for found in store.get_many(keys[::-1])] == [key.encode() for key in keys[::-1]]
    assert store.delete(*keys) == 600
    assert store.get_many(keys) == [None] * 600


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
    """Digests made with the secret stay valid; tags of what was cleared mean nothing to what is written later."""
    secret = store.secret()
    store.set("k", make(tags=("t",)))
    store.clear()
    assert store.get("k") is None
    assert store.scan() == []
    store.set("k", make())
    assert store.commit({}, tags=["t"]) == 0
    assert store.secret() == secret
    assert len(secret) == 32


@by_tls_too
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
    assert store.delete(key) == 1
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


@by_tls_too
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
            assert store.delete(f"{name}") == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


@by_tls_too
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


@by_tls_too
def test_a_second_close_does_nothing(store, make):
    """Nor does it hang, with a write just before it."""
    store.set("k", make())
    store.close()
    store.close()


def test_stores_say_what_they_are(store):
    """The name for events and metrics is the URL's scheme."""
    assert store.pair.blocking.name == store.pair.tasks.name
    assert store.pair.blocking.name in ("mem", "disk", "redis")


def test_entries_are_values(store, make):
    """What comes back is an entry that can be compared, with metadata as a mapping."""
    store.set("k", make(meta={"a": 1}))
    found = store.get("k")
    assert isinstance(found, Entry)
    assert found.meta["a"] == 1


# --- commits ------------------------------------------------------------------------------------------------------


def test_a_commit_writes_and_removes_at_once(store, make):
    """It says how many entries it removed; to remove what is not there is no error."""
    store.set("{c}old", make(b"old"))
    store.set("{c}gone", make())
    assert store.commit({"{c}old": make(b"new"), "{c}new": make(b"2"), "{c}gone": None, "{c}nothing": None}) == 1
    assert [store.get(key).body for key in ("{c}old", "{c}new")] == [b"new", b"2"]
    assert sorted(store.scan()) == ["{c}new", "{c}old"]
    assert store.commit({}) == 0


def test_a_commit_goes_through_if_what_it_expects_is_there(store, make, clock):
    """Entries as they were read, and nothing where there was nothing; what has expired counts as nothing."""
    store.set("{c}k", make(b"x" * 5000, meta={"a": (1, b"2")}, tags=("t",)))
    store.set("{c}gone", make(ttl=1.0))
    clock.advance(2.0)
    read = store.get("{c}k")
    assert store.commit({"{c}k": make(b"new")}, expected={"{c}k": read, "{c}gone": None, "{c}nothing": None}) == 0
    assert store.get("{c}k").body == b"new"


@pytest.mark.parametrize("change", ["overwritten", "equal body", "deleted", "made", "expired"])
def test_a_commit_changes_nothing_if_what_it_expects_is_not_there(store, make, clock, change):
    """Not the entries that it writes, removes or reaches by tags."""
    store.set("{c}k", make(b"1", ttl=10.0))
    store.set("{c}kept", make(b"kept", tags=("{c}t",)))
    expected = {"{c}kept": store.get("{c}kept"), "{c}k": store.get("{c}k"), "{c}nothing": None}
    clock.advance(1.0)
    if change == "overwritten":
        store.set("{c}k", make(b"2"))
    elif change == "equal body":
        store.set("{c}k", make(b"1"))
    elif change == "deleted":
        store.delete("{c}k")
    elif change == "made":
        store.set("{c}nothing", make())
    else:
        clock.advance(10.0)
    before = {key: store.get(key) for key in store.scan()}
    with pytest.raises(TransactionError):
        store.commit({"{c}other": make(), "{c}kept": None}, expected=expected, tags=["{c}t"])
    assert {key: store.get(key) for key in store.scan()} == before


@by_tls_too
def test_of_commits_at_once_that_expect_the_same_one_wins(store, make):
    """Twenty that add one to what they have read, again and again until they succeed: no addition is lost."""
    store.set("k", make(b"0"))

    def add():
        while True:
            read = store.pair.blocking.get("k")
            try:
                return store.pair.blocking.commit({"k": make(b"%d" % (int(read.body) + 1))}, expected={"k": read})
            except TransactionError:
                continue

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(add) for _ in range(20)]:
            future.result()
    assert store.get("k").body == b"20"


def test_a_commit_that_fails_does_not_hurt_what_is_written_beside_it(store, make):
    """Whatever a store writes together, each change stands for itself."""

    def work(number):
        if number % 3:
            store.pair.blocking.set(f"{{c}}{number}", make())
            return
        with pytest.raises(TransactionError):
            store.pair.blocking.commit({f"{{c}}{number}": make()}, expected={"{c}nothing": make()})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    assert sorted(store.scan()) == sorted(f"{{c}}{number}" for number in range(60) if number % 3)


def test_an_entry_of_a_commit_has_its_own_life(store, make, clock):
    """Also where it ends within the second."""
    store.commit({"{c}k": make(ttl=0.5), "{c}kk": make(ttl=50.0)})
    clock.advance(0.4)
    assert store.get("{c}k") is not None
    clock.advance(0.1)
    assert store.get("{c}k") is None
    assert store.get("{c}kk") is not None


# --- tags ---------------------------------------------------------------------------------------------------------


def test_a_tag_removes_its_entries_and_no_others(store, make):
    """One of several tags is enough; an entry with two of them is removed once."""
    store.set("a", make(tags=("x",)))
    store.set("b", make(tags=("x", "y")))
    store.set("c", make(tags=("y", "y")))
    store.set("d", make())
    store.set("x", make())
    assert store.commit({}, tags=["nothing"]) == 0
    assert store.commit({}, tags=["x"]) == 2
    assert sorted(store.scan()) == ["c", "d", "x"]
    store.set("b", make(tags=("x", "y")))
    assert store.commit({}, tags=["x", "y", "y"]) == 2
    assert sorted(store.scan()) == ["d", "x"]


def test_what_is_written_in_place_of_a_tagged_entry_has_its_own_tags(store, make):
    """The old ones are gone, by whatever it was replaced."""
    store.set("k", make(tags=("old", "both")))
    store.set("k", make(tags=("new", "both")))
    store.set("plain", make(tags=("old",)))
    store.set("plain", make())
    store.set("committed", make(tags=("old",)))
    store.commit({"committed": make(tags=("new",))})
    assert store.commit({}, tags=["old"]) == 0
    assert store.commit({}, tags=["both"]) == 1
    assert store.commit({}, tags=["new"]) == 1
    assert store.scan() == ["plain"]


def test_what_is_written_where_a_tagged_entry_was_deleted_has_no_tags(store, make, clock):
    """Nor where it expired."""
    store.set("deleted", make(tags=("t",)))
    store.delete("deleted")
    store.set("expired", make(ttl=1.0, tags=("t",)))
    clock.advance(2.0)
    assert store.commit({}, tags=["t"]) == 0
    store.set("deleted", make())
    store.set("expired", make())
    assert store.commit({}, tags=["t"]) == 0
    assert sorted(store.scan()) == ["deleted", "expired"]


def test_a_commit_writes_after_it_has_removed_by_tags(store, make):
    """What it writes stays, with the same tag too."""
    store.set("{c}k", make(b"old", tags=("{c}t",)))
    store.set("{c}kk", make(b"old", tags=("{c}t",)))
    assert store.commit({"{c}k": make(b"new", tags=("{c}t",))}, tags=["{c}t"]) == 2
    assert store.get("{c}k").body == b"new"
    assert store.commit({}, tags=["{c}t"]) == 1


@by_tls_too
def test_no_tagged_entry_outlives_its_tag(store, make):
    """Fifty are written at once, some of them over others; not one is missed. Ten times."""
    for _ in range(10):
        calls = [("set", f"{number % 40}", make(b"%d" % number, tags=("t", f"{number}"))) for number in range(50)]
        assert store.at_once(calls) == [True] * 50
        assert store.commit({}, tags=["t"]) == 40
        assert store.scan() == []


@pytest.mark.parametrize(
    "tag", ["", "\0", "a\0b", "\ud800", "'\";--", "тег", "x" * 5000], ids=lambda tag: ascii(tag[:9])
)
def test_any_text_is_a_tag(store, make, tag):
    """And another one is another."""
    store.set("k", make(tags=(tag,)))
    store.set("kk", make(tags=(tag + "x",)))
    assert store.commit({}, tags=[tag]) == 1
    assert store.scan() == ["kk"]


# --- counters -----------------------------------------------------------------------------------------------------


def test_a_counter_counts(store, clock):
    """From nothing, up and down; it is an entry like any other, and keeps the end that it was born with."""
    ends = clock.wall() + 10.0
    assert store.incr("k", 5, ends) == 5
    clock.advance(5.0)
    assert store.incr("k", -7, clock.wall() + 1000.0) == -2
    counter = store.get("k")
    assert (counted(counter), counter.expires_at) == (-2, ends)
    clock.advance(5.0)
    assert store.get("k") is None
    assert store.incr("k", 1, clock.wall() + 10.0) == 1


def test_a_number_that_was_written_is_a_counter(store, make):
    """Its tags stay with it."""
    store.set("k", make(b"41", meta=COUNTER, tags=("t",)))
    assert store.incr("k", 1, math.inf) == 42
    assert store.commit({}, tags=["t"]) == 1


@pytest.mark.parametrize("body", [b"", b"1.5", b"one", b" 1", b"0x1", b"\xb2", b"1" * 20])
def test_nothing_can_be_added_to_what_is_no_counter(store, make, body):
    """It stays as it was; an entry whose metadata say nothing of a number is none either."""
    store.set("k", make(body, meta=COUNTER))
    store.set("plain", make(b"1"))
    for key in ("k", "plain"):
        with pytest.raises(StoreError):
            store.incr(key, 1, math.inf)
    assert (store.get("k").body, store.get("plain").body) == (body, b"1")


def test_a_counter_stays_within_64_bits(store):
    """At either end it is an error, and the number stays."""
    most, least = 2**63 - 1, -(2**63)
    assert store.incr("up", most, math.inf) == most
    assert store.incr("down", least, math.inf) == least
    for key, by in (("up", 1), ("down", -1), ("new", 2**63), ("up", 2**70)):
        with pytest.raises(StoreError):
            store.incr(key, by, math.inf)
    assert (counted(store.get("up")), counted(store.get("down"))) == (most, least)
    assert store.get("new") is None


@by_tls_too
def test_no_addition_is_lost(store):
    """A hundred at once give a hundred different numbers."""
    assert sorted(store.at_once([("incr", "k", 1, math.inf)] * 100)) == list(range(1, 101))
    assert counted(store.get("k")) == 100


# --- leases -------------------------------------------------------------------------------------------------------


def test_a_lease_is_held_by_one_owner(store):
    """Others wait until it is given back; other names are other leases."""
    assert store.acquire("k", "ann", 5.0) is not None
    assert store.acquire("k", "bob", 5.0) is None
    assert store.acquire("kk", "bob", 5.0) is not None
    assert store.release("k", "ann") is True
    assert store.acquire("k", "bob", 5.0) is not None


def test_only_its_owner_renews_or_releases_a_lease(store, clock):
    """What others ask changes nothing, for as long as it lives."""
    store.acquire("k", "ann", 5.0)
    assert store.renew("k", "bob", 100.0) is False
    assert store.release("k", "bob") is False
    clock.advance(4.9)
    assert store.acquire("k", "bob", 5.0) is None
    assert store.release("k", "ann") is True
    assert store.release("k", "ann") is False
    assert store.renew("k", "ann", 5.0) is False


def test_a_lease_ends_by_itself(store, clock):
    """After its ttl, to the moment, it is anybody's, and no longer its owner's."""
    store.acquire("k", "ann", 5.0)
    clock.advance(4.99)
    assert store.acquire("k", "bob", 5.0) is None
    clock.advance(0.02)
    assert store.renew("k", "ann", 5.0) is False
    assert store.release("k", "ann") is False
    assert store.acquire("k", "bob", 5.0) is not None
    assert store.release("k", "ann") is False


def test_a_lease_that_is_renewed_lives_on(store, clock):
    """For its new ttl from then on, longer or shorter than the first."""
    store.acquire("k", "ann", 5.0)
    for _ in range(10):
        clock.advance(4.0)
        assert store.renew("k", "ann", 5.0) is True
    assert store.renew("k", "ann", 1.0) is True
    clock.advance(1.1)
    assert store.acquire("k", "bob", 5.0) is not None


def test_fences_only_rise(store, clock):
    """Over all names, whether a lease was given back, has ended or was taken anew by its owner, or all was cleared.

    In a cluster no server sees all names: there it holds for each of them.
    """
    fences = []
    for name in ("a", "a" if store.is_scattered else "b", "a", "a"):
        fences.append(store.acquire(name, "ann", 5.0))
        store.release(name, "ann")
    fences += [store.acquire("a", "ann", 5.0), store.acquire("a", "ann", 5.0)]
    store.clear()
    clock.advance(6.0)
    fences.append(store.acquire("a", "bob", 5.0))
    assert fences[0] > 0
    assert sorted(set(fences)) == fences


@by_tls_too
def test_a_lease_is_won_by_one_of_many(store):
    """Fifty ask at once."""
    won = store.at_once([("acquire", "k", f"{number}", 5.0) for number in range(50)])
    assert len([fence for fence in won if fence is not None]) == 1


def test_a_lease_is_no_entry(store, make):
    """It is not listed, read, deleted or cleared; an entry of its name is another thing."""
    store.acquire("k", "ann", 50.0)
    assert store.get("k") is None
    assert store.scan() == []
    store.set("k", make())
    assert store.delete("k") == 1
    store.clear()
    assert store.acquire("k", "bob", 5.0) is None


@pytest.mark.parametrize("name", ["", "\0", "\ud800", "x" * 5000], ids=lambda name: ascii(name[:9]))
def test_any_text_names_a_lease(store, name):
    """And another one names another."""
    assert store.acquire(name, "ann", 5.0) is not None
    assert store.acquire(name + "x", "bob", 5.0) is not None
    assert store.renew(name, "ann", 5.0) is True
    assert store.release(name, "bob") is False
    assert store.release(name, "ann") is True


# --- fences -------------------------------------------------------------------------------------------------------


def test_an_entry_of_an_older_fence_is_dropped(store, make):
    """The newer one stays, whoever comes last; an equal one is the same holder's, who may write again."""
    assert store.set("k", make(b"5", fence=5)) is True
    assert store.set("k", make(b"4", fence=4)) is False
    assert store.get("k").body == b"5"
    assert store.set("k", make(b"5 again", fence=5)) is True
    assert store.set("k", make(b"6", fence=6)) is True
    assert store.get("k").body == b"6"


def test_an_entry_without_a_fence_is_always_written(store, make):
    """And anything is written over it."""
    store.set("k", make(b"5", fence=5))
    assert store.set("k", make(b"0")) is True
    assert store.set("k", make(b"1", fence=1)) is True
    assert store.get("k").body == b"1"


def test_an_older_fence_writes_where_the_newer_entry_is_gone(store, make, clock):
    """Deleted or expired: there is nothing that it could spoil."""
    store.set("deleted", make(fence=5))
    store.delete("deleted")
    store.set("expired", make(ttl=1.0, fence=5))
    clock.advance(2.0)
    assert store.set("deleted", make(fence=4)) is True
    assert store.set("expired", make(fence=4)) is True


def test_who_has_lost_the_lease_of_a_key_cannot_write_it(store, make, clock):
    """The holder that was held up for too long is refused as soon as another one has taken over, and only then."""
    old = store.acquire("k", "ann", 5.0)
    clock.advance(6.0)
    assert store.set("k", make(b"late, but nobody else's", fence=old)) is True
    new = store.acquire("k", "bob", 5.0)
    assert store.set("k", make(b"too late", fence=old)) is False
    assert store.set("other", make(fence=old)) is True
    assert store.get("k").body == b"late, but nobody else's"
    assert store.set("k", make(b"new", fence=new)) is True
    store.release("k", "bob")
    assert store.set("k", make(b"too late again", fence=old)) is False
    assert store.get("k").body == b"new"


def test_a_commit_of_an_older_fence_changes_nothing(store, make, clock):
    """One entry whose lease was lost is enough."""
    old = store.acquire("{c}k", "ann", 5.0)
    clock.advance(6.0)
    store.acquire("{c}k", "bob", 5.0)
    store.set("{c}kk", make(fence=old + 5))
    store.set("{c}tagged", make(tags=("{c}t",)))
    for key in ("{c}k", "{c}kk"):
        with pytest.raises(TransactionError):
            store.commit({"{c}other": make(), key: make(fence=old)}, tags=["{c}t"])
    assert sorted(store.scan()) == ["{c}kk", "{c}tagged"]


# --- how much there is --------------------------------------------------------------------------------------------


def test_a_store_knows_how_much_it_keeps(store, make):
    """Entries and bytes rise with what is written."""
    before = store.usage()
    assert (before.entries, before.evicted, before.refused) == (0, 0, 0)
    for number in range(20):
        store.set(f"{number}", make(os.urandom(5000)))
    after = store.usage()
    assert after.entries == 20
    assert after.size >= before.size + 20 * 5000
    store.clear()
    assert store.usage().entries == 0
    assert store.usage().size < after.size


def test_an_entry_that_is_too_large_is_not_said_to_be_written(store, make):
    """``set`` says so, and what was there before is gone: it was meant to be replaced."""
    large = b"\0" * (65 * 2**20)
    assert store.set("k", make(b"small"))
    assert store.set("k", make(large)) is False
    assert store.get("k") is None
    assert store.usage().refused == 1
