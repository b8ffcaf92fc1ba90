"""Single flight: what many ask for at once is done once, whatever becomes of those who ask."""

import asyncio
import sys
import threading
from functools import partial
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.errors import LockedError
from resilient.runtime.drive import drive
from resilient.runtime.flight import Flights, _led
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock, Simulation, virtual_run


@pytest.fixture(params=["blocking", "async"])
def world(request):
    return Simulation(request.param)


class Work:
    """A job that takes ``seconds`` and then returns how often it was begun, or raises what it is given."""

    def __init__(self, runtime, seconds=1.0, *errors):
        self.runtime = runtime
        self.seconds = seconds
        self.errors = list(errors)
        self.begun = 0
        self.stopped = 0

    async def __call__(self):
        self.begun += 1
        number = self.begun
        error = self.errors.pop(0) if self.errors else None
        try:
            await self.runtime.sleep(self.seconds)
        except BaseException:
            self.stopped += 1
            raise
        if error is not None:
            raise error
        return number


def in_tasks(main):
    """Run ``main(runtime)`` on a loop in virtual time, and see that it leaves no task behind."""

    async def whole():
        runtime = TaskRuntime(asyncio.get_running_loop().clock)
        result = await main(runtime)
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert runtime._flights._table == {}
        return result

    return virtual_run(whole())


# --- both colours ---


def test_fifty_callers_cause_one_execution(world):
    """All get its result; one of them is told that it was its own."""
    work = Work(world.runtime)
    outcomes = world.run([partial(world.runtime.share, "key", work)] * 50)
    assert outcomes == [(1, True)] + [(1, False)] * 49
    assert world.now == 1.0


def test_other_keys_are_other_flights(world):
    """They run beside each other."""
    work = Work(world.runtime)
    outcomes = world.run([partial(world.runtime.share, f"key {number}", work) for number in range(5)])
    assert [leads for _, leads in outcomes] == [True] * 5
    assert world.now == 1.0


def test_who_comes_after_the_landing_starts_anew(world):
    """A flight is no cache."""
    work = Work(world.runtime)
    outcomes = world.run([partial(world.runtime.share, "key", work)] * 3, every=1.5)
    assert outcomes == [(1, True), (2, True), (3, True)]


def test_an_error_reaches_all_as_objects_of_their_own(world):
    """One object raised in many places would gather all their tracebacks and notes."""
    error = httpx.ConnectError("refused")
    error.add_note("from the job")
    work = Work(world.runtime, 1.0, error)
    errors = world.run([partial(world.runtime.share, "key", work)] * 10, return_errors=True)
    assert work.begun == 1
    assert errors[0] is error
    assert len({id(one) for one in errors}) == 10
    for one in errors:
        assert (type(one), one.args) == (httpx.ConnectError, ("refused",))
        one.add_note("mine")
    assert all(one.__notes__ == ["from the job", "mine"] for one in errors)
    assert all(one.__cause__ is error for one in errors[1:])


def test_an_error_whose_constructor_wants_more_is_copied_too(world):
    """Such as ``HTTPStatusError``, which cannot be made of its arguments alone."""
    request = httpx.Request("GET", "https://api.test/")
    error = httpx.HTTPStatusError("bad", request=request, response=httpx.Response(500, request=request))
    work = Work(world.runtime, 1.0, error)
    errors = world.run([partial(world.runtime.share, "key", work)] * 3, return_errors=True)
    assert len({id(one) for one in errors}) == 3
    assert all(one.response.status_code == 500 and str(one) == "bad" for one in errors)


def test_after_an_error_the_next_caller_tries_again(world):
    """A failure is not kept."""
    work = Work(world.runtime, 1.0, ValueError("once"))
    first, second = world.run([partial(world.runtime.share, "key", work)] * 2, every=2.0, return_errors=True)
    assert isinstance(first, ValueError)
    assert second == (2, True)


