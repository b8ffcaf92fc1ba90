"""Faults in the midst of traffic: decorated functions and cached answers in both colours, on real servers.

Whatever happens to the store, no call fails, and none gets another's value. Of the time that a call takes, waiting for
the store is bounded by its budget; a busy machine adds to it, so calls are counted here that waited for far too long,
and failures that cost a wait.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import httpx
import pytest

from resilient import AsyncResilientClient, Cache, Policy, ResilientClient, ResponseCache
from resilient.events import CacheLookup, StoreDegraded, StoreFailed, StoreRecovered
from resilient.testing import FaultProxy
from tests.soaking import sizes
from tests.stores.servers import PASSWORD, USER

CALLERS = 8
"""Of each lane, at once."""
KNOWN = 40
"""Keys that are asked for again and again; as many calls ask for something new."""
FAR_TOO_LONG = 2.0
"""Seconds; a call waits for its store a tenth of a second at most, so the rest of it was the machine's."""
PATIENCE = 60.0
"""Seconds in which something has to have happened, however busy the machine is."""
POLICY = Policy(cache=ResponseCache(ttl="1h"), deadline=None, retry=None, breaker=None)


def page(request):
    """An origin that is always well."""
    return httpx.Response(200, text=request.url.path[1:])


class Lane:
    """Callers of one colour and one kind, who go on and on.

    Attributes:
        heard: all events.
        waits: seconds that each call took.
        wrong: what was raised, and what was no right answer.
    """

    def __init__(self, name):
        self.name = name
        self.heard, self.waits, self.wrong = [], [], []
        self._numbers = itertools.count()

    def next_key(self):
        number = next(self._numbers)
        return f"{number % KNOWN}" if number % 2 else f"new {number}"

    def judge(self, key, answer, began):
        self.waits.append(time.monotonic() - began)
        if answer != key:
            self.wrong.append((key, answer))

    def told(self, since=0):
        """How many of each kind of event there were, failures and answers by their kind."""
        heard = self.heard[since:]
        return Counter(getattr(event, "kind", getattr(event, "result", type(event).__name__)) for event in heard)


