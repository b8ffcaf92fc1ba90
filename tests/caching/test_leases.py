"""Leases: one holder at a time, kept while it lives, free soon after it died; in both colours, in virtual time."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import types
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from resilient.caching.leases import LAST_WAIT, LEASE, Lease, Lock, take, take_turns
from resilient.errors import LeaseLostError, StoreUnavailableError
from resilient.events import LockLost, LockReleased, LockTaken, LockWaited
from resilient.runtime.background import BackgroundThread
from resilient.runtime.clock import SystemClock
from resilient.runtime.drive import drive
from resilient.runtime.lift import Lifted
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.stores.memory import MemoryStore
from resilient.testing import FakeClock, Simulation, virtual_run
from resilient_adapters.sqlite import open_disk

SOON = 2 * LAST_WAIT
"""Seconds within which one who waits notices that a lease is free."""


class Remote:
    """A store somewhere else: its answers take time, it counts its commands, and it may be down.

    Half of ``latency`` passes before a command has its effect, the other half after it.
    """

    name = "remote"

    def __init__(self, runtime, latency=0.0):
        self.store = MemoryStore(clock=runtime.clock)
        self.runtime = runtime
        self.latency = latency
        self.commands = Counter()
        self.down = False

    async def acquire(self, *args):
        return await self._command("acquire", *args)

    async def renew(self, *args):
        return await self._command("renew", *args)

    async def release(self, *args):
        return await self._command("release", *args)

    async def _command(self, command, *args):
        self.commands[command] += 1
        if self.latency:
            await self.runtime.sleep(self.latency / 2)
        if self.down:
            raise StoreUnavailableError("down")
        answer = getattr(self.store, command)(*args)
        if self.latency:
            await self.runtime.sleep(self.latency / 2)
        return answer


class World(Simulation):
    """A world with a store."""

    def __init__(self, colour):
        super().__init__(colour)
        self.store = Remote(self.runtime)
        self.made = {}
        self.told = []

    def take(self, name="name"):
        return take(self.store, self.runtime, name, tell=self.told.append)

    def turns(self, look=None, timeout=None):
        return take_turns(self.store, self.runtime, "name", look or self.look, timeout, tell=self.told.append)

    def lock(self, timeout=None):
        return Lock(self.store, self.runtime, "name", timeout=timeout, tell=self.told.append)

    async def look(self):
        return self.made.get("name")

    def under_way(self):
        return self.runtime.background.tally().under_way


@pytest.fixture(params=["blocking", "async"])
def world(request):
    return World(request.param)


# --- one lease ---


def test_one_holds_a_lease_at_a_time(world):
    """Others are refused until it is given back; each holder's fence is higher than the one's before."""

    async def caller():
        first = await world.take()
        refused = await world.take()
        other = await world.take("another name")
        held = await first.release()
        second = await world.take()
        return refused, held, first.fence < second.fence, other is not None

    assert world.run([caller]) == [(None, True, True, True)]


def test_a_lease_is_kept_as_long_as_it_is_held(world):
    """It is renewed at a third of its time, and no oftener."""

    async def caller():
        async with await world.take() as lease:
            await world.sleep(6 * LEASE)
            assert await world.take() is None
            return lease.lost

    assert world.run([caller]) == [False]
    assert world.store.commands["renew"] == 17


def test_a_lease_that_is_given_back_is_renewed_no_more(world):
    """Nothing is due any more; and what is over before the first renewal has done no work in the background."""

    async def caller():
        lease = await world.take()
        await world.sleep(1.0)
        kept = world.under_way()
        await lease.release()
        return kept, await world.sleep(60.0)

    assert world.run([caller]) == [(0, None)]
    assert world.store.commands["renew"] == 0


def test_a_lease_that_is_given_back_during_its_renewal_is_renewed_no_more(world):
    """The renewal ends after the lease, and is the last one."""
    world.store.latency = 0.5

    async def caller():
        lease = await world.take()
        await world.sleep(LEASE / 3 + 0.1)
        await lease.release()
        await world.sleep(60.0)

    world.run([caller])
    assert world.store.commands["renew"] == 1


@pytest.mark.parametrize("latency", [0.0, 0.1])
def test_many_leases_are_all_kept_and_leave_room_for_other_work(world, latency):
    """More of them than there may be background work, which is begun meanwhile as ever; on a slow store too."""
    world.store.latency = latency

    async def holds(number):
        async with await world.take(f"name {number}") as lease:
            await world.sleep(30.0)
            return lease.lost

    async def refreshes():
        begun = []
        for number in range(300):
            begun.append(world.runtime.spawn(f"key {number}", partial(world.sleep, 1.0)))
            await world.sleep(0.1)
        return not all(begun)

    assert world.run([*(partial(holds, number) for number in range(200)), refreshes]) == [False] * 201
    assert world.store.commands["renew"] >= 200 * 17


def test_a_store_that_hangs_loses_only_its_own_leases(world):
    """However many they are; those of another store are renewed on time."""
    hangs = Remote(world.runtime)

    async def loses(number):
        lease = await take(hangs, world.runtime, f"name {number}")
        hangs.latency = 1_000.0
        await world.sleep(20.0)
        return lease.lost

    async def keeps():
        async with await world.take() as lease:
            await world.sleep(20.0)
            return lease.lost

    assert world.run([*(partial(loses, number) for number in range(100)), keeps]) == [True] * 100 + [False]


# --- what is told of it ---


def test_it_is_told_how_long_a_lock_was_waited_for_and_held(world):
    """One takes it at once and gives it back, one waits for it, one waits in vain, one finds what was made."""

    async def holds():
        async with world.lock():
            await world.sleep(10.0)
            world.made["name"] = "value"

    async def waits():
        await world.sleep(1.0)
        with pytest.raises(TimeoutError):
            await world.turns(timeout=2.0)
        assert await world.turns() == "value"

    world.run([holds, waits])
    taken, first, in_vain, released, found = world.told
    assert (taken, first, released) == (
        LockTaken(),
        LockWaited(seconds=0.0, result="taken"),
        LockReleased(seconds=pytest.approx(10.0)),
    )
    assert (in_vain.result, in_vain.seconds) == ("timeout", pytest.approx(2.0))
    assert (found.result, found.seconds) == ("found", pytest.approx(7.0, abs=SOON))


@pytest.mark.parametrize("how", ["stolen", "store", "expired"])
def test_a_lock_that_is_lost_is_told_once_and_why(world, how):
    """As soon as it is known: by the store's word, by its silence, or since nobody had the time to renew it."""

    async def caller():
        lease = await world.take()
        if how == "stolen":
            world.store.store = MemoryStore(clock=world.clock)
        if how == "store":
            world.store.down = True
        if how == "expired":
            lease._ends = world.clock.now()  # as if the program had stood still
        await world.sleep(2 * LEASE)
        told = list(world.told)
        with suppress(StoreUnavailableError):
            await lease.release()
        return told

    [[taken, lost]] = world.run([caller])
    assert (taken, type(lost), lost.reason) == (LockTaken(), LockLost, how)
    assert 0 < lost.seconds <= LEASE
    assert world.told == [taken, lost]


