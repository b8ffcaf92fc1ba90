"""A master that is killed in the middle of traffic: no caller notices, and what is kept goes on in its replica."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from resilient import AsyncResilientClient, Cache, Policy, ResilientClient, ResponseCache
from resilient.entry import Entry
from resilient.errors import StoreUnavailableError
from resilient.events import ReplicaConnected, ReplicaLost, StoreFailed
from tests.soaking import sizes
from tests.stores.sentinels import Service
from tests.stores.servers import PASSWORD, until

PACE = 0.01
"""Seconds between two rounds of one caller."""
SOON = 500
"""Rounds of one caller, which take it five seconds or more."""
POLICIES = Policy(cache=ResponseCache(ttl="1h"), retry=None, breaker=None)


@pytest.fixture
def service(tmp_path):
    """Three Sentinels, a master and a replica, to which the test may do harm."""
    service = Service(tmp_path / "service", sentinels=3)
    try:
        service.start()
        yield service
    finally:
        service.stop()


class Traffic:
    """Four callers at a steady pace: a decorated function and a client with a response cache, in both colours.

    In each round a caller asks twice for what nobody has asked for before. It was kept if it was made once only.

    Attributes:
        rounds: for each caller, whether what was made was kept, round by round.
        failures: what callers got in place of their answers.
    """

    def __init__(self, cache):
        self.rounds = defaultdict(list)
        self.failures = []
        self._made = Counter()
        self._ends = threading.Event()
        self._cache = cache

    def __enter__(self):
        self._pool = ThreadPoolExecutor(3)
        self._callers = [
            self._pool.submit(each) for each in (self._function, self._client, lambda: asyncio.run(self._tasks()))
        ]
        return self

    def __exit__(self, *_):
        self._ends.set()
        for each in self._callers:
            each.result()
        self._pool.shutdown()

    def _make(self, caller, number):
        self._made[caller, number] += 1
        return number

    def _transport(self, caller):
        return httpx.MockTransport(
            lambda request: httpx.Response(200, json=self._make(caller, int(request.url.path[1:])))
        )

    def _note(self, caller, number, answers):
        self.failures += [answer for answer in answers if answer != number]
        self.rounds[caller].append(self._made[caller, number] == 1)

    def _function(self):
        function = self._cache(ttl="1h", key="function:{number}")(lambda number: self._make("function", number))
        self._call("function", function)

    def _client(self):
        with ResilientClient(transport=self._transport("client"), policies=POLICIES, store=self._cache) as client:
            self._call("client", lambda number: client.get(f"https://client.test/{number}").json())

    def _call(self, caller, ask):
        def answer(number):
            try:
                return ask(number)
            except Exception as error:  # noqa: BLE001 - none is right
                return error

        while not self._ends.wait(PACE):
            number = len(self.rounds[caller])
            self._note(caller, number, [answer(number), answer(number)])

    async def _tasks(self):
        @self._cache(ttl="1h", key="coroutine:{number}")
        async def coroutine(number):
            return self._make("coroutine", number)

        transport = self._transport("tasks' client")
        async with AsyncResilientClient(transport=transport, policies=POLICIES, store=self._cache) as client:

            async def get(number):
                return (await client.get(f"https://tasks.test/{number}")).json()

            await asyncio.gather(self._call_as_task("coroutine", coroutine), self._call_as_task("tasks' client", get))

    async def _call_as_task(self, caller, ask):
        async def answer(number):
            try:
                return await ask(number)
            except Exception as error:  # noqa: BLE001 - none is right
                return error

        while not self._ends.is_set():
            number = len(self.rounds[caller])
            self._note(caller, number, [await answer(number), await answer(number)])
            await asyncio.sleep(PACE)


CALLERS = ("function", "client", "coroutine", "tasks' client")


@pytest.mark.slow
def test_no_caller_notices_that_the_master_is_killed(service):
    """Not one call fails or gets what is not its own; after the promotion values are kept again, soon for each."""
    heard = []
    cache = Cache()
    cache.setup(service.url, sentinel_password=PASSWORD, telemetry=[heard.append])
    with Traffic(cache) as traffic:
        until(lambda: all(sum(traffic.rounds[each]) > 20 for each in CALLERS))
        service.master.kill()
        killed = {each: len(traffic.rounds[each]) for each in CALLERS}
        until(service.has_failed_over)
        promoted = {each: len(traffic.rounds[each]) for each in CALLERS}
        until(lambda: all(sum(traffic.rounds[each][promoted[each] :]) > 20 for each in CALLERS))
        kept = service.replica.ask("DBSIZE")
        until(lambda: service.replica.ask("DBSIZE") > kept + 20)
    cache.close()
    assert traffic.failures == []
    for each in CALLERS:
        assert False in traffic.rounds[each][killed[each] : promoted[each]], "there was no master to miss"
        assert True in traffic.rounds[each][promoted[each] : promoted[each] + SOON]
    assert any(isinstance(event, StoreFailed) for event in heard)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_no_copy_outlives_its_master(service, opened, events, fault):
    """Once its link is gone, nothing old is read; the next link leads to the new master, and tells of its changes."""
    copying = {"client_side": True, "max_staleness": "1h", "socket_timeout": "1s"}
    near = opened(service.url, sentinel_password=PASSWORD, **copying).blocking
    near.set("k", entry(b"old"))
    until(lambda: near.get("k").body == b"old" and near.at_hand.get("k") is not None)
    getattr(service.master, fault)()
    until(lambda: any(isinstance(event, ReplicaLost) for event in events))
    assert near.at_hand.get("k") is None
    until(service.has_failed_over)
    other = opened(service.url, sentinel_password=PASSWORD).blocking
    until(lambda: answer_of(other.set, "k", entry(b"new")))
    until(lambda: answer_of(near.get, "k") is not None)
    assert near.get("k").body == b"new"
    until(lambda: near.get("k").body == b"new" and near.at_hand.get("k") is not None)
    assert sum(isinstance(event, ReplicaConnected) for event in events) == 2
    other.set("k", entry(b"newer"))
    until(lambda: near.get("k").body == b"newer")


def entry(body):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + 600, expires_at=now + 600)


def answer_of(command, *args):
    """What it answers; None while there is no master."""
    try:
        return command(*args)
    except StoreUnavailableError:
        return None


PROGRAM = """
from resilient import Cache

