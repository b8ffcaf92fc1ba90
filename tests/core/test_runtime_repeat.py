"""Work that is due later and again: at its time, until called off, beside however much else; in both colours."""

import asyncio
import threading
from functools import partial

import pytest

from resilient.runtime.background import MOST, BackgroundThread
from resilient.runtime.drive import drive
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock, Simulation


@pytest.fixture(params=["blocking", "async"])
def world(request):
    return Simulation(request.param)


def test_each_is_done_at_its_time(world):
    """Also one that is set later and due sooner, and several at the same instant."""
    done = []

    async def job(name):
        done.append((name, round(world.now, 6)))

    async def caller():
        for seconds in (3.0, 1.0, 2.0, 1.0, 0.0):
            world.runtime.repeat(seconds, partial(job, seconds))
        await world.sleep(1.5)
        world.runtime.repeat(0.2, partial(job, 1.7))
        await world.sleep(10.0)

    world.run([caller])
    assert sorted(done) == [(seconds, seconds) for seconds in (0.0, 1.0, 1.0, 1.7, 2.0, 3.0)]


def test_it_is_done_again_as_often_as_it_says(world):
    """So many seconds after the end of the time before as that returns."""
    begun, pauses = [], [2.0, 0.0, 0.5, None]

    async def job():
        begun.append(world.now)
        await world.sleep(1.0)
        return pauses[len(begun) - 1]

    async def caller():
        world.runtime.repeat(1.0, job)
        await world.sleep(60.0)

    world.run([caller])
    assert begun == [1.0, 4.0, 5.0, 6.5]


def test_what_is_called_off_while_it_is_done_is_not_done_again(world):
    """It goes on to its end."""
    done = []

    async def job():
        await world.sleep(1.0)
        done.append(world.now)
        return 1.0

    async def caller():
        call_off = world.runtime.repeat(1.0, job)
        await world.sleep(1.5)
        call_off()
        await world.sleep(60.0)

    world.run([caller])
    assert done == [2.0]


def test_a_clock_that_jumps_ends_no_repetition():
    """It is begun anew while the thread of the time before is on its way out."""
    clock, enough = FakeClock(), threading.Event()
    runtime, done = ThreadRuntime(clock), []

    async def job():
        clock.advance(2.0)
        done.append(clock.now())
        if len(done) == 300:
            enough.set()
            return None
        return -1.0

    runtime.repeat(0.0, job)
    assert enough.wait(60)


def test_what_is_called_off_is_not_done(world):
    """Whatever else is due before it and after it; and calling it off twice, or too late, changes nothing."""
    done = []

    async def job(name):
        done.append(name)

    async def caller():
        ways_out = [world.runtime.repeat(float(number), partial(job, number)) for number in range(5)]
        ways_out[2]()
        ways_out[2]()
        await world.sleep(3.5)
        ways_out[3]()
        ways_out[4]()
        await world.sleep(10.0)

    world.run([caller])
    assert done == [0, 1, 3]


def test_it_is_done_however_much_is_under_way_and_leaves_room_for_it(world):
    """Neither takes the other's place, and closing ends only the one that may be waited for."""
    done = []

    async def job(number):
        await world.sleep(1.0)
        done.append(number)

    async def caller():
        for number in range(2 * MOST):
            world.runtime.repeat(1.0, partial(job, number))
        await world.sleep(1.5)
        begun = [world.runtime.spawn(str(number), partial(world.sleep, 0.1)) for number in range(MOST + 1)]
        await world.runtime.settle()
        settled = world.now
        world.runtime.repeat(1.0, partial(job, "late"))
        await world.sleep(10.0)
        return begun, settled

    assert world.run([caller]) == [([True] * MOST + [False], 1.6)]
    assert sorted(done, key=str) == sorted([*range(2 * MOST), "late"], key=str)


def test_an_error_that_it_lets_out_is_logged_and_keeps_nothing_else(world, caplog):
    """The others are done all the same."""
    done = []

    async def fails():
        raise ValueError("no luck")

    async def job():
        done.append(world.now)

    async def caller():
        world.runtime.repeat(1.0, fails)
        world.runtime.repeat(2.0, job)
        await world.sleep(3.0)

    world.run([caller])
    assert done == [2.0]
    assert [record.name for record in caplog.records] == ["resilient.background"]


def test_what_waits_when_a_world_stops_is_there_in_the_next_one():
    """Threads that still wait are stopped at the end of a run; the next alarm brings a new one, for both."""
    world, done = Simulation("blocking"), []

    async def job(name):
        done.append(name)

    async def caller(name):
        world.runtime.repeat(5.0, partial(job, name))
        await world.sleep(2.0)

    world.run([partial(caller, "first")])
    assert done == []
    world.run([partial(caller, "second"), partial(world.sleep, 6.0)])
    assert done == ["first", "second"]


def test_threads_that_set_and_call_off_at_once_lose_nothing():
    """On real locks, in real time: what is called off is not done, all else is, and no thread is left."""
    runtime, done, begin = ThreadRuntime(), [], threading.Barrier(8)

    async def job(name):
        done.append(name)

    def run(who):
        begin.wait(30)
        for number in range(200):
            call_off = runtime.repeat(0.01 if number % 2 else 3600.0, partial(job, (who, number)))
            if not number % 2:
                call_off()

    threads = [threading.Thread(target=run, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for thread in threading.enumerate():
        if isinstance(thread, BackgroundThread):
            thread.join(30)
    drive(runtime._upkeep.settle(runtime, 30.0))
    assert sorted(done) == [(who, number) for who in range(8) for number in range(1, 200, 2)]
    assert not any(isinstance(thread, BackgroundThread) for thread in threading.enumerate())


def test_without_a_thread_to_be_had_the_caller_goes_on(monkeypatch):
    """It is done with the next one that is set, if there is a thread for that."""
    clock, done = FakeClock(), threading.Event()
    runtime = ThreadRuntime(clock)

    async def job():
        done.set()

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(BackgroundThread, "start", refuse)
        runtime.repeat(1.0, job)
    clock.advance(1.0)
    runtime.repeat(1.0, partial(asyncio.sleep, 0.0))()
    assert done.wait(30)


def test_what_is_due_in_a_loop_that_has_ended_is_gone():
    """Nobody is left to do it, and nothing complains."""
    world, done = Simulation("async"), []

    async def job():
        done.append(world.now)

    async def caller(ends_at_once):
        world.runtime.repeat(1.0, job)
        if not ends_at_once:
            await world.sleep(2.0)

    world.run([partial(caller, True)])
    world.run([partial(caller, False)])
    assert done == [1.0]