def test_a_follower_waits_no_longer_than_it_said(world):
    """The work goes on for those who are more patient."""
    work = Work(world.runtime, 3.0)

    async def caller(timeout):
        try:
            return await world.runtime.share("key", work, timeout)
        except TimeoutError:
            return "late", world.now

    callers = [partial(caller, timeout) for timeout in (None, 1.0, 2.0, None)]
    assert world.run(callers) == [(1, True), ("late", 1.0), ("late", 2.0), (1, False)]


def test_a_job_that_asks_for_its_own_key_is_an_error(world):
    """Instead of waiting for itself for ever; through another flight as well."""
    share = world.runtime.share

    async def again():
        return await share("key", again)

    async def around():
        return await share("other", partial(share, "key", again))

    async def caller(job):
        with pytest.raises(LockedError) as caught:
            await share("key", job)
        return caught.value.key

    assert world.run([partial(caller, again)]) == ["key"]
    assert world.run([partial(caller, around)]) == ["key"]


def test_a_job_may_ask_for_another_key(world):
    """Fills may stand on other fills."""
    work = Work(world.runtime)

    async def outer():
        value, _ = await world.runtime.share("inner", work)
        return value + 10

    outcomes = world.run([partial(world.runtime.share, "outer", outer)] * 3)
    assert outcomes == [(11, True), (11, False), (11, False)]


# --- threads ---


def test_fifty_real_threads_cause_one_execution():
    """In real time, on real locks."""
    runtime, begun, begin = ThreadRuntime(), [], threading.Barrier(50)
    outcomes = []

    async def job():
        begun.append(threading.current_thread())
        while runtime._flights._table["key"].askers < 50:
            await runtime.sleep(0.001)
        return "result"

    def caller():
        begin.wait(30)
        outcomes.append(drive(runtime.share("key", job)))

    threads = [threading.Thread(target=caller) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(begun) == 1
    assert sorted(outcomes) == [("result", False)] * 49 + [("result", True)]
    assert runtime._flights._table == {}


def test_a_thread_that_dies_in_the_job_is_followed_by_another():
    """A leader that is torn down (SystemExit, KeyboardInterrupt) takes nobody with it."""
    world = Simulation("blocking")
    work = Work(world.runtime, 1.0, SystemExit())

    async def caller():
        try:
            return await world.runtime.share("key", work)
        except SystemExit:
            return "died"

    assert world.run([caller] * 4) == ["died", (2, True), (2, False), (2, False)]
    assert world.now == 2.0


def test_taking_over_does_not_start_a_timeout_anew():
    """A follower waits as long as it said in all, whoever flies."""
    world = Simulation("blocking")
    work = Work(world.runtime, 2.0, SystemExit())

    async def caller(timeout):
        try:
            return await world.runtime.share("key", work, timeout)
        except (SystemExit, TimeoutError) as error:
            return type(error).__name__, world.now

    callers = [partial(caller, timeout) for timeout in (None, None, 3.0)]
    assert world.run(callers) == [("SystemExit", 2.0), (2, True), ("TimeoutError", 3.0)]


# --- tasks ---


def test_a_cancelled_leader_takes_nobody_with_it():
    """Others still get the result, and nothing runs twice."""

    async def main(runtime):
        work = Work(runtime)
        callers = [asyncio.create_task(runtime.share("key", work)) for _ in range(50)]
        await asyncio.sleep(0.5)
        callers[0].cancel()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert outcomes[1:] == [(1, False)] * 49
        assert (work.begun, work.stopped) == (1, 0)

    in_tasks(main)


def test_the_last_one_to_go_stops_the_work():
    """Nobody waits for it, so it is not worth its while; who comes then starts anew."""

    async def main(runtime):
        work = Work(runtime)
        callers = [asyncio.create_task(runtime.share("key", work)) for _ in range(3)]
        await asyncio.sleep(0.5)
        for caller in callers:
            caller.cancel()
        late = asyncio.create_task(runtime.share("key", work))
        await asyncio.gather(*callers, return_exceptions=True)
        assert await late == (2, True)
        assert (work.begun, work.stopped) == (2, 1)
        assert asyncio.get_running_loop().time() == 1_001.5

    in_tasks(main)


def test_who_comes_while_stopped_work_cleans_up_does_not_wait_for_it():
    """An abandoned flight is nobody's any more, however long its end takes."""

    async def main(runtime):
        async def slow_to_stop():
            try:
                await runtime.sleep(10)
            finally:
                await asyncio.shield(asyncio.ensure_future(runtime.sleep(5)))

        first = asyncio.create_task(runtime.share("key", slow_to_stop))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(0.5)
        assert await runtime.share("key", Work(runtime)) == (1, True)
        assert asyncio.get_running_loop().time() == 1_002.5
        await asyncio.sleep(10)

    in_tasks(main)


def test_impatience_of_all_stops_the_work_too():
    """A timeout is a way to go."""

    async def main(runtime):
        work = Work(runtime, 10.0)
        callers = [runtime.share("key", work, timeout) for timeout in (1.0, 2.0)]
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TimeoutError, TimeoutError]
        await asyncio.sleep(0.1)
        assert work.stopped == 1

    in_tasks(main)