def test_a_lock_that_was_lost_is_told_at_its_end_at_the_latest(world):
    """Nobody has renewed it yet when the store says so."""

    async def caller():
        lease = await world.take()
        world.store.store = MemoryStore(clock=world.clock)
        return await lease.release()

    assert world.run([caller]) == [False]
    assert world.told == [LockTaken(), LockLost(seconds=0.0, reason="stolen")]


def test_a_lease_survives_a_store_that_is_down_for_a_while(world):
    """It is tried again before the lease ends."""

    async def caller():
        async with await world.take() as lease:
            await world.sleep(1.0)
            world.store.down = True
            await world.sleep(3.0)
            world.store.down = False
            await world.sleep(3 * LEASE)
            return lease.lost, await world.take()

    assert world.run([caller]) == [(False, None)]


def test_a_lease_is_lost_when_the_store_is_down_for_too_long(world):
    """From the end of its time on, and for good; the store is not bothered any more."""

    async def caller():
        lease = await world.take()
        world.store.down = True
        await world.sleep(LEASE - 0.1)
        before = lease.lost
        await world.sleep(0.2)
        world.store.down = False
        asked = world.store.commands["renew"]
        await world.sleep(60.0)
        return before, lease.lost, world.store.commands["renew"] == asked < 12, world.under_way()

    assert world.run([caller]) == [(False, True, True, 0)]