class Traffic:
    """Four lanes on one server, each with a cache or client of its own, until the ``with`` block ends.

    Args:
        url: of the store.
        rate: calls a second of each lane.
    """

    def __init__(self, url, rate):
        self._url, self._pause = url, CALLERS / rate
        self._ends = threading.Event()
        self.lanes = [Lane(f"{colour} {kind}") for colour in ("blocking", "async") for kind in ("functions", "answers")]
        self._threads = [
            threading.Thread(target=self._drive),
            threading.Thread(target=asyncio.run, args=[self._tasks()]),
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _drive(self):
        functions, answers, *_ = self.lanes
        with ExitStack() as stack:
            cache = Cache(self._url, telemetry=[functions.heard.append])
            stack.callback(cache.close)
            client = ResilientClient(
                transport=httpx.MockTransport(page), policies=POLICY, store=self._url, telemetry=[answers.heard.append]
            )
            stack.enter_context(client)

            @cache(ttl="1h", key="of:{key}")
            def function(key):
                return key

            def ask(key):
                return client.get(f"https://api.test/{key}").text

            callers = [
                threading.Thread(target=self._call, args=[lane, call])
                for lane, call in ((functions, function), (answers, ask))
                for _ in range(CALLERS)
            ]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()

    def _call(self, lane, call):
        while not self._ends.wait(self._pause):
            key, began = lane.next_key(), time.monotonic()
            try:
                answer = call(key)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
                answer = error
            lane.judge(key, answer, began)

    async def _tasks(self):
        *_, functions, answers = self.lanes
        async with AsyncExitStack() as stack:
            cache = Cache(self._url, telemetry=[functions.heard.append])
            stack.push_async_callback(cache.aclose)
            client = AsyncResilientClient(
                transport=httpx.MockTransport(page), policies=POLICY, store=self._url, telemetry=[answers.heard.append]
            )
            await stack.enter_async_context(client)

            @cache(ttl="1h", key="of:{key}")
            async def function(key):
                return key

            async def ask(key):
                return (await client.get(f"https://api.test/{key}")).text

            await asyncio.gather(
                *(
                    self._await(lane, call)
                    for lane, call in ((functions, function), (answers, ask))
                    for _ in range(CALLERS)
                )
            )

    async def _await(self, lane, call):
        while not self._ends.is_set():
            await asyncio.sleep(self._pause)
            key, began = lane.next_key(), time.monotonic()
            try:
                answer = await call(key)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
                answer = error
            lane.judge(key, answer, began)

    def marks(self):
        """How far each lane's events have come."""
        return {lane: len(lane.heard) for lane in self.lanes}

    def until(self, what, since):
        """Wait until every lane has heard one of these; seconds that it took."""
        began = time.monotonic()
        for lane in self.lanes:
            while not lane.told(since[lane]).keys() & what:
                assert time.monotonic() - began < PATIENCE, (lane.name, what, lane.told(since[lane]))
                time.sleep(0.01)
        return time.monotonic() - began


# --- what may happen to a server ---------------------------------------------------------------------------------


class Fault:
    """Something that happens to a server, and is over after a while.

    Attributes:
        kinds: of what the calls see.
        gives_up: whether a store that fails so is left alone.
    """

    kinds = frozenset({"timeout"})
    gives_up = True
    options = ()

    def __init__(self, server, link):
        self.server, self.link = server, link

    def begin(self):
        raise NotImplementedError

    def end(self):
        raise NotImplementedError

    def proof(self):
        """How often the fault is known to have struck, from a side that the calls do not see."""
        raise NotImplementedError

    def refused(self, code):
        """How often the server has refused something with that code."""
        return self.server.admin().info("errorstats").get(f"errorstat_{code}", {}).get("count", 0)


class Killed(Fault):
    """It is killed, and started anew with nothing in it."""

    kinds = frozenset({"other", "timeout"})

    def begin(self):
        self.before = self.server.pid
        self.server.kill()

    def end(self):
        self.server.start()

    def proof(self):
        return self.server.pid != self.before and not Path(f"/proc/{self.before}").exists()


class Stopped(Fault):
    """It stands still, with all connections open."""

    def begin(self):
        self.server.pause()
        while (state := self._state()) != "T":
            time.sleep(0.001)
        self.state = state

    def end(self):
        self.state = self._state()
        self.server.resume()

    def proof(self):
        return self.state == "T"

    def _state(self):
        return Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()[0]


class Loading(Fault):
    """It is killed, and reads what it had kept for a while."""

    kinds = frozenset({"busy", "other", "timeout"})  # where the machine is busy, few ask while it reads
    options = ("key-load-delay 1000", "loading-process-events-interval-bytes 1024")

    def begin(self):
        filler = b"x" * 1000
        with self.server.admin() as admin:
            for number in range(3000):
                admin.set(f"filler {number}", filler)
            admin.save()
        self.server.kill()
        self.server.start()

    def end(self):
        while self.server.admin().info("persistence")["loading"]:
            time.sleep(0.01)

    def proof(self):
        return self.refused("LOADING")


class ReadOnly(Fault):
    """It becomes the replica of an empty one, as a master does that was replaced."""

    kinds = frozenset({"readonly"})
    gives_up = False

    def begin(self):
        self.server.ask("CONFIG", "SET", "masterauth", PASSWORD)
        self.server.ask("REPLICAOF", "127.0.0.1", self.master.port)

    def end(self):
        self.server.ask("REPLICAOF", "NO", "ONE")

    def proof(self):
        return self.refused("READONLY")


class Full(Fault):
    """It has no room, and drops nothing."""

    kinds = frozenset({"full"})
    gives_up = False
    options = ("maxmemory-policy noeviction",)

    def begin(self):
        self.server.ask("CONFIG", "SET", "maxmemory", 1)

    def end(self):
        self.server.ask("CONFIG", "SET", "maxmemory", 0)

    def proof(self):
        return self.refused("OOM")


class Locked(Fault):
    """Its password is another one, and nobody is let in."""

    kinds = frozenset({"auth"})

    def begin(self):
        self.server.ask("ACL", "SETUSER", USER, "resetpass", ">another")
        self.server.ask("CLIENT", "KILL", "USER", USER)

    def end(self):
        self.server.ask("ACL", "SETUSER", USER, f">{PASSWORD}")

    def proof(self):
        return self.refused("WRONGPASS")


class HalfOpen(Fault):
    """The link is silent; neither side hears that the other one is gone."""

    def begin(self):
        self.link.hangs()

    def end(self):
        self.link.heals()

    def proof(self):
        return self.link.injected["hangs"] if self.link.withheld else 0


class Slow(Fault):
    """Each answer takes a second, half of it on the way there."""

    def begin(self):
        self.link.delays("500ms")

    def end(self):
        self.link.heals()

    def proof(self):
        return self.link.injected["delays"]


FAULTS = [Killed, Stopped, Loading, ReadOnly, Full, Locked, HalfOpen, Slow]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__.lower() for fault in FAULTS])
@sizes(seconds=(2, 5), calls_a_second=(50, 200))
def test_a_fault_in_the_midst_of_traffic_fails_no_call(own_server, fault, seconds, calls_a_second, found):
    """Every call gets its own value; few wait for the store meanwhile, and it is used again once it is back."""
    server = own_server(*fault.options)
    with FaultProxy("127.0.0.1", server.port) as link:
        url = server.url.replace(f":{server.port}", f":{link.port}")
        trouble = fault(server, link)
        if fault is ReadOnly:
            trouble.master = own_server()
        with Traffic(url, calls_a_second) as traffic:
            traffic.until({"hit"}, traffic.marks())
            begins, began = traffic.marks(), time.monotonic()
            trouble.begin()
            try:
                traffic.until(trouble.kinds, begins)
                if trouble.gives_up:
                    traffic.until({"degraded"}, begins)
                time.sleep(seconds)
            finally:
                trouble.end()
            ends, took = traffic.marks(), time.monotonic() - began
            back = traffic.until({"hit"}, ends)
            proof = trouble.proof()
        lanes = traffic.lanes
    during = {lane: Counter(lane.told(begins[lane])) - Counter(lane.told(ends[lane])) for lane in lanes}
    calls = sum(len(lane.waits) for lane in lanes)
    wrong = [each for lane in lanes for each in lane.wrong]
    late = sum(wait > FAR_TOO_LONG for lane in lanes for wait in lane.waits)
    found.update(
        calls=calls,
        failed=len(wrong),
        far_too_late=late,
        without_the_store=sum(told["degraded"] for told in during.values()),
        ms_until_it_was_used_again=round(back * 1000),
    )
    assert proof, "it did not happen"
    assert wrong == []
    assert late <= calls / 100
    assert back < 5.0 + FAR_TOO_LONG * 5
    for lane in lanes:
        told = during[lane]
        if trouble.gives_up:
            # For each time that it is given up, five in a row and those that were under way; and one a second or so.
            given_up = 1 + told["StoreDegraded"]
            failed = sum(told[kind] for kind in ("timeout", "busy", "auth", "other"))
            assert failed <= given_up * (5 + 2 * CALLERS) + 2 * took, told
            assert told["degraded"] > failed
        if fault is Full:
            assert told["hit"] > 0, "what is there is read all the same"


def test_what_these_tests_hear_has_a_name_of_its_own():
    """Kinds of failures, results of look-ups and the names of events are counted in one place."""
    lane = Lane("one")
    lane.heard += [
        StoreFailed(store="redis", operation="get", kind="timeout"),
        CacheLookup(result="hit", strategy="simple"),
        StoreDegraded(store="redis"),
        StoreRecovered(store="redis", seconds=1.0),
    ]
    assert lane.told() == {"timeout": 1, "hit": 1, "StoreDegraded": 1, "StoreRecovered": 1}
