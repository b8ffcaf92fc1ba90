"""The waiting line: who waits for a quota goes in the order of coming, as soon as it allows, and nobody for nothing."""

import asyncio
import os
import subprocess
import sys
import threading
import types
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.mechanics.gcra import ON_TIME, Quota
from resilient.runtime.clock import SystemClock
from resilient.runtime.drive import drive
from resilient.runtime.line import PATIENCE, Line
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock, Simulation

COLOURS = ["blocking", "async"]
ONE = Quota(rate=1.0, burst=1)


@pytest.fixture(params=COLOURS)
def world(request):
    return Simulation(request.param)


async def go(line, quota, runtime, most=1e9):
    """Go, now or after a wait; seconds that it is too early, if it did not."""
    wait = line.take(quota, runtime.clock.now())
    return await line.wait(quota, runtime, most) if wait and wait <= most else wait


def waiting(line, quota=ONE, now=1e12):
    return line.snapshot(quota, now)["waiting"]


def test_who_comes_first_goes_first(world):
    """Twenty at once: three go, the others one by one, in their order and at their time."""
    line, quota, went = Line(), Quota(rate=2.0, burst=3), []

    async def caller(number):
        assert await go(line, quota, world.runtime) == 0.0
        went.append((number, world.now))

    world.run([partial(caller, number) for number in range(20)])
    assert went == [(number, pytest.approx(max(0, number - 2) / 2)) for number in range(20)]
    assert waiting(line) == 0


def test_who_would_wait_too_long_is_told_at_once(world):
    """With the time that it would take, those ahead included; nothing is used, and the place is not taken."""
    line = Line()

    async def caller(most):
        return await go(line, ONE, world.runtime, most), world.now

    outcomes = world.run([partial(caller, most) for most in (0, 1, 1.5, 2, 2.5)])
    assert outcomes == [(0.0, 0.0), (0.0, 1.0), (2.0, 0.0), (0.0, 2.0), (3.0, 0.0)]


@pytest.mark.parametrize("rate", [0.7, 3.0, 7.0, 11.0])
def test_who_has_as_much_time_as_it_takes_goes(world, rate):
    """To the last rounding error: nobody waits and is refused in the end."""
    line, quota = Line(), Quota(rate=rate, burst=1)

    async def caller():
        wait = line.take(quota, world.clock.now())
        return await line.wait(quota, world.runtime, wait) if wait else 0.0

    assert world.run([caller] * 50) == [0.0] * 50


def test_a_newcomer_does_not_overtake(world):
    """At the instant at which somebody's time has come, there is nothing left for others."""
    line = Line()

    async def patient():
        await go(line, ONE, world.runtime)
        assert await go(line, ONE, world.runtime) == 0.0
        return world.now

    async def newcomer():
        await world.sleep(0.999)
        return line.take(ONE, world.clock.now())

    assert world.run([patient, newcomer]) == [1.0, pytest.approx(1.001)]


def test_those_behind_one_who_gives_up_move_on():
    """Of five who wait, the first and the third are cancelled: the others go one, two and three seconds in."""
    world = Simulation("async")
    line, went = Line(), []

    async def caller(number):
        await go(line, ONE, world.runtime)
        went.append((number, world.now))

    async def script():
        line.take(ONE, world.clock.now())
        tasks = [asyncio.create_task(caller(number)) for number in range(5)]
        await world.sleep(0.5)
        tasks[0].cancel()
        tasks[2].cancel()
        await world.sleep(0)
        assert line.snapshot(ONE, world.clock.now()) == {"used": 0.5, "burst": 1, "waiting": 3, "retry_in": 3.5}
        await asyncio.gather(*tasks, return_exceptions=True)

    world.run([script])
    assert went == [(1, pytest.approx(1)), (3, pytest.approx(2)), (4, pytest.approx(3))]


# --- against a model ---------------------------------------------------------------------------------------------


class Visit:
    """One who comes at some time, would wait so long, and may lose patience before its turn."""

    def __init__(self, comes, most, gives_up):
        self.comes, self.most, self.gives_up = comes, most, gives_up

    def __repr__(self):
        return f"Visit({self.comes}, {self.most}, {self.gives_up})"


def expected(visits, quota):
    """What becomes of each, worked out from instant to instant by the definition: a queue before a bucket.

    All instants are eighths of the time that one more takes, so that nothing is lost to rounding.
    """
    step, level, queue, outcomes = 1 / (8 * quota.rate), 0.0, [], {}
    for tick in range(100_000):
        now = tick * step
        level = max(0.0, level - 1 / 8) if tick else level
        queue = [number for number in queue if visits[number].gives_up > tick]
        while queue and level + 1 <= quota.burst:
            outcomes[queue.pop(0)] = ("went", pytest.approx(now, abs=1e-5))
            level += 1
        for number, visit in enumerate(visits):
            if visit.comes != tick:
                continue
            wait = (level + len(queue) + 1 - quota.burst) / quota.rate
            if wait <= 0:
                level += 1
                outcomes[number] = ("went", pytest.approx(now, abs=1e-5))
            elif wait > visit.most * step:
                outcomes[number] = ("refused", pytest.approx(now, abs=1e-5))
            else:
                queue.append(number)
        if not queue and tick > max(visit.comes for visit in visits):
            return outcomes
    raise AssertionError


