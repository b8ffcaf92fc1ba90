"""Many callers at once in virtual time: order, determinism, and what holds time back."""

import asyncio
import random
import threading
import time
from contextvars import ContextVar
from functools import partial

import aiosqlite
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.testing import (
    DeadlockError,
    LocalServer,
    Origin,
    Simulation,
    VirtualClock,
    VirtualLoop,
    VirtualThreads,
    virtual_run,
)
from resilient.testing import threads as virtual_threads

COLOURS = ["blocking", "async"]


@pytest.fixture(params=COLOURS)
def world(request):
    return Simulation(request.param)


@pytest.fixture(autouse=True)
def no_thread_stays():
    """Every test ends with the threads that it began with."""
    before = threading.active_count()
    yield
    # The threads of a database end a moment after its connection was closed.
    for _ in range(1_000):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert threading.active_count() == before


def trace_of(colour, sleeps, *, every=0.0):
    """Who woke when, for callers that sleep as ``sleeps`` says."""
    world, trace = Simulation(colour), []

    async def caller(name):
        for seconds in sleeps[name]:
            await world.sleep(seconds)
            trace.append((world.now, name))

    world.run([partial(caller, name) for name in range(len(sleeps))], every=every)
    return trace


# --- both colours ---


def test_sleepers_wake_in_the_order_of_their_instants(world):
    """Whatever the order in which they fell asleep; and real time does not pass."""
    started, woken = time.monotonic(), []

    async def caller(seconds):
        await world.sleep(seconds)
        woken.append((seconds, world.now))

    world.run([partial(caller, seconds) for seconds in (3_600, 1, 60)])
    assert woken == [(1, 1.0), (60, 60.0), (3_600, 3_600.0)]
    assert time.monotonic() - started < 5


def test_at_one_instant_it_is_first_come_first_served(world):
    """Asyncio's own heap of timers would mix them up."""
    woken = []

    async def caller(number):
        await world.sleep(0.1)
        await world.sleep(0.2)
        woken.append(number)

    world.run([partial(caller, number) for number in range(200)])
    assert woken == list(range(200))
    assert world.now == 0.3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 1 / 3]), max_size=5), max_size=6),
    st.sampled_from([0.0, 0.1, 0.25]),
)
def test_both_colours_give_the_same_trace(sleeps, every):
    """Instants to the last bit, and order at the same instant."""
    assert trace_of("blocking", sleeps, every=every) == trace_of("async", sleeps, every=every)


def scenario(colour, seed):
    """Retrying callers of a flaky, slow and overloaded origin: what happened when."""
    world, trace = Simulation(colour, seed=seed), []
    origin = Origin(clock=world.clock, capacity=5, seed=seed)
    origin.answers(latency=lambda dice: dice.expovariate(10))
    origin.fails(rate=0.2, error="connect")
    origin.during(2, 3).hangs()
    client = world.choose(httpx.Client, httpx.AsyncClient)(transport=origin, timeout=0.5)

    async def caller(number):
        for _ in range(3):
            try:
                response = await world.result_of(client.get("https://api.test/"))
                trace.append((world.now, number, response.status_code))
                return
            except httpx.TransportError as error:
                trace.append((world.now, number, type(error).__name__))
            await world.sleep(world.random.uniform(0, 0.2))

    world.run([partial(caller, number) for number in range(200)], every=0.02)
    trace.append((origin.sent, origin.peak, origin.in_flight, origin.open_bodies))
    return trace


def test_a_scenario_is_repeatable_and_the_same_in_both_colours():
    """The same seed gives the same trace event for event, another seed another one."""
    assert scenario("async", 1) == scenario("async", 1) == scenario("blocking", 1) != scenario("async", 2)


@pytest.mark.parametrize("colour", COLOURS)
def test_ten_thousand_calls_take_seconds(colour):
    """A hundred calls a second for a hundred seconds, each with two sleeps."""
    started, world = time.monotonic(), Simulation(colour)

    async def caller():
        await world.sleep(0.25)
        await world.sleep(0.25)
        return world.now

    ends = world.run([caller] * 10_000, every=0.01)
    assert ends[-1] == 100.49
    assert time.monotonic() - started < 10


def test_results_come_in_the_order_of_the_callers(world):
    """Not in the order of their ends."""

    async def caller(seconds):
        await world.sleep(seconds)
        return seconds

    assert world.run([partial(caller, seconds) for seconds in (3, 1, 2)]) == [3, 1, 2]


def test_the_first_error_is_raised_when_all_are_done(world):
    """Nobody is cut short; on request errors are results."""
    done = []

    async def caller(number):
        await world.sleep(number)
        done.append(number)
        if number in {2, 3}:
            raise ValueError(number)
        return number

    callers = [partial(caller, number) for number in (1, 3, 2, 4)]
    with pytest.raises(ValueError, match="3"):
        world.run(callers)
    assert done == [1, 2, 3, 4]
    first, second, third, fourth = world.run(callers, return_errors=True)
    assert (first, repr(second), repr(third), fourth) == (1, "ValueError(3)", "ValueError(2)", 4)


