"""One execution for all who miss a key at the same time: tasks, threads and processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from resilient import Cache
from resilient.events import CacheLookup
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from resilient.testing import Simulation

COALESCING = {
    "simple": lambda cache, **more: cache(ttl="1h", **more),
    "simple, locked": lambda cache, **more: cache(ttl="1h", lock=True, **more),
    "early": lambda cache, **more: cache.early(ttl="1h", early_ttl="50m", **more),
    "soft": lambda cache, **more: cache.soft(ttl="1h", soft_ttl="50m", **more),
    "locked": lambda cache, **more: cache.locked(ttl="1h", **more),
    "hit": lambda cache, **more: cache.hit(ttl="1h", cache_hits=1000, **more),
}


@pytest.fixture(params=COALESCING)
def coalescing(request):
    return COALESCING[request.param]


@pytest.fixture
def calls():
    return []


@pytest.fixture
def made(calls):
    """Makes a function of a colour that takes a second, decorated; what ``script`` says happens in it."""

    def made(scene, decorator, script=None):
        @decorator
        @scene.function
        async def function(key="k"):
            calls.append(scene.now)
            number = len(calls)
            await scene.sleep(1)
            return [number, key] if script is None else script(number)

        return function

    return made


# --- one process -------------------------------------------------------------------------------------------------


async def test_fifty_callers_of_a_cold_key_are_one_execution(scene, coalescing, calls, made):
    """All get its result when it is there; whoever calls later, hits. Other keys are no matter of theirs."""
    function = made(scene, coalescing(scene.cache))
    both = [lambda: scene.call(function, "a")] * 50 + [lambda: scene.call(function, "b")] * 50
    assert await scene.all_at_once(*both) == [[1, "a"]] * 50 + [[2, "b"]] * 50
    assert scene.now == pytest.approx(1)
    assert await scene.call(function, "a") == [1, "a"]
    assert len(calls) == 2
    told = Counter(event.result for event in scene.events if isinstance(event, CacheLookup))
    assert told == {"miss": 2, "collapsed": 98, "hit": 1}


async def test_who_comes_in_the_middle_waits_for_the_rest(scene, coalescing, calls, made):
    """Not longer than the execution goes on."""
    function = made(scene, coalescing(scene.cache))

    async def later():
        await scene.sleep(0.75)
        began = scene.now
        return await scene.call(function), scene.now - began

    first, (answer, waited) = await scene.all_at_once(lambda: scene.call(function), later)
    assert first == answer
    assert waited == pytest.approx(0.25)


async def test_each_caller_has_a_value_of_its_own(scene, coalescing, made):
    """Each changes what it gets, the maker first of all; nobody sees it, and the cache does not either."""
    function = made(scene, coalescing(scene.cache))

    async def caller():
        answer = await scene.call(function)
        seen = list(answer)
        answer.append("changed")
        await scene.sleep(0.1)
        return seen, answer

    assert await scene.all_at_once(*[caller] * 20) == [([1, "k"], [1, "k", "changed"])] * 20
    assert await scene.call(function) == [1, "k"]


async def test_each_caller_has_a_value_of_its_own_if_it_is_not_kept(scene, coalescing, made):
    """The condition does not hold, or ``set`` is switched off: those who wait get the value all the same, unshared."""

    async def caller():
        answer = await scene.call(function)
        seen = list(answer)
        answer.append("changed")
        return seen

    function = made(scene, coalescing(scene.cache, condition=lambda result: False))
    assert await scene.all_at_once(*[caller] * 5) == [[1, "k"]] * 5
    function = made(scene, coalescing(scene.cache, key="other"))
    with scene.cache.disabling("set"):
        assert await scene.all_at_once(*[caller] * 5) == [[2, "k"]] * 5
    assert await scene.ask.scan() == []


async def test_a_failure_reaches_those_who_wait_and_nobody_else(scene, coalescing, calls, made):
    """Each gets an error of its own; the next caller tries again."""

    def script(number):
        if number == 1:
            raise ConnectionError("down", number)
        return number

    function = made(scene, coalescing(scene.cache), script)
    errors = await scene.all_at_once(*[lambda: scene.call(function)] * 20)
    assert [(type(error), error.args) for error in errors] == [(ConnectionError, ("down", 1))] * 20
    assert len({id(error) for error in errors}) == 20
    assert await scene.call(function) == 2
    assert len(calls) == 2


async def test_without_protection_each_makes_its_own(scene, coalescing, calls, made):
    """As it was asked for."""
    function = made(scene, coalescing(scene.cache, protected=False))
    answers = await scene.all_at_once(*[lambda: scene.call(function)] * 5)
    assert sorted(answers) == [[number, "k"] for number in range(1, 6)]
    assert scene.now == pytest.approx(1)


@pytest.mark.parametrize("victims", [[0], [1], [9], [0, 1, 2], [0, 9], list(range(9)), list(range(1, 10))])
def test_a_caller_that_is_cancelled_hurts_nobody(coalescing, victims):
    """Whichever of the callers: all others get the result, the function ran once, and nothing is left behind."""
    cache, calls = Cache("mem://"), []

    async def main():
        goes_on = asyncio.Event()

        @coalescing(cache)
        async def function():
            calls.append(1)
            await goes_on.wait()
            return "result"

        tasks = [asyncio.create_task(function()) for _ in range(10)]
        while not calls:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        for victim in victims:
            tasks[victim].cancel()
        await asyncio.sleep(0)
        goes_on.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for number, outcome in enumerate(outcomes):
            if number in victims:
                assert isinstance(outcome, asyncio.CancelledError)
            else:
                assert outcome == "result"
        assert await function() == "result"
        assert len(calls) == 1
        await cache.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_when_all_are_cancelled_the_work_is_too(coalescing):
    """Nobody wants it; the next caller begins anew, also in the very moment of the cancelling."""
    cache, ended = Cache("mem://"), []

    async def main():
        @coalescing(cache)
        async def function():
            try:
                await asyncio.sleep(0.01 if ended else 3600)
            finally:
                ended.append(True)
            return len(ended)

        tasks = [asyncio.create_task(function()) for _ in range(5)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The lease of the work that is being stopped is given back in the background.
        assert await function() == 2
        await cache.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_caller_may_lose_patience_by_itself(coalescing):
    """A timeout around one call ends that call; the others wait on and get the result."""
    cache, calls = Cache("mem://"), []

    async def main():
        goes_on = asyncio.Event()

        @coalescing(cache)
        async def function():
            calls.append(1)
            await goes_on.wait()
            return "result"

        async def hasty():
            async with asyncio.timeout(0.01):
                await function()

        others = [asyncio.create_task(function()) for _ in range(5)]
        with pytest.raises(TimeoutError):
            await hasty()
        goes_on.set()
        assert await asyncio.gather(*others) == ["result"] * 5
        assert len(calls) == 1
        await cache.aclose()

    asyncio.run(main())


def test_fifty_threads_are_one_execution(coalescing):
    """Real threads, that all come before it is over."""
    cache, calls, here = Cache("mem://"), [], threading.Barrier(50)
    arrived = threading.Semaphore(0)

    @coalescing(cache)
    def function():
        calls.append(threading.get_ident())
        for _ in range(50):
            arrived.acquire()
        return ["result"]

    def caller(_):
        here.wait()
        arrived.release()
        answer = function()
        answer.append("changed")
        return answer

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(caller, range(50))) == [["result", "changed"]] * 50
    assert len(calls) == 1
    assert function() == ["result"]


@pytest.mark.slow
def test_threads_and_many_keys_never_run_one_twice(coalescing):
    """Fifty threads over twenty keys, cold and hot as it comes: each key is executed once."""
    cache, counts, lock = Cache("mem://"), Counter(), threading.Lock()

    @coalescing(cache)
    def function(key):
        with lock:
            counts[key] += 1
        return [key]

    def caller(number):
        for step in range(200):
            key = (step * 7 + number) % 20
            assert function(key) == [key]

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(caller, range(50)))
    assert counts == dict.fromkeys(range(20), 1)


def test_loops_in_many_threads_are_one_execution(coalescing):
    """Each with its own event loop, all on one cache."""
    cache, calls, here = Cache("mem://"), [], threading.Barrier(8)

    @coalescing(cache)
    async def function():
        calls.append(1)
        await asyncio.sleep(0.05)
        return ["result"]

    async def main():
        return await asyncio.gather(*(function() for _ in range(10)))

    def caller(_):
        here.wait()
        return asyncio.run(main())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(caller, range(8))) == [[["result"]] * 10] * 8
    assert len(calls) == 1


def test_many_flights_leave_nothing_behind(scene, coalescing, made):
    """Neither a flight, nor a lease, nor a task."""
    function = made(scene, coalescing(scene.cache))

    async def main():
        await scene.all_at_once(*[partial(scene.call, function, f"k{number % 10}") for number in range(50)])
        while scene.under_way():
            await scene.sleep(0.1)

    scene.do(main)
    core = scene.cache._core
    runtime = core.threads if scene.colour == "blocking" else core.tasks
    assert runtime._flights._table == {}
    assert core.mounts.only().pair.blocking._leases._held == {}


class Slow:
    """A store whose answers take their time on the way; ``seconds`` may be changed."""

    name = "slow"

    def __init__(self, scene, store, seconds):
        self._scene, self._store, self.seconds = scene, Lifted(store), seconds

    def __getattr__(self, name):
        async def command(*args, **kwargs):
            seconds = self.seconds
            answer = await getattr(self._store, name)(*args, **kwargs)
            await self._scene.sleep(seconds)
            return answer

        return command

    def close(self):
        pass


@pytest.mark.parametrize("fill", [0.5, 4, 20])
def test_waiting_for_another_is_no_time_of_the_stores(fill):
    """Two caches on one store that needs 20 ms for a command, as two processes: the second waits for the value.

    All its looking for it takes longer than a call may wait for its store.
    """
    scene, calls = Simulation("async"), []
    store = MemoryStore(clock=scene.clock)

    def function():
        cache = Cache(clock=scene.clock)
        slow = Slow(scene, store, 0.02)
        cache.setup(StorePair(blocking=slow, tasks=slow))

        @cache.locked(ttl="1h", key="k")
        async def function():
            calls.append(1)
            await scene.sleep(fill)
            return len(calls)

        return function

    assert scene.run([function(), function()]) == [1, 1]


def test_a_value_that_came_between_is_not_made_again(coalescing):
    """One caller is told that there is nothing, but so late that another one has made the value by then."""
    scene, calls = Simulation("async"), []
    slow = Slow(scene, MemoryStore(clock=scene.clock), 0.0)
    cache = Cache(clock=scene.clock)
    cache.setup(StorePair(blocking=slow, tasks=slow), store_budget=None)

    @coalescing(cache, key="k")
    async def function():
        calls.append(1)
        return len(calls)

    async def main():
        slow.seconds = 1.0
        late = scene.start(function)
        await scene.sleep(0.5)
        slow.seconds = 0.0
        assert await function() == 1
        assert await late.result() == 1
        assert calls == [1]

    scene.run([main])


# --- many processes ----------------------------------------------------------------------------------------------

FUNCTION = """
from resilient import Cache
import sqlite3