def visits(cancelled):
    ticks = st.integers(0, 40)
    lasting = st.integers(1, 200).map(lambda ticks: ticks + 0.5)
    patience = st.one_of(st.just(10**9), lasting) if cancelled else st.just(10**9)
    one = st.tuples(ticks, st.one_of(st.just(10**9), lasting), patience)
    return st.lists(one.map(lambda one: Visit(one[0], one[1], one[0] + one[2])), min_size=1, max_size=30)


QUOTAS = st.builds(Quota, rate=st.sampled_from([0.25, 1.0, 8.0, 1024.0]), burst=st.integers(1, 5))


def played(world, visits, quota):
    """What becomes of each visit, in order of coming."""
    line, outcomes, step = Line(), {}, 1 / (8 * quota.rate)

    async def visit(number):
        wait = await go(line, quota, world.runtime, visits[number].most * step)
        outcomes[number] = ("refused" if wait else "went", world.now)

    async def caller(number):
        await world.sleep(visits[number].comes * step)
        if world.colour == "blocking":
            await visit(number)
            return
        task = asyncio.create_task(visit(number))
        await asyncio.wait([task], timeout=(visits[number].gives_up - visits[number].comes) * step)
        task.cancel()
        await asyncio.wait([task])

    # In the order of their coming, so that those of one instant come in the order of their numbers.
    world.run([partial(caller, number) for number in range(len(visits))])
    assert waiting(line) == 0
    return outcomes


def holds(went, quota):
    """Whether no window holds more than burst and rate."""
    return all(
        last - first + 1 <= quota.burst + quota.rate * (went[last] - went[first] + ON_TIME) + 1e-6
        for first in range(len(went))
        for last in range(first, len(went))
    )


@settings(max_examples=60, deadline=None)
@given(visits=visits(cancelled=True), quota=QUOTAS)
def test_whoever_gives_up_everybody_goes_when_the_model_says(visits, quota):
    """Tasks that wait, are refused or are cancelled: the rest go as if those had never come; no window is too full."""
    visits.sort(key=lambda visit: visit.comes)
    outcomes = played(Simulation("async"), visits, quota)
    assert outcomes == expected(visits, quota)
    assert holds(sorted(at for what, at in outcomes.values() if what == "went"), quota)


@settings(max_examples=15, deadline=None)
@given(visits=visits(cancelled=False), quota=QUOTAS)
def test_threads_go_when_the_model_says_too(visits, quota):
    """The same for threads, of which nobody is cancelled."""
    visits.sort(key=lambda visit: visit.comes)
    outcomes = played(Simulation("blocking"), visits, quota)
    assert outcomes == expected(visits, quota)
    assert holds(sorted(at for what, at in outcomes.values() if what == "went"), quota)


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_loop_that_was_held_up_keeps_to_the_quota():
    """Five find their time long past: one goes at once, the others each at its new time, in their order."""
    world = Simulation("async")
    line, went = Line(), []

    async def caller(number):
        await go(line, ONE, world.runtime)
        went.append((number, world.now))

    async def script():
        line.take(ONE, world.clock.now())
        tasks = [asyncio.create_task(caller(number)) for number in range(5)]
        await world.sleep(0.5)
        world.clock.advance(20)  # the loop does something else for so long
        await asyncio.gather(*tasks)

    world.run([script])
    assert went == [(number, pytest.approx(20.5 + number)) for number in range(5)]


class Gone(ThreadRuntime):
    """A runtime that never wakes up whoever sleeps, as that of a loop that runs no more."""

    async def sleep(self, seconds):
        await suspend()


@types.coroutine
def suspend():
    yield


def test_who_is_gone_holds_nobody_up_for_long(world):
    """The first in the line never comes back; the next one waits a second for it, and not for ever."""
    line, went = Line(), []
    line.take(ONE, world.clock.now())
    gone = line.wait(ONE, Gone(world.clock), 1e9)
    gone.send(None)

    async def caller():
        assert await go(line, ONE, world.runtime) == 0.0
        went.append(world.now)

    world.run([caller] * 3)
    assert went == [pytest.approx(2 + PATIENCE), pytest.approx(3 + PATIENCE), pytest.approx(4 + PATIENCE)]
    assert waiting(line) == 0
    gone.close()


def test_who_was_taken_for_lost_joins_the_line_again():
    """It comes three seconds late, and meanwhile others went: it waits like them, and goes."""
    line, clock = Line(), FakeClock(now=0.0)
    line.take(ONE, 0.0)

    class Late(FakeClock):
        """Sleeps for too long, once."""

        def sleep(self, seconds):
            clock.advance(seconds + 3)
            # Time enough for the one that was lost to be forgotten, and for another to take what there is.
            assert line.take(ONE, clock.now()) == 0.0
            self.sleep = clock.sleep

        def now(self):
            return clock.now()

    assert drive(line.wait(ONE, ThreadRuntime(Late()), 60)) == 0.0
    assert clock.now() == pytest.approx(5.0)
    assert waiting(line) == 0