def flight_task():
    (found,) = {task for task in asyncio.all_tasks() if "_fly" in task.get_coro().__qualname__}
    return found


def test_work_that_is_cancelled_from_outside_is_taken_over():
    """The leader sees the cancellation, as one who awaits a cancelled task does; a follower flies on."""

    async def main(runtime):
        work = Work(runtime)
        callers = [asyncio.create_task(runtime.share("key", work)) for _ in range(3)]
        await asyncio.sleep(0.5)
        flight_task().cancel()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert outcomes[1:] == [(2, True), (2, False)]

    in_tasks(main)


def test_work_that_is_cancelled_before_its_first_step_is_done_all_the_same():
    """Such a task runs none of its code, so nothing in it could tell those who wait.

    Where a task begins at once (Python 3.12) it is cancelled after its first step, and taken over.
    """

    async def main(runtime):
        work = Work(runtime)
        callers = [asyncio.create_task(runtime.share("key", work)) for _ in range(3)]

        def strike():
            flight_task().cancel()

        # Runs after the callers' first step and before the work's.
        asyncio.get_running_loop().call_soon(strike)
        first, *others = await asyncio.gather(*callers, return_exceptions=True)
        assert first == (1, True) or isinstance(first, asyncio.CancelledError)
        assert [number for number, _ in others] == [work.begun] * 2

    in_tasks(main)


def test_a_job_that_always_ends_cancelled_does_not_fly_for_ever():
    """Each asker leads once at most, and is told."""

    async def main(runtime):
        begun = []

        async def job():
            begun.append(1)
            await runtime.sleep(1)
            raise asyncio.CancelledError

        callers = [asyncio.create_task(runtime.share("key", job)) for _ in range(3)]
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
        assert len(begun) == 3

    in_tasks(main)


def test_what_a_job_leaves_running_may_ask_for_the_key_later():
    """It inherits the job's context; that the flight is over counts."""

    async def main(runtime):
        background = []

        async def later():
            await runtime.sleep(10)
            return await runtime.share("key", partial(asyncio.sleep, 0, "later"))

        async def job():
            background.append(asyncio.create_task(later()))
            return "first"

        assert await runtime.share("key", job) == ("first", True)
        assert await background[0] == ("later", True)

    in_tasks(main)


def test_loops_share_a_flight_and_one_that_ends_hands_it_over():
    """The leader's loop is shut down in the middle of the work: a task of another loop takes over."""
    runtime, joined, results = TaskRuntime(), threading.Event(), []

    async def forever():
        await asyncio.sleep(60)

    async def leads():
        task = asyncio.create_task(runtime.share("key", forever))
        while not runtime._flights._table:
            await asyncio.sleep(0)
        joined.set()
        while runtime._flights._table["key"].askers < 2:
            await asyncio.sleep(0.001)
        return task

    async def follows():
        results.append(await runtime.share("key", partial(asyncio.sleep, 0, "taken over"), 30.0))

    def second_loop():
        joined.wait(30)
        asyncio.run(follows())

    thread = threading.Thread(target=second_loop)
    thread.start()
    asyncio.run(leads())
    thread.join(30)
    assert results == [("taken over", True)]


