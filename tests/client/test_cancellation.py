"""Whoever gives up leaves nothing behind: no permit, token or probe, no task, no open answer.

A scheduler cancels one call at its first wait, then at its second, and so on to the last, and looks each time at
what is left. A second cancellation follows in the same breath where that is told, as a server that shuts down sends.
"""

import asyncio
from functools import partial

import pytest
from tenacity import wait_fixed

import resilient
from resilient import Budget, CircuitBreaker, Policy, ResponseCache, Retry
from resilient.testing import Reply

from .cancelling import CancelledAt

pytestmark = pytest.mark.filterwarnings("error")


async def outcome(job):
    """What became of a call: its status, or the name of its error."""
    try:
        return (await job).status_code
    except asyncio.CancelledError:
        return "cancelled"
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


class Scene:
    """One call in a world of its own, to be cancelled at some step."""

    def __init__(self, world):
        self.world = world
        self.origin = world.origin()

    def prepare(self):
        """Make the client and lead it to where the call starts."""
        raise NotImplementedError

    async def call(self):
        """The call that is cancelled."""
        raise NotImplementedError

    async def finished(self):
        """The call and whatever its caller still does with the answer."""
        return await self.call()

    async def at_step(self, step, more):
        """The call, cancelled at its wait number ``step``; whether it came so far."""
        victim = CancelledAt(self.finished(), step, more)
        ended = await outcome(victim)
        task = asyncio.current_task()
        while task.cancelling():
            task.uncancel()
        return ended, victim.taken >= step

    async def at_time(self, seconds):
        """The call, cancelled after ``seconds``; whether it took so long."""
        victim = asyncio.create_task(self.finished())
        await self.world.sleep(seconds)
        in_time = victim.cancel()
        return await outcome(victim), in_time

    def run(self, how):
        """What became of the call, whether there are further moments to cancel it at, and the tasks that are left."""
        self.prepare()

        async def script():
            before = asyncio.all_tasks()
            ended, there_is_more = await how(self)
            # What runs on in the background gets its turn; time does not.
            for _ in range(10):
                await asyncio.sleep(0)
            left = asyncio.all_tasks() - before
            return ended, there_is_more, [task.get_coro().__qualname__ for task in left]

        return self.world.do(script)

    def tokens(self):
        """What is left of the budget; a hundred until something was paid."""
        return self.client.client.state()["* https://api.test"].get("budget", {"level": 100})["level"]


class Retries(Scene):
    """Three attempts with back-offs between them, answers with slow bodies, at last a good one."""

    def prepare(self):
        body = [b"one", b"two"]
        self.origin.answers(503, latency=0.1, body=body, chunk_latency=0.05, times=1)
        self.origin.fails(error="read", latency=0.1, times=1)
        self.origin.answers(200, latency=0.1, body=body, chunk_latency=0.05)
        policy = Policy(retry=Retry(wait=wait_fixed(0.5)), budget=Budget(refill=0), deadline="20s")
        self.client = self.world.client(self.origin, policy)

    async def call(self):
        response = await self.client.ask(stream=self.stream)
        self.answered = True
        return response

    stream = False
    answered = False

    def check(self, ended):
        sent = self.origin.sent
        assert (ended, sent) == (200, 3) or ended == "cancelled"
        # Ten for each retry that was sent; the one that won gave them back, and a success earns one.
        assert self.tokens() == 100 - 10 * max(0, sent - 1) + 11 * self.answered


class Streaming(Retries):
    """The same with a caller who reads the body itself, slowly, and a first answer that is drained."""

    stream = True

    async def call(self):
        response = await super().call()
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response

    def check(self, ended):
        super().check(ended)
        assert self.client.circuit() == "closed"


class StreamedRetries(Streaming):
    """Every attempt fails; the last answer is read to its end."""

    def prepare(self):
        super().prepare()
        self.origin.forgets()
        self.origin.answers(503, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)

    def check(self, ended):
        assert ended in (503, "cancelled")
        assert self.tokens() == 100 - 10 * max(0, self.origin.sent - 1)