# That the store fails is meant, and said in the log.
logging.getLogger("resilient.store").addHandler(logging.NullHandler())
cache = Cache()
cache.setup(sys.argv[1], sentinel_password=sys.argv[2], store_budget="10s")
callers, runs, folder = int(sys.argv[3]), sys.argv[4], sys.argv[5]

@cache.locked(ttl="1h", key="slow:{key}")
async def slow(key):
    with open(runs, "a") as file:
        file.write(key + "\\n")
    while not os.path.exists(os.path.join(folder, key)):
        await asyncio.sleep(0.02)
    return key

async def main():
    for line in sys.stdin:
        key = line.strip()
        assert set(await asyncio.gather(*(slow(key) for _ in range(callers)))) == {key}
        print(key, flush=True)

asyncio.run(main())
cache.close()
"""


@sizes(processes=(2, 4), callers=(20, 50))
def test_a_killed_master_costs_each_process_one_more_run_at_most(
    service, script, ends_well, tmp_path, found, processes, callers
):
    """All want one value, whose lease is on the master that is killed while it is made: nobody fails, few make it."""
    path = tmp_path / "runs"
    path.touch()
    programs = [script(PROGRAM, service.url, PASSWORD, callers, path, tmp_path) for _ in range(processes)]
    runs = {}
    for key in ("before", "during", "after"):
        for program in programs:
            program.stdin.write(f"{key}\n")
            program.stdin.flush()
        until(lambda key=key: key in path.read_text())
        if key == "during":
            service.master.kill()
            until(service.has_failed_over)
        (tmp_path / key).touch()
        for program in programs:
            assert program.stdout.readline() == f"{key}\n", program.stderr.read()
        runs[key] = path.read_text().split().count(key)
    assert [ends_well(program) for program in programs] == [""] * processes
    found.update(runs)
    assert runs["before"] == 1
    assert runs["during"] <= 1 + processes
    assert runs["after"] <= 1 + processes