def test_a_lease_that_somebody_else_has_is_lost(world):
    """The next renewal tells; and giving it back leaves the new holder alone."""

    async def caller():
        lease = await world.take()
        world.store.store.release("name", lease._owner)
        world.store.store.acquire("name", "thief", 60.0)
        await world.sleep(LEASE / 3 + 0.1)
        lost = lease.lost
        return lost, await lease.release(), world.store.store.renew("name", "thief", 60.0)

    assert world.run([caller]) == [(True, False, True)]


def test_a_loss_that_only_the_end_brings_to_light_is_a_loss(world):
    """The store knows best whose the lease was; no renewal has asked it meanwhile."""

    async def caller():
        lease = await world.take()
        world.store.store.release("name", lease._owner)
        world.store.store.acquire("name", "thief", 60.0)
        return await lease.release(), lease.lost

    assert world.run([caller]) == [(False, True)]


def test_closing_waits_for_no_lease_and_takes_none_away(world):
    """Whoever holds it may go on after the close, and keeps it."""

    async def caller():
        lease = await world.take()
        await world.runtime.settle()
        settled = world.now
        await world.sleep(3 * LEASE)
        return settled, lease.lost, await lease.release()

    assert world.run([caller]) == [(0.0, False, True)]


def test_a_lease_that_nobody_can_renew_is_lost_after_its_time(monkeypatch):
    """There is no thread to be had for it; a later one gets its own."""
    world = World("blocking")

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    async def caller():
        with monkeypatch.context() as patch:
            patch.setattr(BackgroundThread, "start", refuse)
            lease = await world.take()
            before = lease.lost
            await world.sleep(LEASE)
        async with await world.take("another name") as other:
            await world.sleep(2 * LEASE)
            return before, lease.lost, other.lost

    assert world.run([caller]) == [(False, True, False)]


def test_what_became_of_a_lease_stays_true_after_it_was_given_back(world):
    """Time that passes since then does not count."""

    async def caller():
        lease = await world.take()
        async with lease:
            await world.sleep(1.0)
        await world.sleep(60.0)
        return lease.lost

    assert world.run([caller]) == [False]


def test_the_end_of_a_fill_does_not_fail_for_its_lease(world):
    """The store is down when it is to be given back; it ends by itself, and was not lost."""

    async def caller():
        async with await world.take() as lease:
            world.store.down = True
        world.store.down = False
        refused = await world.take()
        await world.sleep(LEASE)
        return refused, await world.take() is not None, lease.lost

    assert world.run([caller]) == [(None, True, False)]


def test_a_renewal_that_never_comes_back_is_given_up():
    """When the lease has ended, there is nothing to wait for any more."""
    world = World("async")

    async def caller():
        lease = await world.take()
        world.store.latency = 1_000.0
        await world.sleep(LEASE + 0.1)
        return lease.lost, world.under_way()

    assert world.run([caller]) == [(True, 0)]


def test_a_lease_on_a_fake_clock_does_not_make_time_run_away():
    """Its renewal waits in the background, on a thread of its own, where only one thread at a time is expected."""
    clock = FakeClock()
    runtime = ThreadRuntime(clock)
    store = Remote(runtime)
    before = clock.now()

    async def caller():
        async with await take(store, runtime, "name") as lease:
            for _ in range(10):
                await runtime.sleep(1.0)
            return lease.lost

    drive(caller())
    assert clock.now() == before + 10.0