class Probe(Scene):
    """The call is the probe of a half-open circuit."""

    status = 200

    def prepare(self):
        self.origin.answers(500, times=10)
        policy = Policy(breaker=CircuitBreaker(), retry=None)
        self.client = self.world.client(self.origin, policy)
        for _ in range(10):
            self.client.get()
        assert self.client.circuit() == "open"
        self.origin.answers(self.status, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)
        self.world.clock.advance(1.0)

    async def call(self):
        return await self.client.ask()

    def check(self, ended):
        if ended == "cancelled":
            assert self.client.circuit() == "half_open"
            assert self.client.client.state()["* https://api.test"]["circuit"]["probes"] == 0


class FailingProbe(Probe):
    """As before; the probe is going to fail."""

    status = 500

    def check(self, ended):
        super().check(ended)
        if ended != "cancelled":
            assert self.client.circuit() == "open"
            self.world.clock.advance(2.0)


class RetriedProbe(Scene):
    """The first attempt opens the circuit; the second one, paid for, is its probe."""

    def prepare(self):
        self.origin.answers(500, times=10)
        self.origin.answers(200, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)
        policy = Policy(retry=Retry(wait=wait_fixed(1.5)), budget=Budget(refill=0))
        self.client = self.world.client(self.origin, policy)
        for _ in range(9):
            self.client.post()

    async def call(self):
        return await self.client.ask()

    def check(self, ended):
        assert self.client.client.state()["* https://api.test"]["circuit"]["probes"] == 0
        paid = 10 * (self.origin.sent - 10)
        assert self.tokens() == (100 - paid if ended == "cancelled" else 100)


class Cached(Scene):
    """A miss that fills the cache, in a task of its own, for all who ask."""

    strategy = ResponseCache(ttl="1h")

    def prepare(self):
        self.origin.fails(error="connect", latency=0.05, times=1)
        self.origin.answers(200, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)
        policy = Policy(cache=self.strategy, retry=Retry(wait=wait_fixed(0.2)))
        self.client = self.world.client(self.origin, policy)

    async def call(self):
        return await self.client.ask()

    def check(self, ended):
        assert ended in (200, "cancelled")


class Failover(Cached):
    """An answer that is kept, on an origin that has begun to fail."""

    strategy = ResponseCache.failover(ttl="1h")

    def prepare(self):
        super().prepare()
        self.client.get()
        self.origin.answers(503, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05, times=3)


class StreamedFill(Cached):
    """A streamed answer that is kept while it is read."""

    async def call(self):
        response = await self.client.ask(stream=True)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response


class FallsBack(Scene):
    """Retries, then a fallback that takes its time."""

    def prepare(self):
        self.origin.at("/spare").answers(200, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)
        self.origin.answers(503, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)

        async def instead(request, failure):
            await self.world.sleep(0.1)
            return self.world.http.Response(200)

        to = self.to or instead
        self.client = self.world.client(self.origin, Policy(fallback=to, retry=Retry(wait=wait_fixed(0.2))))

    to = None

    async def call(self):
        return await self.client.ask(stream=True)

    async def finished(self):
        response = await self.call()
        await response.aclose()
        return response

    def check(self, ended):
        assert ended in (200, "cancelled")
        self.origin.answers(200)


class FallsBackToUrl(FallsBack):
    """Retries, then another address."""

    to = "https://api.test/spare"


class Paused(Scene):
    """The call waits until a quota is filled again."""

    def prepare(self):
        self.origin.answers(200, headers={"ratelimit": '"default";r=0;t=5'}, times=1)
        self.client = self.world.client(self.origin)
        self.client.get()

    async def call(self):
        return await self.client.ask()

    def check(self, ended):
        assert ended in (200, "cancelled")


SCENES = [
    Retries, Streaming, StreamedRetries, Probe, FailingProbe, RetriedProbe, Cached, Failover, StreamedFill, FallsBack,
    FallsBackToUrl, Paused,
]  # fmt: skip


