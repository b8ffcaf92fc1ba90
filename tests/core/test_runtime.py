"""How each colour waits: signals, driving, and the runtimes themselves."""

import asyncio
import inspect
import threading
import time
from functools import partial

import pytest

from resilient.entry import Entry
from resilient.errors import SuspendedError
from resilient.ports import Clock, Runtime
from resilient.runtime.clock import SystemClock
from resilient.runtime.drive import drive
from resilient.runtime.lift import Lifted
from resilient.runtime.tasks import TaskRuntime, TaskSignal
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock, Simulation, VirtualClock, virtual_run


@pytest.fixture(params=["blocking", "async"])
def world(request):
    return Simulation(request.param)


# --- driving ---


def test_driving_returns_what_the_coroutine_returns():
    """In one step, without a loop."""

    async def coroutine():
        return await deeper()

    async def deeper():
        return "result"

    assert drive(coroutine()) == "result"


def test_driving_raises_what_the_coroutine_raises():
    """The very object."""
    error = KeyError("k")

    async def coroutine():
        raise error

    with pytest.raises(KeyError) as caught:
        drive(coroutine())
    assert caught.value is error


class _Suspends:
    def __await__(self):
        yield


def test_an_await_that_needs_a_loop_is_a_clear_error():
    """The coroutine is closed: its clean-up has run, and nobody warns that it was never awaited."""
    cleaned = []

    async def coroutine():
        try:
            await _Suspends()
        finally:
            cleaned.append(True)

    made = coroutine()
    with pytest.raises(SuspendedError, match="a blocking client cannot await"):
        drive(made)
    assert cleaned == [True]
    assert inspect.getcoroutinestate(made) == inspect.CORO_CLOSED


def test_a_clean_up_that_awaits_too_does_not_hide_the_error():
    """``finally: await ...`` in somebody's middleware."""

    async def coroutine():
        try:
            await _Suspends()
        finally:
            await _Suspends()

    made = coroutine()
    with pytest.raises(SuspendedError):
        drive(made)
    made.close()


# --- signals ---


def test_a_bell_that_rang_before_is_heard(world):
    """Ringing first and waiting then loses nothing; ringing twice is ringing once."""

    async def caller():
        bell = world.runtime.signal()
        bell.set()
        bell.set()
        return await bell.wait(), await bell.wait(5), world.now

    assert world.run([caller]) == [(True, True, 0.0)]


def test_a_bell_in_vain_takes_its_timeout(world):
    """And says that it did not ring."""

    async def caller():
        return await world.runtime.signal().wait(2.5), world.now

    assert world.run([caller]) == [(False, 2.5)]


def test_a_bell_can_be_waited_for_again(world):
    """After a wait in vain; it rings once, and is heard from then on."""

    async def rings(bell):
        await world.sleep(2.5)
        bell.set()

    async def caller():
        bell = world.runtime.signal()
        world.start(partial(rings, bell))
        heard = []
        while not await bell.wait(1.0):
            heard.append(world.now)
        return heard, world.now, await bell.wait(1.0)

    assert world.run([caller]) == [([1.0, 2.0], 2.5, True)]


def test_a_ring_in_time_leaves_no_timer():
    """Else each wait that ended well would stay in its loop for as long as it might have taken."""

    async def main():
        loop = asyncio.get_running_loop()
        bell = TaskSignal()
        loop.call_later(1.0, bell.set)
        assert await bell.wait(3600.0)
        return [timer for timer in loop._scheduled if not timer.cancelled()]

    assert virtual_run(main()) == []


def test_a_task_is_rung_from_any_thread():
    """Its loop wakes up."""

    async def main():
        bell = TaskSignal()
        thread = threading.Thread(target=bell.set)
        thread.start()
        rang = await bell.wait(30)
        thread.join()
        return rang

    assert asyncio.run(main())


def test_ringing_for_a_loop_that_is_gone_does_nothing():
    """Its waiters are gone with it; who rings goes on."""

    async def main():
        return TaskSignal()

    asyncio.run(main()).set()