def test_who_comes_too_late_for_its_own_deadline_is_refused():
    """Its turn was in time; but it was held up, somebody else went, and now it would be too late."""
    line, clock = Line(), FakeClock(now=0.0)
    line.take(ONE, 0.0)

    class Late(FakeClock):
        def sleep(self, seconds):
            clock.advance(seconds + 3)
            line.take(ONE, clock.now())

        def now(self):
            return clock.now()

    assert drive(line.wait(ONE, ThreadRuntime(Late()), 2.0)) == pytest.approx(1.0)
    assert waiting(line) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_thread_that_is_interrupted_gives_up_its_place(error):
    """In the midst of its sleep."""
    line = Line()
    line.take(ONE, 0.0)

    class Interrupted(FakeClock):
        def sleep(self, seconds):
            assert waiting(line, now=0.0) == 1
            raise error

    with pytest.raises(error):
        drive(line.wait(ONE, ThreadRuntime(Interrupted(now=0.0)), 60))
    assert waiting(line, now=0.0) == 0


def test_an_abandoned_wait_takes_no_lock():
    """The garbage collector may end it in the midst of the line's own code; its place is lost after its turn."""
    line, clock = Line(), FakeClock(now=0.0)
    line.take(ONE, 0.0)
    abandoned = line.wait(ONE, Gone(clock), 1e9)
    abandoned.send(None)
    with line._lock:
        abandoned.close()
    assert line.take(ONE, 1.0 + PATIENCE) > 0
    assert line.take(ONE, 1.1 + PATIENCE) == 0.0
    assert waiting(line) == 0


FORK = """
import os, threading, warnings
from resilient.mechanics.gcra import Quota
from resilient.runtime.drive import drive
from resilient.runtime.line import Line
from resilient.runtime.threads import ThreadRuntime

warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
line, runtime, quota = Line(), ThreadRuntime(), Quota(rate=2.0, burst=1)
line.take(quota, runtime.clock.now())
threads = [threading.Thread(target=lambda: drive(line.wait(quota, runtime, 60))) for _ in range(3)]
for thread in threads:
    thread.start()
while line.snapshot(quota, 0.0)["waiting"] < 3:
    pass
child = os.fork()
if child == 0:
    waiting = line.snapshot(quota, 0.0)["waiting"]
    went = drive(line.wait(quota, runtime, 60)) == 0.0
    os._exit(0 if (waiting, went) == (0, True) else 1)
for thread in threads:
    thread.join()
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_does_not_wait_for_the_threads_of_its_parent():
    """Three of them wait there; in the child there is nobody, but what was used is used."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


# --- real threads ------------------------------------------------------------------------------------------------


def run_threads(count, work):
    """Run ``work`` on so many threads that start at once."""
    barrier = threading.Barrier(count)

    def body():
        barrier.wait()
        work()

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_sixty_four_threads_take_no_more_than_there_is():
    """Time stands still: of 6,400 that come, as many go as the burst says."""
    line, quota, went = Line(), Quota(rate=1.0, burst=1000), []
    run_threads(64, lambda: went.append(sum(line.take(quota, 0.0) == 0.0 for _ in range(100))))
    assert sum(went) == 1000


def test_sixty_four_threads_wait_for_their_turn():
    """In real time: all go, and not before the rate allows as many."""
    line, quota, runtime = Line(), Quota(rate=2000.0, burst=10), ThreadRuntime()
    went = []

    def work():
        for _ in range(10):
            assert drive(go(line, quota, runtime)) == 0.0
            went.append(runtime.clock.now())

    began = runtime.clock.now()
    run_threads(64, work)
    assert len(went) == 640
    # The n-th of them may not be earlier, whatever the machine is doing.
    for number, at in enumerate(sorted(went)):
        assert number + 1 <= quota.burst + quota.rate * (at - began + ON_TIME)
    assert waiting(line, quota) == 0


def test_threads_and_tasks_wait_in_one_line():
    """Clients of both colours may share what they learn: whoever goes calls the next one, whatever it is."""
    line, quota, went = Line(), Quota(rate=100.0, burst=1), []
    line.take(quota, SystemClock().now())

    def thread(number):
        drive(line.wait(quota, ThreadRuntime(), 60))
        went.append(number)

    async def task(number):
        await line.wait(quota, TaskRuntime(), 60)
        went.append(number)

    async def main():
        work = []
        for number in range(20):
            job = asyncio.to_thread(thread, number) if number % 2 else task(number)
            work.append(asyncio.create_task(job))
            while line._joined <= number:
                await asyncio.sleep(0)
        await asyncio.gather(*work)

    asyncio.run(main())
    assert sorted(went) == list(range(20))
    assert waiting(line, quota) == 0