def test_a_deadlock_names_who_waits_and_where(world):
    """A clear error at once, instead of a test that hangs."""

    async def forgotten():
        await world.runtime.signal().wait()

    with pytest.raises(DeadlockError, match=r"test_virtual_time.py:\d+, in .*forgotten") as caught:
        world.run([forgotten])
    assert len(caught.value.waiting) == 2


def test_a_ring_wakes_at_its_instant(world):
    """Before the timeout of the one who waits; without a ring the timeout ends it."""
    bells = []

    async def waits(timeout):
        bells.append(bell := world.runtime.signal())
        return await bell.wait(timeout), world.now

    async def rings():
        await world.sleep(2)
        bells[0].set()

    assert world.run([partial(waits, 5), partial(waits, 3), rings]) == [(True, 2.0), (False, 3.0), None]


def test_an_endless_timeout_is_none(world):
    """It holds no time back and moves none: nobody rings, so it is a deadlock."""

    async def waits():
        await world.runtime.signal().wait(float("inf"))

    with pytest.raises(DeadlockError):
        world.run([waits])
    assert world.now == 0.0


def test_time_goes_on_from_one_run_to_the_next(world):
    """And between them the clock is one that a test moves by hand."""

    async def caller():
        await world.sleep(1)

    world.run([caller])
    world.clock.advance(10)
    world.clock.sleep(1)
    world.run([caller])
    assert world.now == 13.0


# --- tasks ---


def test_a_timeout_and_a_cancellation_come_at_their_instants():
    """Asyncio's own timeouts run in virtual time too."""
    clock = VirtualClock()

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await clock.asleep(3_600)
        first = clock.now()
        task = asyncio.create_task(clock.asleep(3_600))
        asyncio.get_running_loop().call_later(5, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        return first, clock.now()

    assert virtual_run(main(), clock=clock) == (1_060.0, 1_065.0)


def test_executor_jobs_hold_time_back():
    """A job that takes real time is over before a virtual second has passed."""

    async def main():
        loop = asyncio.get_running_loop()
        job = asyncio.create_task(asyncio.to_thread(time.sleep, 0.1))
        await asyncio.sleep(1)
        return job.done(), loop.time()

    assert virtual_run(main()) == (True, 1_001.0)


def test_threads_of_a_database_hold_time_back():
    """Each statement of aiosqlite runs in a thread of its own; no virtual timeout interrupts it."""

    async def main():
        async with aiosqlite.connect(":memory:") as database:
            async with asyncio.timeout(0.001):
                for _ in range(20):
                    await (await database.execute("select 1")).fetchone()
        return asyncio.get_running_loop().time()

    assert virtual_run(main()) == 1_000.0


def test_time_can_be_held_for_other_threads():
    """Work that the loop cannot know of."""

    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        timer = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(future.set_result, "done"))
        with loop.holding():
            timer.start()
            async with asyncio.timeout(0.001):
                result = await future
        timer.join()
        return result

    assert virtual_run(main()) == "done"


def test_a_late_thread_is_no_deadlock():
    """With nothing else to do the loop gives other threads a real moment."""

    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        timer = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(future.set_result, "done"))
        timer.start()
        result = await future
        timer.join()
        return result

    assert virtual_run(main()) == "done"


def test_with_an_open_socket_time_runs_at_its_real_pace():
    """An answer from outside comes in time, and sleeps still end."""

    async def main(port):
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
            head = await reader.readline()
            await asyncio.sleep(0.05)
            writer.close()
            await writer.wait_closed()
        started = asyncio.get_running_loop().time()
        await asyncio.sleep(3_600)
        return head, asyncio.get_running_loop().time() - started

    with LocalServer() as server:
        server.answers(latency=0.05)
        head, passed = virtual_run(main(server.port))
    assert head == b"HTTP/1.1 200 OK\r\n"
    assert passed == pytest.approx(3_600)


def test_a_blocking_sleep_in_a_loop_is_an_error():
    """It would stop the loop's time for ever."""

    async def main(clock):
        clock.sleep(1)

    clock = VirtualClock()
    with pytest.raises(RuntimeError, match="a blocking call in a virtual loop"):
        virtual_run(main(clock), clock=clock)


