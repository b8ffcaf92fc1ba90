"""A store that fails again and again is left alone, and found again by itself; in virtual time, in both colours."""

import logging
from copy import copy

import pytest

from resilient import Cache, CorruptEntryError, Policy, ResponseCache, StoreUnavailableError
from resilient.errors import StoreError
from resilient.events import CacheLookup, StoreDegraded, StoreFailed, StoreRecovered
from resilient.ports import StorePair
from resilient.runtime.patience import patience
from resilient.stores.memory import MemoryStore


class Sick:
    """A store that does not answer while there is ``trouble``, and counts how often it was asked.

    Attributes:
        trouble: an error that is raised, or seconds that it takes.
        only: the commands that have the trouble, all if there are none.
        asked: the commands that it was given.
    """

    def __init__(self, clock, tasks, name="sick"):
        self.name = name
        self.trouble, self.only, self.asked = None, (), []
        self._clock, self._tasks, self._good = clock, tasks, MemoryStore(clock=clock)

    def __getattr__(self, command):
        do = getattr(self._good, command)

        def act(*args, **options):
            if (seconds := self._begins(command)) is not None:
                left = patience(seconds)
                self._clock.sleep(min(left, seconds))
                if left < seconds:
                    raise StoreUnavailableError("too slow", kind="timeout")
            return do(*args, **options)

        async def act_for_tasks(*args, **options):
            if (seconds := self._begins(command)) is not None:
                await self._clock.asleep(seconds)
            return do(*args, **options)

        return act_for_tasks if self._tasks else act

    def _begins(self, command):
        self.asked.append(command)
        if self.trouble is None or (self.only and command not in self.only):
            return None
        if isinstance(self.trouble, float):
            return self.trouble
        raise copy(self.trouble)


class Ward:
    """A cache on a sick store, in a world of one colour.

    Attributes:
        calls: how often the function ran.
    """

    def __init__(self, scene, name="sick", **options):
        self.scene = scene
        self.events = scene.events
        self.sick = Sick(scene.clock, scene.colour == "async", name)
        scene.cache = self.cache = Cache(clock=scene.clock, telemetry=[self.events.append])
        self.cache.setup(StorePair(self.sick, self.sick), **options)
        self.calls = 0

        async def made(key):
            self.calls += 1
            return key

        self.function = scene.function(made)

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def call(self, decorated, *args):
        """What the call returns; how long it took, and what it asked of the store."""
        began, asked = self.scene.now, len(self.sick.asked)
        assert await self.scene.call(decorated, *args) == args[0]
        return round(self.scene.now - began, 6), self.sick.asked[asked:]

    async def make_sick(self, decorated, trouble):
        """Let the store fail until it is left alone."""
        self.sick.trouble = trouble
        while not self.told(StoreDegraded):
            await self.call(decorated, f"sick {len(self.sick.asked)}")
            assert len(self.sick.asked) < 100


@pytest.fixture
def ward(scene):
    return Ward(scene)


DECORATORS = {
    "simple": lambda cache: cache(ttl="1h", key="of:{key}"),
    "locked": lambda cache: cache.locked(ttl="1h", key="of:{key}"),
    "soft": lambda cache: cache.soft(ttl="2h", soft_ttl="1h", key="of:{key}"),
    "early": lambda cache: cache.early(ttl="2h", early_ttl="1h", key="of:{key}"),
    "hit": lambda cache: cache.hit(ttl="1h", cache_hits=9, key="of:{key}"),
    "failover": lambda cache: cache.failover(ttl="1h", key="of:{key}"),
}
DOWN = StoreUnavailableError("refused")


@pytest.mark.parametrize("trouble", [10.0, DOWN, StoreUnavailableError("loading", kind="busy")], ids=str)
@pytest.mark.parametrize("kind", DECORATORS)
async def test_a_store_that_failed_five_times_is_not_asked_and_takes_no_time(scene, ward, kind, trouble):
    """Whatever the strategy, and however it fails: from then on a call costs nothing, and each runs the function."""
    decorated = DECORATORS[kind](ward.cache)(ward.function)
    await ward.make_sick(decorated, trouble)
    assert len(ward.sick.asked) == 5
    before = ward.calls
    for number in range(50):
        assert await ward.call(decorated, f"{number}") == (0.0, [])
    assert ward.calls - before == 50
    assert ward.told(StoreDegraded) == [StoreDegraded(store="sick")]
    assert {event.kind for event in ward.told(StoreFailed)[-50:]} == {"degraded"}


async def test_one_call_a_second_asks_whether_it_is_back(scene, ward):
    """It costs that call what a command may cost, and nobody else anything."""
    decorated = ward.cache(ttl="1h", key="of:{key}")(ward.function)
    await ward.make_sick(decorated, 10.0)
    costs = []
    for number in range(100):
        await scene.sleep(0.1)
        took, asked = await ward.call(decorated, f"{number}")
        costs.append(took)
        assert took == pytest.approx(0.05 * len(asked))
        assert len(asked) <= 1
    # The calls of ten seconds and a little, and a second between two probes, less a tenth of it at most.
    assert 8 <= sum(took > 0 for took in costs) <= 12