# On a clock that stands still a lease never ends, so real timers need not be on time.


def test_threads_hold_leases_by_one_more_thread_which_ends_with_the_last_of_them():
    """However many there are; and it is there again for the next one."""
    runtime = ThreadRuntime(FakeClock())
    store = Remote(runtime)

    def waiting():
        return {thread for thread in threading.enumerate() if isinstance(thread, BackgroundThread)}

    before = waiting()
    for _ in range(3):
        leases = [drive(take(store, runtime, f"name {number}")) for number in range(100)]
        (thread,) = waiting() - before
        assert all(drive(lease.release()) for lease in leases)
        thread.join(30)
        assert not waiting() - before


def test_each_event_loop_renews_its_own_leases():
    """One runtime serves them all; a store's connections belong to a loop."""
    runtime, renewed = TaskRuntime(FakeClock()), {}

    class Noted(Remote):
        async def renew(self, name, *args):
            renewed[name].append(asyncio.get_running_loop())
            return await super().renew(name, *args)

    store, both = Noted(runtime), threading.Barrier(2)

    async def caller(name):
        renewed[name] = []
        async with await take(store, runtime, name, 0.03):
            both.wait(30)
            while len(renewed[name]) < 3:
                await asyncio.sleep(0.01)
        assert set(renewed[name]) == {asyncio.get_running_loop()}

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: asyncio.run(caller(name)), ["ann", "bob"]))


FORKING = """
import asyncio, os, threading, time
from resilient.caching.leases import take
from resilient.runtime.drive import drive
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock

runtime, renewed = ThreadRuntime(FakeClock()), []

class Store:
    async def acquire(self, name, owner, ttl):
        return 1

    async def renew(self, name, owner, ttl):
        renewed.append(name)
        return True

    async def release(self, name, owner):
        return True

def until(condition):
    for _ in range(3000):
        if condition():
            return True
        time.sleep(0.01)
    return False

clock = runtime.clock
parents = drive(take(Store(), runtime, "the parent's", 1.5))
reads, writes = os.pipe()
if (pid := os.fork()) == 0:
    alone = threading.active_count() == 1
    drive(take(Store(), runtime, "the child's", 1.5))
    clock.advance(0.5)
    os.write(writes, f"{alone} {until(lambda: renewed)} {renewed}".encode())
    os._exit(0)
os.waitpid(pid, 0)
clock.advance(0.5)
print(until(lambda: renewed), renewed)
print(os.read(reads, 1000).decode())
"""


def test_a_forked_child_renews_what_it_took_itself_and_nothing_else():
    """The parent's leases are renewed by the parent."""
    ran = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.splitlines() == ['True ["the parent\'s"]', 'True True ["the child\'s"]']


# --- waiting for one's turn ---


def test_one_makes_it_and_the_others_get_what_it_made(world):
    """Whether they wait for the lease or come too late for it."""
    makers = []

    async def caller():
        turn = await world.turns()
        if not isinstance(turn, Lease):
            return turn
        async with turn:
            makers.append(world.now)
            await world.sleep(2.0)
            world.made["name"] = "made"
            return "made"

    assert world.run([caller] * 20, every=0.2) == ["made"] * 20
    assert makers == [0.0]
    assert world.under_way() == 0


def test_real_threads_take_turns_in_real_time():
    """On real locks: one makes it, and the others get it."""
    runtime, begin = ThreadRuntime(), threading.Barrier(20)
    store, made, got = Remote(runtime), [], []

    async def look():
        return made[0] if made else None

    async def caller():
        turn = await take_turns(store, runtime, "name", look)
        if isinstance(turn, Lease):
            async with turn:
                await runtime.sleep(0.05)
                made.append("made")
                return "maker"
        return turn

    def run():
        begin.wait(30)
        got.append(drive(caller()))

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    drive(runtime.settle(30.0))
    assert sorted(got) == ["made"] * 19 + ["maker"]
    assert runtime.background.tally().under_way == 0