def test_the_loop_serves_a_runner_of_its_own():
    """For test plugins that want a loop factory."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(3_600))
        assert runner.get_loop().time() == 4_600.0


# --- threads ---


def interleaving(seed):
    threads, trace = VirtualThreads(seed=seed), []

    def job(name):
        for _ in range(5):
            threads.clock.sleep(0.1)
            trace.append(name)

    def main():
        for strand in [threads.spawn(partial(job, name)) for name in "abcde"]:
            strand.result()

    threads.run(main)
    return "".join(trace)


def test_a_seed_shuffles_threads_repeatably():
    """The same seed, the same interleaving; another seed another; without one they take turns."""
    assert interleaving(None) == "abcde" * 5
    assert interleaving(1) == interleaving(1) != interleaving(2)


def test_only_one_thread_runs_at_a_time():
    """An unguarded counter loses nothing, since a turn ends only where a thread sleeps."""
    threads, count, inside = VirtualThreads(), [0], [0]

    def job():
        inside[0] += 1
        assert inside[0] == 1
        seen = count[0]
        for _ in range(random.randrange(2_000)):
            pass
        count[0] = seen + 1
        inside[0] -= 1
        threads.clock.sleep(0.1)

    def main():
        for strand in [threads.spawn(job) for _ in range(50)]:
            strand.result()

    threads.run(main)
    assert count == [50]


def test_threads_that_code_starts_take_part():
    """Background work of the code under test is in virtual time too, and so is joining it."""
    threads, trace = VirtualThreads(), []

    def background():
        threads.clock.sleep(60)
        trace.append(threads.clock.now())

    def main():
        thread = threading.Thread(target=background)
        thread.start()
        thread.join(timeout=1)
        assert thread.is_alive()
        thread.join()
        assert not thread.is_alive()
        trace.append(threads.clock.now())

    threads.run(main)
    assert trace == [1_060.0, 1_060.0]


def test_threads_that_outlive_the_run_are_stopped_where_they_wait():
    """Their clean-up runs, one after the other; those that never had a turn never start."""
    threads, trace = VirtualThreads(), []

    def job(name):
        try:
            threads.clock.wait(threading.Event(), None)
            trace.append(f"{name} went on")
        finally:
            trace.append(f"{name} cleaned up")

    def main():
        threads.spawn(partial(job, "spawned"))
        threading.Thread(target=job, args=("started",)).start()
        threads.clock.sleep(1)
        threads.spawn(partial(job, "late"))
        threading.Thread(target=job, args=("too late",)).start()

    threads.run(main)
    assert trace == ["spawned cleaned up", "started cleaned up"]


def test_a_deadlock_of_threads_is_raised_in_the_main_one():
    """Which may go on; it names all who wait."""
    threads = VirtualThreads()

    def main():
        threads.spawn(lambda: threads.clock.wait(threading.Event(), None), name="ann")
        with pytest.raises(DeadlockError, match="ann"):
            threads.clock.wait(threading.Event(), None)
        threads.clock.sleep(1)
        return threads.clock.now()

    assert threads.run(main) == 1_001.0


def test_a_thread_that_blocks_for_real_is_found(monkeypatch):
    """The error says where, after a while."""
    monkeypatch.setattr(virtual_threads, "PATIENCE", 0.2)
    threads, release = VirtualThreads(), threading.Event()

    def blocks_for_real():
        release.wait(30)

    def main():
        strand = threads.spawn(blocks_for_real)
        strand.result()

    with pytest.raises(RuntimeError, match=r"test_virtual_time.py:\d+, in blocks_for_real blocked"):
        threads.run(main)
    release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("strand"):
            thread.join(10)


def test_a_foreign_thread_may_not_sleep_on_the_clock():
    """It could never be given a turn."""
    threads, errors = VirtualThreads(), []

    def foreign():
        go.wait(10)
        try:
            threads.clock.sleep(1)
        except RuntimeError as error:
            errors.append(str(error))
        done.set()

    go, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=foreign)
    thread.start()

    def main():
        go.set()
        done.wait(10)

    threads.run(main)
    thread.join()
    assert "is none of them" in errors[0]


def test_a_spawned_thread_inherits_the_context():
    """As a task does; what it sets stays its own."""
    variable = ContextVar("variable", default="outside")
    threads = VirtualThreads()

    def job():
        seen = variable.get()
        variable.set("job")
        return seen

    def main():
        variable.set("main")
        return threads.spawn(job).result(), variable.get()

    assert threads.run(main) == ("main", "main")


def test_the_thread_class_is_left_as_it_was():
    """Taking in started threads changes it only while they run."""
    before = threading.Thread.start, threading.Thread.join
    VirtualThreads().run(lambda: None)
    with pytest.raises(ZeroDivisionError):
        VirtualThreads().run(lambda: 1 / 0)
    assert (threading.Thread.start, threading.Thread.join) == before


def test_an_error_in_a_thread_is_raised_where_its_result_is_asked_for():
    """And only there."""
    threads = VirtualThreads()

    def main():
        strand = threads.spawn(lambda: 1 / 0)
        threads.clock.sleep(1)
        with pytest.raises(ZeroDivisionError):
            strand.result()

    threads.run(main)
