"""Background work: owned, bounded, and over in good order, whatever becomes of its loop, thread or process."""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import threading
from contextvars import ContextVar
from functools import partial
from textwrap import dedent

import pytest

from resilient.errors import SuspendedError
from resilient.runtime.ambient import ambient_deadline, deadline_scope
from resilient.runtime.background import MOST, Background, BackgroundThread
from resilient.runtime.drive import drive
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock, Simulation, virtual_run

variable = ContextVar("variable", default="unset")


@pytest.fixture(params=["blocking", "async"])
def world(request):
    return Simulation(request.param)


def endings(runtime):
    """How much is under way, done, failed, dropped, refused."""
    tally = runtime.background.tally()
    return tally.under_way, tally.done, tally.failed, tally.dropped, tally.refused


def until(condition):
    """Wait for what another thread will do soon."""
    bell = threading.Event()
    for _ in range(3_000):
        if condition():
            return
        bell.wait(0.01)
    raise AssertionError("it never came to that")


# --- both colours ---


def test_work_goes_on_behind_the_caller(world):
    """Nobody waits for it, and it is counted when it is done."""
    done = []

    async def job():
        await world.sleep(2.0)
        done.append(world.now)

    async def caller():
        started = world.runtime.spawn("key", job)
        at_once = world.now, list(done), endings(world.runtime)
        await world.sleep(3.0)
        return started, at_once

    assert world.run([caller]) == [(True, (0.0, [], (1, 0, 0, 0, 0)))]
    assert done == [2.0]
    assert endings(world.runtime) == (0, 1, 0, 0, 0)


def test_there_is_one_piece_of_work_a_key(world):
    """A second one is not started until the first is over; that is no refusal."""

    async def caller():
        spawn = partial(world.runtime.spawn, job=partial(world.sleep, 1.0))
        begun = [spawn("a"), spawn("a"), spawn("b")]
        await world.sleep(1.5)
        begun.append(spawn("a"))
        await world.sleep(1.5)
        return begun

    assert world.run([caller]) == [[True, False, True, True]]
    assert endings(world.runtime) == (0, 3, 0, 0, 0)


def test_so_much_is_under_way_and_no_more(world):
    """What is refused is counted, and there is room again when something has ended."""

    async def caller():
        spawn = partial(world.runtime.spawn, job=partial(world.sleep, 1.0))
        begun = [spawn(f"key {number}") for number in range(MOST + 3)]
        await world.sleep(1.5)
        begun.append(spawn("later"))
        await world.sleep(1.5)
        return begun

    assert world.run([caller]) == [[True] * MOST + [False] * 3 + [True]]
    assert endings(world.runtime) == (0, MOST + 1, 0, 0, 3)


def test_an_error_is_logged_once_without_the_key_and_goes_no_further(world, caplog):
    """A key may hold a secret; the caller, and other work, hear nothing of it."""

    async def breaks():
        raise ValueError("broken")

    async def caller():
        world.runtime.spawn("user:secret", breaks)
        world.runtime.spawn("other", partial(world.sleep, 1.0))
        await world.sleep(2.0)
        return world.runtime.spawn("user:secret", partial(world.sleep, 0.0)), await world.sleep(1.0)

    assert world.run([caller]) == [(True, None)]
    (record,) = [one for one in caplog.records if one.name == "resilient.background"]
    assert record.levelno == logging.ERROR
    assert "ValueError: broken" in record.exc_text
    assert "secret" not in record.getMessage()
    assert endings(world.runtime) == (0, 2, 1, 0, 0)


def test_work_inherits_the_context_but_not_what_concerns_who_waits(world):
    """The caller's variables; not its deadline, and not the flights that it leads, which do not wait for it."""
    seen = []

    async def work():
        seen.append((variable.get(), ambient_deadline()))
        seen.append(await world.runtime.share("flight", partial(asyncio_free, "unused")))

    async def asyncio_free(value):
        return value

    async def fill():
        variable.set("caller's")
        with deadline_scope(5.0, clock=world.clock):
            world.runtime.spawn("key", work)
            await world.sleep(1.0)
        return "filled"

    async def caller():
        await world.runtime.share("flight", fill)
        await world.sleep(1.0)

    world.run([caller])
    assert seen == [("caller's", float("inf")), ("filled", False)]


