"""The gate: never more inside than it has permits, first come, first served, and no permit is ever lost."""

import asyncio
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.runtime.drive import drive
from resilient.runtime.gate import Gate
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import Simulation, VirtualClock, VirtualThreads, virtual_run

COLOURS = ["blocking", "async"]


@pytest.fixture(params=COLOURS)
def world(request):
    return Simulation(request.param)


async def visit(gate, runtime, stays, timeout, inside):
    """Enter, stay, leave; whether there was a permit, and the most that were inside."""
    if not await gate.enter(runtime, timeout):
        return False
    inside.append(1)
    try:
        await runtime.sleep(stays)
    finally:
        inside.pop()
        gate.leave()
    return True


def test_who_comes_first_is_served_first(world):
    """Twenty at once before a gate of three: they get in by threes, in their order."""
    gate, served, inside, most = Gate(3), [], [], []

    async def caller(number):
        assert await gate.enter(world.runtime)
        served.append((number, world.now))
        inside.append(number)
        most.append(len(inside))
        await world.sleep(1)
        inside.remove(number)
        gate.leave()

    world.run([partial(caller, number) for number in range(20)])
    assert served == [(number, float(number // 3)) for number in range(20)]
    assert max(most) == 3
    assert (gate.free, gate.waiting) == (3, 0)


def test_who_waits_too_long_leaves_the_queue(world):
    """Its place goes to the next one, and its time is not longer than it said."""
    gate = Gate(1)

    async def caller(arrives, stays, timeout):
        await world.sleep(arrives)
        entered = await gate.enter(world.runtime, timeout)
        seen = world.now
        if entered:
            await world.sleep(stays)
            gate.leave()
        return entered, seen

    visits = [(0, 10, None), (1, 1, 5.0), (2, 1, None)]
    assert world.run([partial(caller, *visit) for visit in visits]) == [(True, 0.0), (False, 6.0), (True, 10.0)]
    assert (gate.free, gate.waiting) == (1, 0)


class _LateBells:
    """Bells that are rung in the very moment in which their waiter gives up."""

    def __init__(self, gate):
        self.gate = gate
        self.rung = 0

    def signal(self):
        return self

    def set(self):
        self.rung += 1

    async def wait(self, timeout=None):
        self.gate.leave()
        return False


def test_served_in_the_moment_of_giving_up_passes_the_permit_on():
    """The permit that rang our bell too late is free for the next one."""
    gate = Gate(1)
    bells = _LateBells(gate)
    assert drive(gate.enter(ThreadRuntime()))
    assert not drive(gate.enter(bells, 1.0))
    assert bells.rung == 1
    assert (gate.free, gate.waiting) == (1, 0)


def test_a_cancelled_waiter_returns_its_place():
    """And one that is cancelled just after it was served returns the permit."""

    async def main():
        gate, runtime = Gate(1), TaskRuntime(asyncio.get_running_loop().clock)
        await gate.enter(runtime)
        waiting = [asyncio.create_task(gate.enter(runtime)) for _ in range(3)]
        await asyncio.sleep(1)
        waiting[0].cancel()
        await asyncio.sleep(1)
        assert gate.waiting == 2
        gate.leave()
        waiting[1].cancel()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, asyncio.CancelledError, bool]
        gate.leave()
        assert (gate.free, gate.waiting) == (1, 0)

    virtual_run(main())


INSTANTS = st.sampled_from([0.0, 1.0, 2.0, 3.0])
SPANS = st.sampled_from([1.0, 2.0, 3.0])
VISITS = st.lists(st.tuples(INSTANTS, SPANS, st.none() | SPANS), max_size=8)


def log_of(colour, permits, visits, *, seed=None):
    """What happened when; checks at every step that no more are inside than may be."""
    world, gate, log, inside = Simulation(colour), Gate(permits), [], []
    if seed is not None:
        world._threads = VirtualThreads(world.clock, seed=seed)

    async def caller(number, arrives, stays, timeout):
        await world.sleep(arrives)
        entered = await gate.enter(world.runtime, timeout)
        log.append((world.now, number, entered))
        if not entered:
            assert world.now == arrives + timeout
            return
        inside.append(number)
        assert len(inside) <= permits
        await world.sleep(stays)
        inside.remove(number)
        gate.leave()

    world.run([partial(caller, number, *visit) for number, visit in enumerate(visits)])
    assert (gate.free, gate.waiting) == (permits, 0)
    return log


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), VISITS)
def test_no_permit_is_lost_whoever_comes_when(permits, visits):
    """Arrivals, stays and timeouts that fall on the same instants; and both colours agree on what happens."""
    log = log_of("async", permits, visits)
    assert log_of("blocking", permits, visits) == log
    patient = [(when, number) for when, number, _ in log if visits[number][2] is None]
    arrivals = [(visits[number][0], number) for _, number in patient]
    assert arrivals == sorted(arrivals)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), VISITS, st.integers(0, 1_000))
def test_no_permit_is_lost_in_any_interleaving_of_threads(permits, visits, seed):
    """Whichever of the threads that can run goes first."""
    log_of("blocking", permits, visits, seed=seed)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2), VISITS, st.lists(INSTANTS | st.none(), min_size=8, max_size=8))
def test_no_permit_is_lost_whoever_is_cancelled_when(permits, visits, cancellations):
    """While waiting, in the moment of being served, or inside."""

    async def main():
        loop = asyncio.get_running_loop()
        runtime, gate, inside = TaskRuntime(loop.clock), Gate(permits), []

        async def caller(arrives, stays, timeout):
            await runtime.sleep(arrives)
            return await visit(gate, runtime, stays, timeout, inside)

        callers = [asyncio.create_task(caller(*visit)) for visit in visits]
        for task, instant in zip(callers, cancellations, strict=False):
            if instant is not None:
                loop.call_later(instant, task.cancel)
        await asyncio.gather(*callers, return_exceptions=True)
        assert (gate.free, gate.waiting, inside) == (permits, 0, [])

    virtual_run(main(), clock=VirtualClock())