@pytest.fixture
def left_loop():
    """An event loop that was left in the middle of a flight, and the flight's leader."""
    loop = asyncio.new_event_loop()
    yield loop
    if not loop.is_closed():
        loop.close()


def left_in_flight(loop, runtime, work):
    """Start ``work`` on ``loop`` and leave the loop; gives the task that asks."""

    async def start():
        task = asyncio.create_task(runtime.share("key", work))
        await asyncio.sleep(0.01)
        return task

    return loop.run_until_complete(start())


def test_who_finds_a_flight_of_a_loop_that_does_not_run_starts_anew(left_loop, monkeypatch):
    """At once, and with nothing left of the old one; when that loop goes on, its asker gets an answer too."""
    monkeypatch.setattr("resilient.runtime.flight.LOOK_AGAIN", 3600.0)
    runtime = TaskRuntime()
    work = Work(TaskRuntime(), 60.0)
    asker = left_in_flight(left_loop, runtime, work)
    assert asyncio.run(runtime.share("key", partial(asyncio.sleep, 0, "new"))) == ("new", True)
    work.seconds = 0.0
    assert left_loop.run_until_complete(asker) == (2, True)
    assert work.stopped == 1
    assert not runtime._tasks


def test_a_flight_of_a_closed_loop_hangs_nobody(left_loop):
    """Nor is its task held on to for ever."""
    runtime = TaskRuntime()
    asker = left_in_flight(left_loop, runtime, Work(TaskRuntime(), 60.0))
    left_loop.close()
    assert asyncio.run(runtime.share("key", partial(asyncio.sleep, 0, "new"))) == ("new", True)
    assert not runtime._tasks
    asker._log_destroy_pending = False


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "left"])
def test_who_waits_for_a_loop_that_is_left_meanwhile_takes_over(left_loop, closed, monkeypatch):
    """Waiters of other loops look from time to time whether it still runs."""
    monkeypatch.setattr("resilient.runtime.flight.LOOK_AGAIN", 0.02)
    runtime, joined, results = TaskRuntime(), threading.Event(), []
    tasks = []

    async def leads():
        tasks.append(asyncio.create_task(runtime.share("key", partial(asyncio.sleep, 60))))
        await asyncio.sleep(0)
        joined.set()
        while runtime._flights._table["key"].askers < 3:
            await asyncio.sleep(0.001)

    async def follow():
        share = partial(runtime.share, "key", partial(asyncio.sleep, 0.01, "taken over"))
        results.extend(await asyncio.gather(share(), share()))

    def second_loop():
        joined.wait(30)
        asyncio.run(follow())

    thread = threading.Thread(target=second_loop)
    thread.start()
    left_loop.run_until_complete(leads())
    if closed:
        left_loop.close()
    thread.join(30)
    assert sorted(results) == [("taken over", False), ("taken over", True)]
    for task in tasks:
        task._log_destroy_pending = False


def test_waiters_of_the_same_loop_do_not_look_again_and_again():
    """They are rung for; what wakes ten thousand of them each second would be a polling storm."""

    async def main(runtime):
        loop, timers = asyncio.get_running_loop(), []
        call_at = loop.call_at
        loop.call_at = lambda when, *args, **options: timers.append(when) or call_at(when, *args, **options)
        await asyncio.gather(*(runtime.share("key", Work(runtime, 30.0)) for _ in range(10)))
        assert len(timers) == 1

    in_tasks(main)


def test_a_caller_that_is_collected_at_any_moment_hangs_nobody(left_loop):
    """With a loop that is gone: the garbage collector may run while the same thread holds the lock."""
    runtime = TaskRuntime()
    asker = left_in_flight(left_loop, runtime, Work(TaskRuntime(), 60.0))
    left_loop.close()
    (flown,) = runtime._tasks
    over = threading.Event()

    def collect():
        runtime._flights._give_up(runtime._flights._table["key"])
        with runtime._flights._lock:
            flown.get_coro().close()
            asker.get_coro().close()
        over.set()

    threading.Thread(target=collect, daemon=True).start()
    assert over.wait(30)
    asker._log_destroy_pending = flown._log_destroy_pending = False