async def test_it_is_used_again_as_soon_as_one_command_worked(scene, ward):
    """What was kept before is there; the event says how long it was away, which the figures show too."""
    decorated = ward.cache(ttl="1h", key="of:{key}")(ward.function)
    await ward.call(decorated, "before")
    await ward.make_sick(decorated, DOWN)
    assert (await scene.ask.stats()).degraded == ["sick"]
    await scene.sleep(0.5)
    ward.sick.trouble = None
    await scene.sleep(0.5)
    calls = ward.calls
    assert await ward.call(decorated, "before") == (0.0, ["get"])
    assert ward.calls == calls
    (back,) = ward.told(StoreRecovered)
    assert (back.store, round(back.seconds, 6)) == ("sick", 1.0)
    stats = await scene.ask.stats()
    assert stats.degraded == []
    assert stats.errors["other"] == 6  # the question for the figures among them


async def test_it_is_told_once_however_many_probes_fail(scene, ward):
    """One event when it is given up, one when it is back."""
    decorated = ward.cache(ttl="1h", key="of:{key}")(ward.function)
    await ward.make_sick(decorated, DOWN)
    for number in range(20):
        await scene.sleep(1.0)
        assert await ward.call(decorated, f"{number}") == (0.0, ["get"])
    ward.sick.trouble = None
    await scene.sleep(1.0)
    await ward.call(decorated, "back")
    assert len(ward.told(StoreDegraded)) == 1
    assert [round(event.seconds) for event in ward.told(StoreRecovered)] == [21]


@pytest.mark.parametrize(
    ("trouble", "only"),
    [
        (StoreUnavailableError("OOM", kind="full"), ()),
        (StoreError("no room", kind="full"), ("set",)),
        (StoreUnavailableError("READONLY", kind="readonly"), ()),
        (CorruptEntryError("what"), ()),
        (StoreError("no counter"), ()),
        (KeyError("a bug of somebody else"), ()),
        (DOWN, ("set",)),
        (10.0, ("set",)),
    ],
    ids=str,
)
async def test_a_store_that_answers_is_not_given_up(scene, ward, trouble, only):
    """Who is full or read-only can be read; so can one that hangs when it is written to. A bug is nobody's outage."""
    decorated = ward.cache(ttl="1h", key="of:{key}")(ward.function)
    ward.sick.trouble, ward.sick.only = trouble, only
    for number in range(30):
        _, asked = await ward.call(decorated, f"{number}")
        assert asked == ["get", "set"]
    assert ward.told(StoreDegraded) == []
    assert len(ward.told(StoreFailed)) >= 30


async def test_without_a_budget_it_is_asked_however_it_is_doing(scene):
    """Who says that a call waits as long as the store takes gets that."""
    ward = Ward(scene, store_budget=None)
    decorated = ward.cache(ttl="1h", key="of:{key}")(ward.function)
    ward.sick.trouble = DOWN
    for number in range(20):
        assert await ward.call(decorated, f"{number}") == (0.0, ["get", "set"])
    assert ward.told(StoreDegraded) == []


async def test_a_command_that_is_given_directly_is_asked_in_any_case(scene, ward):
    """It fails as the store does; it neither gives a store up nor notices that it was."""
    for _ in range(20):
        ward.sick.trouble = DOWN
        with pytest.raises(StoreUnavailableError, match="refused"):
            await scene.ask.get("k")
    assert ward.told(StoreDegraded) == []
    await ward.make_sick(ward.cache(ttl="1h", key="of:{key}")(ward.function), DOWN)
    asked = len(ward.sick.asked)
    with pytest.raises(StoreUnavailableError, match="refused"):
        await scene.ask.set("k", 1)
    ward.sick.trouble = None
    await scene.ask.set("k", 1)
    assert await scene.ask.get("k") == 1
    assert ward.sick.asked[asked:] == ["set", "set", "get"]


async def test_of_many_that_come_at_once_one_asks_whether_it_is_back(scene, ward):
    """The probe waits; the others go on at once."""
    decorated = ward.cache(ttl="1h", key="of:{key}", protected=False)(ward.function)
    await ward.make_sick(decorated, 10.0)
    await scene.sleep(1.0)
    asked = len(ward.sick.asked)
    took = []

    async def caller(number):
        began = scene.now
        assert await scene.call(decorated, f"{number}") == f"{number}"
        took.append(round(scene.now - began, 6))

    await scene.all_at_once(*(lambda number=number: caller(number) for number in range(50)))
    assert ward.sick.asked[asked:] == ["get"]
    assert sorted(took) == [0.0] * 49 + [0.05]


