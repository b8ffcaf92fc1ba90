"""What the disk store promises of leases beyond the contract."""

from __future__ import annotations

import asyncio

import pytest

from resilient.errors import StoreUnavailableError
from resilient_adapters.sqlite import upkeep


def leases_in(connection):
    return sorted(connection.execute("SELECT name, owner FROM leases").fetchall())


def test_leases_and_fences_outlive_the_process(disk):
    """A lease is still held after closing and opening; the next fence is higher than any before."""
    first = disk()
    fence = first.blocking.acquire("k", "ann", 60.0)
    gone = first.blocking.acquire("gone", "ann", 60.0)
    first.blocking.release("gone", "ann")
    first.blocking.close()
    again = disk()
    assert again.blocking.acquire("k", "bob", 60.0) is None
    assert again.blocking.acquire("gone", "bob", 60.0) > gone > fence


def test_a_full_store_drops_no_lease(disk, make):
    """However many entries are written, by bytes and by number."""
    pair = disk(max_bytes="1MiB", size=50, compress=None)
    pair.blocking.acquire("k", "ann", 60.0)
    for number in range(200):
        pair.blocking.set(f"{number}", make(b"x" * 20_000))
    assert pair.blocking.usage().evicted > 100
    assert pair.blocking.acquire("k", "bob", 60.0) is None
    assert pair.blocking.renew("k", "ann", 60.0) is True


def test_a_lease_from_the_future_has_ended(disk, clock):
    """The wall clock was set back since it was taken, so nobody can know how long it was held."""
    pair = disk()
    pair.blocking.acquire("k", "ann", 5.0)
    clock.jump_wall(-3600.0)
    assert pair.blocking.renew("k", "ann", 5.0) is False
    assert pair.blocking.release("k", "ann") is False
    fence = pair.blocking.acquire("k", "bob", 5.0)
    assert fence is not None
    clock.advance(4.9)
    assert pair.blocking.acquire("k", "ann", 5.0) is None
    clock.advance(0.2)
    assert pair.blocking.acquire("k", "ann", 5.0) > fence


@pytest.mark.parametrize("ttl", [0.002, 0.7, 5.0, 1e6])
def test_a_lease_is_held_from_the_very_moment_it_is_taken(disk, clock, ttl):
    """The end of a short one is rounded like that of a long one."""
    pair = disk()
    for number in range(50):
        clock.advance(0.0123456789)
        assert pair.blocking.acquire(f"{number}", "ann", ttl) is not None
        assert pair.blocking.acquire(f"{number}", "bob", ttl) is None


def test_leases_that_have_ended_are_swept(disk, raw, make, clock):
    """With the expired entries; those that live stay, and so does the count of fences."""
    pair = disk()
    for number in range(20):
        pair.blocking.acquire(f"{number}", "ann", 5.0)
    last = pair.blocking.acquire("long", "ann", 3600.0)
    clock.advance(upkeep.SWEEP_EVERY + 1)
    pair.blocking.set("k", make())
    assert leases_in(raw()) == [("long", "ann")]
    assert pair.blocking.acquire("0", "bob", 5.0) == last + 1


def test_damaged_leases_hold_up_nobody_for_ever(disk, raw, clock):
    """Whatever the row holds, the lease can be taken once it has ended, and no call fails."""
    pair = disk()
    for name in ("a", "b", "c"):
        pair.blocking.acquire(name, "ann", 5.0)
    one = raw()
    one.execute("UPDATE leases SET ends = 'never' WHERE name = 'a'")
    one.execute("UPDATE leases SET owner = CAST(x'ff' AS TEXT), ends = x'ff' WHERE name = 'b'")
    one.execute("UPDATE leases SET ttl = x'ff', fence = 'high' WHERE name = 'c'")
    one.execute("UPDATE meta SET value = 'many' WHERE name = 'fence'")
    clock.advance(6.0)
    assert None not in [pair.blocking.acquire(name, "bob", 5.0) for name in ("a", "b", "c")]


def test_a_lease_whose_asker_gave_up_waiting_is_given_back(disk, raw, make):
    """It would be held by nobody: another one gets it as soon as the disk allows, not after its ttl."""
    pair = disk(write_wait="10ms")
    asyncio.run(pair.tasks.set("k", make()))
    holder = raw()
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="take a lease within") as caught:
        pair.blocking.acquire("lock", "ann", 3600.0)
    assert caught.value.kind == "timeout"
    holder.execute("COMMIT")
    assert asyncio.run(pair.tasks.acquire("lock", "bob", 5.0)) == 2


def test_a_lease_whose_asker_was_cancelled_is_given_back(disk, raw, make):
    """Wherever the cancellation met it."""
    pair = disk()
    asyncio.run(pair.tasks.set("k", make()))
    holder = raw()

    async def main():
        holder.execute("BEGIN IMMEDIATE")
        asking = asyncio.create_task(pair.tasks.acquire("lock", "ann", 3600.0))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        holder.execute("COMMIT")
        return await pair.tasks.acquire("lock", "bob", 5.0)

    assert asyncio.run(main()) == 2


def test_who_asks_again_after_giving_up_holds_the_lease(disk, raw, make):
    """What is given back is what nobody waited for, not what was granted since."""
    pair = disk(write_wait="10ms")
    asyncio.run(pair.tasks.set("k", make()))
    holder = raw()
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError):
        pair.blocking.acquire("lock", "ann", 3600.0)
    holder.execute("COMMIT")
    assert asyncio.run(pair.tasks.acquire("lock", "ann", 3600.0)) == 2
    assert leases_in(holder) == [("lock", "ann")]