# --- what it costs ---


def test_who_leads_in_a_thread_makes_no_bell():
    """Its work is over when it would begin to wait."""
    runtime = ThreadRuntime()
    bells = []
    counting = SimpleNamespace(
        clock=runtime.clock,
        home=runtime.home,
        lead=runtime.lead,
        signal=lambda: bells.append(1) or runtime.signal(),
    )
    flown = drive(runtime._flights.share(counting, "key", partial(_done, "result"), 5.0))
    assert (flown, bells) == (("result", True), [])


async def _done(value):
    return value


def test_who_gives_up_waiting_leaves_nothing_behind(world):
    """Neither a bell in a long flight, nor a mark of the flight in its own context."""
    kept = []

    async def impatient():
        with pytest.raises(TimeoutError):
            await world.runtime.share("key", Work(world.runtime), 1.0)
        kept.append(len(world.runtime._flights._table["key"].bells))

    async def leads():
        await world.runtime.share("key", Work(world.runtime, 3.0))
        return _led.get()

    marks = world.run([leads, impatient])
    assert kept == [world.choose(0, 1)]  # a leader's task waits for its flight too
    assert marks[0] == frozenset()


def test_a_flight_that_lands_while_one_joins_is_not_missed():
    """Between looking whether it has landed and listening for that."""
    runtime, flights = ThreadRuntime(), Flights()

    def land_and_make_a_bell():
        flight = flights._table["key"]
        flight.result, flight.error = "landed", None
        flights._land(flight)
        return runtime.signal()

    async def starts_only(work, over):
        return over

    crew = SimpleNamespace(clock=FakeClock(), home=runtime.home, lead=starts_only, signal=land_and_make_a_bell)
    assert drive(flights.share(crew, "key", partial(_done, "unused"), 5.0)) == ("landed", True)


def test_work_that_never_waits_makes_its_caller_wait_only_where_it_must():
    """Python 3.12 can begin a task at once; before that it takes a turn of the loop."""

    async def main(runtime):
        turns = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        assert await runtime.share("key", partial(_done, "result")) == ("result", True)
        assert turns == ([] if sys.version_info >= (3, 12) else [1])

    in_tasks(main)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 0.9, 1.0, 1.5]),
            st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.0]),
            st.none() | st.sampled_from([0.5, 1.0, 3.0]),
        ),
        max_size=6,
    ),
    st.integers(0, 2),
)
def test_whoever_stays_gets_an_answer_and_nothing_runs_twice_at_once(callers, failures):
    """Arrivals, cancellations and timeouts at any time, on the same instants too; the first flights fail."""

    async def main(runtime):
        loop, running, most = asyncio.get_running_loop(), [], []
        errors = [ValueError(number) for number in range(failures)]

        async def job():
            running.append(1)
            most.append(len(running))
            try:
                await runtime.sleep(1.0)
            finally:
                running.pop()
            if errors:
                raise errors.pop()
            return "result"

        async def caller(arrives, timeout):
            await runtime.sleep(arrives)
            return await runtime.share("key", job, timeout)

        tasks = []
        for arrives, cancelled, timeout in callers:
            tasks.append(asyncio.create_task(caller(arrives, timeout)))
            if cancelled is not None:
                loop.call_later(cancelled, tasks[-1].cancel)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for (_, cancelled, timeout), outcome in zip(callers, outcomes, strict=True):
            if isinstance(outcome, tuple):
                assert outcome[0] == "result"
            elif isinstance(outcome, TimeoutError):
                assert timeout is not None
            elif isinstance(outcome, asyncio.CancelledError):
                assert cancelled is not None
            else:
                assert isinstance(outcome, ValueError)
        assert not running
        # An abandoned flight may still be on its way out when the next one starts.
        assert max(most, default=0) <= 2

    in_tasks(main)