async def test_each_store_is_given_up_by_itself(scene, ward):
    """Of two stores of one cache the other is used as before."""
    well = Sick(scene.clock, scene.colour == "async")
    ward.cache.setup(StorePair(well, well), prefix="well:")
    decorated = ward.cache(ttl="1h", key="of:{key}")(ward.function)
    other = ward.cache(ttl="1h", key="well:{key}")(ward.function)
    await ward.make_sick(decorated, DOWN)
    await scene.call(other, "a")
    await scene.call(other, "a")
    assert well.asked == ["get", "set", "get"]


async def test_a_batch_goes_on_without_it(scene, ward):
    """One command for many items is one failure."""

    async def many(keys):
        ward.calls += 1
        return {key: key for key in keys}

    decorated = ward.cache.batch(ttl="1h", key="of:{keys}", over="keys")(scene.function(many))
    ward.sick.trouble = DOWN
    for number in range(20):
        assert await scene.call(decorated, [f"{number}", "x"]) == {f"{number}": f"{number}", "x": "x"}
    assert len(ward.sick.asked) == 5
    assert len(ward.told(StoreDegraded)) == 1


async def test_whoever_holds_a_lease_tells_the_store_all_the_same(scene, ward):
    """It is renewed and given back, so that nobody waits for its end once the store is back."""
    decorated = ward.cache.locked(ttl="1h", key="of:{key}")

    async def slow(key):
        other = ward.cache(ttl="1h", key="other:{key}")(ward.function)
        await ward.make_sick(other, DOWN)
        ward.sick.trouble = None
        ward.sick.asked.clear()
        await scene.sleep(0.5)
        return key

    assert await scene.call(decorated(scene.function(slow)), "k") == "k"
    assert ward.sick.asked == ["release"]


async def test_a_call_that_has_no_other_answer_asks_it_all_the_same(scene, ward):
    """The function fails: then the value of before is worth a question, and a longer wait than the budget."""

    async def fails_later(key):
        ward.calls += 1
        if ward.calls > 1:
            raise ConnectionError(key)
        return key

    decorated = ward.cache.failover(ttl="1h", key="kept:{key}")(scene.function(fails_later))
    await scene.call(decorated, "k")
    await ward.make_sick(ward.cache(ttl="1h", key="of:{key}")(ward.function), DOWN)
    with pytest.raises(ConnectionError):
        await scene.call(decorated, "k")
    ward.sick.trouble = 0.2
    assert await ward.call(decorated, "k") == (0.2, ["get"])


async def test_a_log_says_so_once_and_then_that_it_is_back(scene, caplog):
    """A warning and a piece of news, however long it takes and however many calls there are."""
    ward = Ward(scene, name=f"store of a {scene.colour} test")  # the log remembers what it said of which
    decorated = ward.cache(ttl="1h", key="of:{key}")(ward.function)
    with caplog.at_level(logging.INFO, "resilient.store"):
        await ward.make_sick(decorated, DOWN)
        for number in range(20):
            await ward.call(decorated, f"{number}")
        ward.sick.trouble = None
        await scene.sleep(1.0)
        await ward.call(decorated, "back")
    name = ward.sick.name
    assert [(record.levelname, record.getMessage()) for record in caplog.records if name in record.getMessage()] == [
        ("WARNING", f"a store failed, and calls go on without it: {name} to get (other)"),
        ("WARNING", f"a store failed, and calls go on without it: {name} to set (other)"),
        ("WARNING", f"a store is left alone for a while: {name}"),
        ("INFO", f"a store is back: {name}"),
    ]


# --- the answers of a client -------------------------------------------------------------------------------------


@pytest.mark.parametrize("hangs", [True, False])
def test_a_client_goes_on_without_a_store_that_fails(world, origin, hangs):
    """Each answer is the origin's; the journey says why, and the client's listeners hear of it."""
    sick = Sick(world.clock, world.colour == "async")
    sick.trouble = 10.0 if hangs else DOWN
    heard = []
    policy = Policy(cache=ResponseCache(ttl="1h"))
    caller = world.client(origin, policy, store=StorePair(sick, sick), telemetry=[heard.append])
    for _ in range(5):
        assert caller.get().status_code == 200
    before, asked = world.now, len(sick.asked)
    for _ in range(50):
        answer = caller.get()
        assert (answer.status_code, answer.content) == (200, b"ok")
    assert (world.now, len(sick.asked)) == (before, asked)
    journey = answer.extensions["resilient"]
    assert [event.kind for event in journey.events(StoreFailed)] == ["degraded"]
    assert [(event.result, event.detail) for event in journey.events(CacheLookup)] == [("bypass", "store")]
    assert "the store 'sick' is left alone, since it failed too often" in str(journey)
    assert [event for event in heard if isinstance(event, StoreDegraded)] == [StoreDegraded(store="sick")]

    sick.trouble = None

    async def pause():
        await world.sleep(1.0)

    world.do(pause)
    assert "the store 'sick' answers again, after 1" in str(caller.get().extensions["resilient"])
    assert caller.get().extensions["resilient"].cache.result == "hit"
    assert len([event for event in heard if isinstance(event, StoreRecovered)]) == 1