def test_closing_waits_for_work_and_refuses_more(world):
    """As long as it takes, if that is not too long."""
    runtime = world.runtime

    async def caller():
        runtime.spawn("a", partial(world.sleep, 0.5))
        runtime.spawn("b", partial(world.sleep, 1.0))
        await runtime.settle()
        took = world.now
        await runtime.settle()
        return took, world.now, runtime.spawn("c", partial(world.sleep, 1.0))

    assert world.run([caller]) == [(1.0, 1.0, False)]
    assert endings(runtime) == (0, 2, 0, 0, 1)


def test_closing_does_not_wait_for_ever(world):
    """Tasks are cancelled, threads are left behind; both are counted, once."""
    runtime = world.runtime
    cancelled = []

    async def job():
        try:
            await world.sleep(60.0)
        except asyncio.CancelledError:
            cancelled.append(world.now)
            raise

    async def caller():
        runtime.spawn("a", job)
        runtime.spawn("b", partial(world.sleep, 1.0))
        await runtime.settle(1.5)
        return world.now, endings(runtime), await world.sleep(100.0)

    assert world.run([caller]) == [(1.5, (0, 1, 0, 1, 0), None)]
    assert cancelled == world.choose([], [1.5])
    assert endings(runtime) == (0, 1, 0, 1, 0)


def test_two_may_close_at_once(world):
    """Both wait."""

    async def caller(first):
        if first:
            world.runtime.spawn("a", partial(world.sleep, 1.0))
        await world.sleep(0.1)
        await world.runtime.settle()
        return world.now

    assert world.run([partial(caller, True), partial(caller, False)]) == [1.0, 1.0]


# --- tasks ---


def test_closing_gives_up_on_a_task_that_will_not_be_cancelled():
    """It had its time to clean up."""

    async def main():
        loop = asyncio.get_running_loop()
        runtime = TaskRuntime(loop.clock)
        begun = loop.time()

        async def stubborn():
            while loop.time() < begun + 10:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(10)

        runtime.spawn("key", stubborn)
        await runtime.settle(1.0)
        assert loop.time() - begun == 2.0
        assert endings(runtime)[0] == 1
        await asyncio.sleep(20)
        assert endings(runtime) == (0, 1, 0, 0, 0)

    virtual_run(main())