def cancelled(world_of, scene, how):
    """Play ``scene``, cancelled as ``how`` says, and look at what is left; whether a later moment is worth a try."""
    act = scene(world_of("async"))
    ended, there_is_more, tasks = act.run(how)
    assert tasks == []
    assert (act.origin.open_bodies, act.origin.in_flight) == (0, 0)
    act.check(ended)
    act.origin.forgets()
    act.world.clock.advance(1.0)
    assert act.client.get("/next").status_code == 200
    assert act.client.circuit() == "closed"
    assert (ended == "cancelled") is there_is_more
    return there_is_more


@pytest.mark.parametrize("more", [0, 1, 3], ids=["once", "twice", "again and again"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_call_may_be_cancelled_at_every_wait(world_of, scene, more):
    """Nothing is left behind: no task, no open answer, no token, no place of a probe; the next call goes well."""
    steps = 1
    while cancelled(world_of, scene, lambda act: act.at_step(steps, more)):  # noqa: B023 - called at once
        steps += 1
    assert steps > 1


@pytest.mark.parametrize("scene", SCENES)
def test_a_call_may_be_cancelled_at_any_time(world_of, scene):
    """The same every 13 ms of the call: also while others work for it, as the one does who fills the cache."""
    ticks = 1
    while cancelled(world_of, scene, lambda act: act.at_time(ticks * 0.013)):  # noqa: B023 - called at once
        ticks += 1
    assert ticks > 5


@pytest.mark.parametrize("step", range(1, 12))
def test_one_who_gives_up_does_not_disturb_the_others(world_of, step):
    """Ten wait for one fill of the cache; three of them are cancelled, the leader among them: seven are answered."""
    world = world_of("async")
    origin = world.origin().answers(200, latency=0.1, body=[b"one", b"two"], chunk_latency=0.05)
    client = world.client(origin, Policy(cache=ResponseCache(ttl="1h")))

    async def caller(number):
        job = client.ask()
        return await outcome(CancelledAt(job, step) if number in (0, 4, 7) else job)

    ended = world.run([partial(caller, number) for number in range(10)])
    assert [ended[number] for number in range(10) if number not in (0, 4, 7)] == [200] * 7
    assert origin.sent == 1
    assert origin.open_bodies == 0


def test_giving_up_is_no_failure_of_the_origin(world_of):
    """Twenty callers who lose patience, each with a request of its own, open no circuit, and are counted as such."""
    world = world_of("async")
    origin = world.origin()
    origin.hangs(times=20)
    events = []
    client = world.client(origin, Policy(cache=None), telemetry=[events.append])

    async def impatient():
        async with asyncio.timeout(0.5):
            await client.ask()

    outcomes = world.run([impatient] * 20, return_errors=True)
    assert [type(one) for one in outcomes] == [TimeoutError] * 20
    assert client.circuit() == "closed"
    assert client.client.state()["* https://api.test"]["circuit"]["failures"] == 0
    ended = [event for event in events if isinstance(event, resilient.events.CallEnded)]
    assert [event.outcome.value for event in ended] == ["cancelled"] * 20
    assert client.get().status_code == 200


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_thread_that_is_interrupted_leaves_nothing_either(blocking_world, error):
    """In the midst of a probe: its place is free again."""
    world = blocking_world
    origin = world.origin().answers(500, times=10)
    client = world.client(origin, Policy(retry=None))
    for _ in range(10):
        client.get()
    world.clock.advance(1.0)

    def interrupted(request, number, now):
        raise error

    origin.behaves(interrupted, times=1)
    with pytest.raises(error):
        client.client.get("https://api.test/")
    assert client.circuit() == "half_open"
    assert client.client.state()["* https://api.test"]["circuit"]["probes"] == 0
    assert client.get().status_code == 200
    assert client.circuit() == "closed"


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a_body_that_breaks_while_it_is_read_is_closed(world_of, colour):
    """In an attempt that is tried again: nothing of the broken answer stays open."""
    world = world_of(colour)
    origin = world.origin()
    origin.replies(Reply(body=[b"one", b"two"], drop_after=4), times=2)
    client = world.client(origin)
    assert client.get().content == b"ok"
    assert (origin.sent, origin.open_bodies, origin.in_flight) == (3, 0, 0)