def test_who_takes_a_lease_looks_once_more(world):
    """Its last holder may have finished since the caller looked; then the lease is free again."""
    world.made["name"] = "made"

    async def caller():
        return await world.turns(), await world.take() is not None

    assert world.run([caller]) == [("made", True)]


def test_who_waits_takes_what_is_there_though_the_lease_is_still_held(world):
    """Its holder may have other things to do, or have died after its work."""
    world.store.store.acquire("name", "somebody", 60.0)

    async def makes():
        await world.sleep(1.0)
        world.made["name"] = "made"

    async def waits():
        return await world.turns(), world.now

    _, (found, at) = world.run([makes, waits])
    assert found == "made"
    assert 1.0 <= at <= 1.0 + SOON


def test_a_holder_that_dies_is_followed_soon_after_its_lease(world):
    """Nobody gives it back; it was last renewed when it was taken."""

    async def caller():
        world.store.store.acquire("name", "dead", LEASE)
        async with await world.turns():
            return world.now

    (taken,) = world.run([caller])
    assert LEASE <= taken <= LEASE + SOON


def test_a_holder_that_fails_is_followed_at_once(world):
    """What it was to make is not there, and nothing is waited for."""

    async def fails():
        async with await world.turns():
            await world.sleep(1.0)
            raise ValueError("no luck")

    async def waits():
        async with await world.turns():
            return world.now

    failed, taken = world.run([fails, waits], return_errors=True)
    assert isinstance(failed, ValueError)
    assert 1.0 <= taken <= 1.0 + SOON


@pytest.mark.parametrize("luck", ["bad", "good", "usual"])
def test_waiting_costs_the_store_few_commands(world, luck, monkeypatch):
    """Fewer than 50 in any second of a waiter, its looking included; whatever the dice say."""
    if luck != "usual":
        monkeypatch.setattr(random, "uniform", min if luck == "bad" else max)
    asked = []

    async def look():
        asked.append(world.now)

    async def caller():
        world.store.store.acquire("name", "somebody", 60.0)
        with pytest.raises(TimeoutError):
            await world.turns(look, 10.0)

    command = world.store._command

    async def noted(*args):
        asked.append(world.now)
        return await command(*args)

    world.store._command = noted
    world.run([caller])
    busiest = max(sum(begins <= at < begins + 1.0 for at in asked) for begins in asked)
    assert busiest < 30
    assert len(asked) < 250


def test_those_who_wait_do_not_come_back_in_step(world):
    """Their waits have jitter."""
    waits = []

    async def look():
        waits.append(world.now)

    async def caller():
        with pytest.raises(TimeoutError):
            await world.turns(look, 1.0)

    world.store.store.acquire("name", "somebody", 60.0)
    world.run([caller] * 5)
    looked = [at for at in waits if at < 1.0]
    assert len(set(looked)) == len(looked)


def test_waiting_ends_on_time(world):
    """Not a moment later, and nothing is asked for any more."""
    world.store.store.acquire("name", "somebody", 60.0)

    async def caller(timeout):
        with pytest.raises(TimeoutError):
            await world.turns(timeout=timeout)
        asked = world.store.commands.copy()
        now = world.now
        await world.sleep(10.0)
        return now, world.store.commands == asked

    assert world.run([partial(caller, 0.75)]) == [(0.75, True)]
    asked = world.store.commands["acquire"]
    assert world.run([partial(caller, 0.0)]) == [(10.75, True)]
    assert world.store.commands["acquire"] == asked + 1


def test_a_store_that_fails_while_one_waits_is_the_callers_affair(world):
    """Who degrades knows better what to do without a lease; in taking and in looking."""
    world.store.store.acquire("name", "somebody", 60.0)

    async def breaks():
        await world.sleep(1.0)
        world.store.down = True

    async def waits():
        with pytest.raises(StoreUnavailableError):
            await world.turns()
        return world.now

    _, failed = world.run([breaks, waits])
    assert 1.0 <= failed <= 1.0 + SOON