def test_a_cancelled_waiter_stays_cancelled():
    """A ring in the same moment does not swallow the cancellation."""

    async def main():
        bell = TaskSignal()
        task = asyncio.create_task(bell.wait(5))
        await asyncio.sleep(1)
        task.cancel()
        bell.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_run(main())


# --- runtimes ---


def test_both_runtimes_fit_the_port():
    """By type, and with a clock of the machine if none is given."""
    runtimes: list[Runtime] = [ThreadRuntime(), TaskRuntime()]
    clock: Clock = FakeClock()
    assert [type(runtime.clock) for runtime in runtimes] == [SystemClock, SystemClock]
    assert ThreadRuntime(clock).clock is TaskRuntime(clock).clock is clock


def test_each_chooses_its_own():
    """The one of two values that belongs to its colour."""
    assert (ThreadRuntime().choose("a", "b"), TaskRuntime().choose("a", "b")) == ("a", "b")


def test_a_blocking_runtime_never_suspends():
    """Every coroutine of it can be driven."""
    runtime = ThreadRuntime(FakeClock())

    async def everything():
        await runtime.sleep(1)
        await runtime.signal().wait(1)
        return await runtime.within(1, job), await runtime.share("key", job)

    async def job():
        return "done"

    assert drive(everything()) == ("done", ("done", True))


def test_a_task_is_cut_after_its_time():
    """Its clean-up runs; without a limit nothing is armed."""
    clock, cleaned = VirtualClock(), []

    async def job():
        try:
            await clock.asleep(10)
        finally:
            cleaned.append(clock.now())

    async def main():
        runtime = TaskRuntime(clock)
        with pytest.raises(TimeoutError):
            await runtime.within(2.5, job)
        await runtime.within(float("inf"), job)

    virtual_run(main(), clock=clock)
    assert cleaned == [1_002.5, 1_012.5]


def test_the_system_clock_waits_for_ever_if_need_be():
    """An infinite timeout, that of a call without a deadline, is no overflow."""
    clock, event = SystemClock(), threading.Event()
    timer = threading.Timer(0.02, event.set)
    timer.start()
    assert clock.wait(event, float("inf"))
    timer.join()
    assert not clock.wait(threading.Event(), 0.001)


def test_the_system_clock_is_the_machines():
    """Monotonic and wall, and sleeping takes real time."""
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0.01)
    asyncio.run(clock.asleep(0.01))
    assert clock.now() - before >= 0.02
    assert abs(clock.wall() - time.time()) < 5


# --- lifting ---


class _Dictionary:
    name = "dictionary"

    def __init__(self):
        self.entries = {}
        self.closed = False

    def secret(self):
        return b"s" * 32

    def get(self, key):
        return self.entries.get(key)

    def set(self, key, entry):
        self.entries[key] = entry

    def delete(self, key):
        return self.entries.pop(key, None) is not None

    def scan(self, prefix=""):
        return (key for key in list(self.entries) if key.startswith(prefix))

    def clear(self):
        self.entries.clear()

    def close(self):
        self.closed = True


def test_a_lifted_store_is_driven_without_a_loop():
    """Every command reaches the blocking store, and none suspends."""
    store = _Dictionary()
    lifted = Lifted(store)
    entry = object.__new__(Entry)

    async def everything():
        await lifted.set("a", entry)
        await lifted.set("b", entry)
        found = await lifted.get("a"), await lifted.get("z")
        keys = [key async for key in lifted.scan("a")]
        gone = await lifted.delete("a"), await lifted.delete("a")
        await lifted.clear()
        left = [key async for key in lifted.scan()]
        secret = await lifted.secret()
        await lifted.close()
        return found, keys, gone, left, secret

    assert drive(everything()) == ((entry, None), ["a"], (True, False), [], b"s" * 32)
    assert (lifted.name, store.closed) == ("dictionary", True)