cache = Cache()
cache.setup(f"disk://{sys.argv[1]}/cache", write_wait="60s", busy_timeout="60s", store_budget=BUDGET)

def note(what):
    with sqlite3.connect(f"{sys.argv[1]}/calls", timeout=60) as connection:
        connection.execute("INSERT INTO calls VALUES (?)", (what,))
    connection.close()

def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def executions(tmp_path):
    """How often the functions of all processes ran, each noted in a database."""
    connection = sqlite3.connect(tmp_path / "calls", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE calls (what TEXT)")
    yield lambda: [what for (what,) in connection.execute("SELECT what FROM calls ORDER BY rowid")]
    connection.close()


TASKS = (
    FUNCTION
    + """
@cache.locked(ttl="1h", key="report:{number}")
async def function(number):
    note(str(number))
    await asyncio.sleep(FILL)
    return ["result", number]

async def main():
    for number in range(ROUNDS):
        answers = await asyncio.gather(*(function(number) for _ in range(50)))
        assert answers == [["result", number]] * 50
    await cache.aclose()

ready()
asyncio.run(main())
"""
)

THREADS = (
    FUNCTION
    + """
from concurrent.futures import ThreadPoolExecutor

@cache.locked(ttl="1h", key="report:{number}")
def function(number):
    note(str(number))
    time.sleep(FILL)
    return ["result", number]

ready()
with ThreadPoolExecutor(10) as pool:
    for number in range(ROUNDS):
        assert list(pool.map(function, [number] * 10)) == [["result", number]] * 10
cache.close()
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("program", [TASKS, THREADS], ids=["tasks", "threads"])
@pytest.mark.parametrize(
    ("budget", "fill", "rounds"), [("None", 0.3, 4), ('"10s"', 3.0, 1)], ids=["no budget", "a long fill"]
)
def test_four_processes_are_one_execution(script, tmp_path, executions, program, budget, fill, rounds):
    """On the disk, of fifty tasks or ten threads each: one of all executes, the others wait for its result.

    With a store budget too: waiting for another process is no time of the store's.
    """
    text = program.replace("BUDGET", budget).replace("FILL", str(fill)).replace("ROUNDS", str(rounds))
    processes = [script(text, tmp_path) for _ in range(4)]
    for process in processes:
        process.expect("ready")
    for process in processes:
        process.tell("go")
    for process in processes:
        process.ends_well()
    assert sorted(executions()) == [str(number) for number in range(rounds)]


HOLDING_TASK = (
    FUNCTION
    + """
@cache.locked(ttl="1h", key="report")
async def function():
    note("holder")
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(function())
"""
)

HOLDING_THREAD = (
    FUNCTION
    + """
@cache.locked(ttl="1h", key="report")
def function():
    note("holder")
    print("ready", flush=True)
    time.sleep(3600)

function()
"""
)

FOLLOWER = (
    FUNCTION
    + """
@cache.locked(ttl="1h", key="report")
async def function():
    note("follower")
    return "result"

async def main():
    began = time.monotonic()
    assert await function() == "result"
    print(time.monotonic() - began)
    await cache.aclose()

asyncio.run(main())
"""
)


@pytest.mark.slow
def test_a_killed_holder_keeps_others_waiting_for_its_lease_only(script, tmp_path, executions):
    """For the five seconds of a lease, and not for the hour of the value; then another one executes."""
    holder = script(HOLDING_TASK.replace("BUDGET", "None"), tmp_path)
    holder.expect("ready")
    holder.kill()
    follower = script(FOLLOWER.replace("BUDGET", "None"), tmp_path)
    assert float(follower.ends_well()) < 60
    assert executions() == ["holder", "follower"]


@pytest.mark.slow
@pytest.mark.parametrize("program", [HOLDING_TASK, HOLDING_THREAD], ids=["task", "thread"])
def test_a_holder_that_lives_is_waited_for(script, tmp_path, executions, program):
    """Longer than its lease, which it renews; killed at last, it is followed."""
    holder = script(program.replace("BUDGET", "None"), tmp_path)
    holder.expect("ready")
    follower = script(FOLLOWER.replace("BUDGET", "None"), tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        follower.process.wait(8)
    assert executions() == ["holder"]
    holder.kill()
    follower.ends_well()
    assert executions() == ["holder", "follower"]