def test_who_cannot_look_leaves_the_lease_to_others(world):
    """The store broke between taking and looking."""

    async def broken():
        raise StoreUnavailableError("down")

    async def caller():
        with pytest.raises(StoreUnavailableError):
            await world.turns(broken)
        return await world.take() is not None

    assert world.run([caller]) == [True]


def test_the_error_of_looking_is_not_hidden_by_that_of_giving_back(world):
    """The store is down by then."""

    async def broken():
        world.store.down = True
        raise ValueError("mine")

    (error,) = world.run([partial(world.turns, broken)], return_errors=True)
    assert isinstance(error, ValueError)


# --- locks ---


def test_a_lock_keeps_its_holders_apart(world):
    """Each waits for its turn, and holds as long as it likes."""
    inside = []

    async def caller():
        async with world.lock():
            inside.append(1)
            most = len(inside)
            await world.sleep(1.5 * LEASE)
            inside.pop()
            return most

    assert world.run([caller] * 4) == [1] * 4
    assert 6 * LEASE <= world.now <= 6 * LEASE + 3 * SOON


def test_a_lock_that_was_lost_is_told_at_its_end(world):
    """Somebody else may have been inside; the name is told."""

    async def caller():
        async with world.lock() as lease:
            world.store.down = True
            await world.sleep(LEASE)
            assert lease.lost

    (error,) = world.run([caller], return_errors=True)
    assert isinstance(error, LeaseLostError)
    assert error.key == "name"


def test_an_error_inside_of_a_lock_is_not_hidden_by_its_loss(world):
    """It comes first."""

    async def caller():
        async with world.lock():
            world.store.down = True
            await world.sleep(LEASE)
            raise ValueError("mine")

    (error,) = world.run([caller], return_errors=True)
    assert isinstance(error, ValueError)


def test_a_lock_that_was_held_to_the_end_is_not_lost_for_a_store_that_is_down(world):
    """It kept everybody else out, and ends by itself."""

    async def caller():
        async with world.lock():
            world.store.down = True
            await world.sleep(1.0)
        return "done"

    assert world.run([caller]) == ["done"]


def test_a_lock_is_waited_for_no_longer_than_said(world):
    """And the error names it."""

    async def holds():
        async with world.lock():
            await world.sleep(10.0)

    async def waits():
        with pytest.raises(TimeoutError, match=r"'name' was not free within 2\.5 s"):
            async with world.lock(2.5):
                raise AssertionError("never")
        return world.now

    assert world.run([holds, waits]) == [None, 2.5]


def test_one_lock_object_serves_one_block_at_a_time(world):
    """Entered again when its lease was lost, it would give back the wrong one."""

    async def caller():
        lock = world.lock()
        async with lock as lease:
            world.store.store.release("name", lease._owner)
            with pytest.raises(RuntimeError, match="in use already"):
                await lock.__aenter__()
            world.store.store.acquire("name", lease._owner, LEASE)
        async with lock:
            return "again"

    assert world.run([caller]) == ["again"]


# --- cancellation ---


class Cancelling:
    """Awaits ``coroutine``, and cancels the task in its waits number ``at``; says whether it came to the first."""

    def __init__(self, coroutine, at):
        self.coroutine = coroutine
        self.at = at
        self.waits = 0

    @types.coroutine
    def run(self):
        resume = partial(self.coroutine.send, None)
        while True:
            try:
                waits_for = resume()
            except StopIteration:
                return
            self.waits += 1
            if self.waits in self.at:
                asyncio.current_task().cancel()
            try:
                yield waits_for
                resume = partial(self.coroutine.send, None)
            except BaseException as error:  # noqa: BLE001 - it is thrown on
                resume = partial(self.coroutine.throw, error)


async def hold(store, runtime):
    async with await take(store, runtime, "name"):
        await runtime.sleep(3.0)


async def wait_and_hold(store, runtime):
    store.store.acquire("name", "somebody", 0.5)

    async def look():
        await runtime.sleep(0.01)

    async with await take_turns(store, runtime, "name", look):
        await runtime.sleep(3.0)