def test_a_cancelled_closing_cancels_the_work_at_once():
    """Whoever closes has no more time, and nothing is left behind."""

    async def main():
        runtime = TaskRuntime(asyncio.get_running_loop().clock)
        runtime.spawn("key", partial(asyncio.sleep, 60))
        closing = asyncio.create_task(runtime.settle(30.0))
        await asyncio.sleep(1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await asyncio.sleep(0)
        assert endings(runtime) == (0, 0, 0, 1, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_run(main())


def test_a_loop_that_ends_drops_its_work_in_good_order(caplog, recwarn):
    """In mid-work and before the first step: no task is destroyed, keys are free again, counters balance."""
    runtime = TaskRuntime()

    async def main(*keys):
        begun = [runtime.spawn(key, partial(asyncio.sleep, 60)) for key in keys]
        await asyncio.sleep(0)
        runtime.spawn("unborn", partial(asyncio.sleep, 60))
        return begun

    assert asyncio.run(main("a", "b")) == [True, True]
    assert endings(runtime) == (0, 0, 0, 3, 0)
    assert asyncio.run(main("b", "c")) == [True, True]
    assert endings(runtime) == (0, 0, 0, 6, 0)
    assert not runtime._tasks
    assert not caplog.records
    assert not recwarn.list


def test_a_loop_that_was_left_gives_its_keys_and_its_room_to_others():
    """It was stopped, not ended, and may never run again; if it does, its work is cancelled."""
    runtime, old = TaskRuntime(), asyncio.new_event_loop()

    async def fill(count):
        return [runtime.spawn(f"key {number}", partial(asyncio.sleep, 60)) for number in range(count)]

    async def other():
        begun = await fill(1)
        ended = endings(runtime)
        await runtime.settle(0.0)
        return begun, ended

    assert old.run_until_complete(fill(MOST)) == [True] * MOST
    assert asyncio.run(other()) == ([True], (1, 0, 0, MOST, 0))
    old.run_until_complete(asyncio.sleep(0.01))
    assert not asyncio.all_tasks(old)
    assert not runtime._tasks
    old.close()
    assert endings(runtime) == (0, 0, 0, MOST + 1, 0)


def test_closing_from_another_loop_waits_for_the_first_ones_work():
    """It never awaits a task of another loop; what takes too long is cancelled there."""
    runtime, begun, finish = TaskRuntime(), threading.Event(), threading.Event()
    errors = []

    async def first():
        release = asyncio.get_running_loop().run_in_executor(None, finish.wait)
        runtime.spawn("short", partial(asyncio.sleep, 0.05))
        runtime.spawn("long", partial(asyncio.sleep, 600))
        begun.set()
        await release
        errors.extend(task for task in asyncio.all_tasks() if task is not asyncio.current_task())

    async def second():
        await runtime.settle(0.3)
        return endings(runtime)

    thread = threading.Thread(target=asyncio.run, args=(first(),))
    thread.start()
    begun.wait(30)
    ended = asyncio.run(second())
    finish.set()
    thread.join(30)
    assert ended == (0, 1, 0, 1, 0)
    assert errors == []


def test_closing_does_not_wait_for_a_loop_that_was_left():
    """Its work will not end, however long one waits."""
    runtime, old = TaskRuntime(), asyncio.new_event_loop()

    async def begin():
        runtime.spawn("key", partial(asyncio.sleep, 3600))

    old.run_until_complete(begin())
    asyncio.run(runtime.settle(3600.0))
    assert endings(runtime) == (0, 0, 0, 1, 0)
    old.run_until_complete(asyncio.sleep(0.01))
    old.close()


def test_a_loop_that_is_left_while_another_one_closes_is_waited_for_no_longer():
    """When the time is over, its work counts as dropped, although nobody can cancel it now."""
    runtime, old, begun = TaskRuntime(), asyncio.new_event_loop(), threading.Event()

    async def first():
        runtime.spawn("key", partial(asyncio.sleep, 3600))
        begun.set()
        while not runtime.background._closed:
            await asyncio.sleep(0.001)

    thread = threading.Thread(target=old.run_until_complete, args=(first(),))
    thread.start()
    begun.wait(30)
    asyncio.run(runtime.settle(0.3))
    assert endings(runtime) == (0, 0, 0, 1, 0)
    thread.join(30)
    old.run_until_complete(asyncio.sleep(0.01))
    assert not runtime._tasks
    old.close()


# --- threads ---


def test_a_job_that_awaits_a_loop_in_a_thread_is_logged(caplog):
    """As the error that it is, not lost with its coroutine."""
    runtime = ThreadRuntime()

    async def awaits():
        await Suspends()

    class Suspends:
        def __await__(self):
            yield

    assert runtime.spawn("key", awaits)
    drive(runtime.settle(30.0))
    assert endings(runtime) == (0, 0, 1, 0, 0)
    (record,) = caplog.records
    assert record.exc_info[0] is SuspendedError


def test_threads_are_daemons_that_end_with_their_work():
    """None is left idle."""
    runtime, seen = ThreadRuntime(), []

    async def job():
        seen.append(threading.current_thread())

    runtime.spawn("key", job)
    drive(runtime.settle(30.0))
    (thread,) = seen
    thread.join(30)
    assert isinstance(thread, BackgroundThread)
    assert thread.daemon
    assert not thread.is_alive()


def test_a_thread_that_cannot_be_had_is_a_refusal(monkeypatch):
    """The key is free again."""
    runtime = ThreadRuntime()

    def fails(thread):
        raise RuntimeError("can't start new thread")

    async def job():
        pass

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fails)
        assert not runtime.spawn("key", job)
    assert runtime.spawn("key", job)
    drive(runtime.settle(30.0))
    assert endings(runtime)[:2] == (0, 1)


def test_background_work_does_not_move_a_fake_clock():
    """It waits until somebody else has moved it; else a patient background thread would make time run away."""
    clock = FakeClock()
    runtime, rang = ThreadRuntime(clock), []
    begun = clock.now()

    async def job():
        bell = runtime.signal()
        begun_to_wait.set()
        rang.append(await bell.wait(5.0))

    begun_to_wait = threading.Event()
    runtime.spawn("key", job)
    begun_to_wait.wait(30)
    threading.Event().wait(0.05)
    assert (rang, clock.now()) == ([], begun)

    def moved():
        clock.advance(5.0)
        return rang

    until(moved)
    assert rang == [False]


def test_the_end_of_forgotten_work_is_not_that_of_its_successor():
    """A job that forks ends in the child too, where somebody may have begun for its key anew."""
    background = Background()
    old = background.begin("key", None)
    background.forget()
    assert background.begin("key", None)
    background.end(old, "done")
    tally = background.tally()
    assert (tally.under_way, tally.done, tally.dropped) == (1, 0, 1)


def test_work_that_is_collected_at_any_moment_hangs_nobody():
    """With a loop that is gone: the garbage collector may run while the same thread holds the lock."""
    background, over = Background(), threading.Event()
    work = background.begin("key", None)
    background.end(work, "dropped")

    def collect():
        with background._lock:
            background.end(work, "dropped")
        over.set()

    threading.Thread(target=collect, daemon=True).start()
    assert over.wait(30)


def in_a_process(code):
    """Run ``code`` in a process of its own; what it prints."""
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    ran = subprocess.run(
        [sys.executable, "-X", "dev", *warnings, "-c", dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.split()


def test_the_interpreter_does_not_wait_for_background_threads():
    """Nobody closed the runtime; its thread would sleep for an hour."""
    assert in_a_process("""
        from functools import partial
        from resilient.runtime.threads import ThreadRuntime
        runtime = ThreadRuntime()
        print(runtime.spawn("key", partial(runtime.sleep, 3600)))
    """) == ["True"]


def test_a_forked_child_starts_without_background_work_and_may_begin_some():
    """The parent's is the parent's: the child neither waits for it nor is kept from its keys; threads and tasks."""
    assert in_a_process("""
        import asyncio, os, threading
        from functools import partial
        from resilient.runtime.drive import drive
        from resilient.runtime.tasks import TaskRuntime
        from resilient.runtime.threads import ThreadRuntime

        threads, tasks, go = ThreadRuntime(), TaskRuntime(), threading.Event()

        async def waits():
            go.wait(60)

        async def quick():
            pass

        def child():
            before = threads.background.tally().under_way
            spawned = threads.spawn("key", quick)
            drive(threads.settle(30.0))
            print(before, spawned, threads.background.tally().done)
            print(*asyncio.run(in_child()), flush=True)
            os._exit(0)

        async def in_child():
            before = tasks.background.tally().under_way
            spawned = tasks.spawn("key", quick)
            await tasks.settle(30.0)
            return before, spawned, tasks.background.tally().done

        async def parent():
            tasks.spawn("key", partial(asyncio.sleep, 0.1))
            if (pid := os.fork()) == 0:
                child()
            os.waitpid(pid, 0)
            await tasks.settle(30.0)

        threads.spawn("key", waits)
        asyncio.run(parent())
        go.set()
        drive(threads.settle(30.0))
        print(threads.background.tally().done, tasks.background.tally().done)
    """) == ["0", "True", "1", "0", "True", "1", "1", "1"]