async def wait_and_find(store, runtime):
    async def look():
        await runtime.sleep(0.01)
        return "found"

    assert await take_turns(store, runtime, "name", look) == "found"


async def lock(store, runtime):
    async with Lock(store, runtime, "name"):
        await runtime.sleep(3.0)


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("operation", [hold, wait_and_hold, wait_and_find, lock])
def test_cancelled_in_any_wait_it_leaves_nothing(operation, twice):
    """No lease, no task, no background work: in every wait from the first to the last, and in the next one too."""

    async def scenario(at):
        loop = asyncio.get_running_loop()
        runtime = TaskRuntime(loop.clock)
        store = Remote(runtime, 0.1)
        cancelling = Cancelling(operation(store, runtime), {at, at + 1} if twice else {at})
        task = asyncio.ensure_future(cancelling.run())
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        ended = loop.time()
        reached = cancelling.waits >= at
        assert isinstance(outcome, asyncio.CancelledError) is reached
        await asyncio.sleep(1.0)
        assert loop.time() - ended < LEASE
        assert store.store.acquire("name", "the next", 1.0)
        assert runtime.background.tally().under_way == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return reached

    at = 1
    while virtual_run(scenario(at)):
        at += 1
    assert at > 4


def test_many_who_are_cancelled_at_once_leave_nothing():
    """More of them than there may be background work, which gives back what they have just taken."""

    async def scenario():
        loop = asyncio.get_running_loop()
        runtime = TaskRuntime(loop.clock)
        store = Remote(runtime, 0.1)
        tasks = [asyncio.ensure_future(take(store, runtime, f"name {number}")) for number in range(200)]
        await asyncio.sleep(0.06)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(1.0)
        assert all(task.cancelled() for task in tasks)
        return sum(store.store.acquire(f"name {number}", "the next", 1.0) is not None for number in range(200))

    assert virtual_run(scenario()) == 200


# --- processes, on a real disk ---

HOLDER = """
import sys
from resilient.caching.leases import take
from resilient.runtime.clock import SystemClock
from resilient.runtime.drive import drive
from resilient.runtime.lift import Lifted
from resilient.runtime.threads import ThreadRuntime
from resilient_adapters.sqlite import open_disk

async def hold():
    lease = await take(Lifted(open_disk(sys.argv[1], clock=SystemClock()).blocking), ThreadRuntime(), "name", 1.0)
    print(lease.fence, flush=True)
    sys.stdin.readline()
    print(lease.lost, await lease.release(), flush=True)

drive(hold())
"""


@pytest.fixture
def url(tmp_path):
    return f"disk://{tmp_path}/store"


@pytest.fixture
def disk(url):
    pair = open_disk(url, clock=SystemClock())
    yield Lifted(pair.blocking)
    pair.blocking.close()


@pytest.fixture
def holder(url):
    """Another process that holds the lease, and would renew it for as long as it lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    process.fence = int(process.stdout.readline())
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_the_lease_of_a_killed_process_is_free_when_it_has_ended(disk, holder):
    """Nobody gave it back; who waits goes on, with a higher fence."""
    holder.kill()
    assert holder.wait(30) == -signal.SIGKILL
    turn = drive(take_turns(disk, ThreadRuntime(), "name", nothing, 60.0))
    assert turn.fence > holder.fence
    assert drive(turn.release())


@pytest.mark.slow
def test_a_process_that_was_stopped_for_too_long_knows_that_its_lease_is_lost(disk, holder):
    """Another one took over meanwhile, and keeps what it has."""
    holder.send_signal(signal.SIGSTOP)
    turn = drive(take_turns(disk, ThreadRuntime(), "name", nothing, 60.0))
    holder.send_signal(signal.SIGCONT)
    said, _ = holder.communicate("end\n", timeout=30)
    assert said.split() == ["True", "False"]
    assert turn.fence > holder.fence
    assert drive(turn.release())


async def nothing():
    """There is nothing to find."""
