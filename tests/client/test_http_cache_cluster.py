"""The cache of answers in a Redis Cluster, where what belongs to one resource lies together, and some marks do not."""

from functools import partial

import pytest
from redis.crc import key_slot

from resilient import Cache, options
from resilient.caching.apart import changed, forgotten
from resilient.entry import Entry
from resilient.errors import ScatteredError, StoreUnavailableError, TransactionError
from resilient.events import StoreFailed
from resilient.middlewares import KeyPrefix
from resilient.runtime.clock import SystemClock
from resilient.runtime.drive import drive
from resilient.runtime.lift import Lifted
from resilient.stores.registry import open_store
from resilient.testing import FakeClock, Reply
from resilient_adapters.redis.keys import Keys

from .http_caching import Desk, fresh, is_hit

KEYS = Keys("resilient")
PARTITION = {"extensions": options(partition="ann")}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def desk(colour, family, cluster_url, clock, heard):
    """A client whose answers are kept in the cluster; nothing may go wrong with that."""
    with Desk(colour, family, cluster_url, clock=clock, telemetry=[heard.append]) as desk:
        yield desk
    assert not [event for event in heard if isinstance(event, StoreFailed)]


@pytest.fixture
def blocking(cluster_url, clock):
    """The store there, by the clock of the clients."""
    pair = open_store(cluster_url, clock=clock)
    yield pair.blocking
    pair.blocking.close()


def answering(desk, **fields):
    """GETs are fresh for ten minutes, whatever the client does meanwhile; writes are answered so."""
    said = {**fresh(600), "vary": "x-kind", "cache-groups": '"group"'}
    desk.origin.behaves(
        lambda request, *_: Reply(headers=said) if request.method == "GET" else Reply(status=201, headers=fields)
    )


def hits(desk, *urls, kinds="abc"):
    """Which of the answers come from the cache."""
    return [is_hit(desk.get(url, headers={"x-kind": kind}, **PARTITION)) for url in urls for kind in kinds]


def send(desk, method, url):
    """One request that changes something."""
    return desk.do(partial(desk.client.request, method, url))


def test_what_belongs_to_one_resource_lies_in_one_slot(desk, blocking):
    """The list, its variants, the resource's mark and its tag; another resource is elsewhere."""
    answering(desk)
    hits(desk, "/thing", "/other")
    send(desk, "PUT", "/thing")
    hits(desk, "/thing")
    (mark,) = blocking.scan("http-mark:")
    answers = list(blocking.scan("http:"))
    mine = [name for name in answers if name.startswith("http:" + mark.removeprefix("http-mark:"))]
    assert (len(mine), len(answers)) == (4, 8)
    tags = {tag for name in mine for tag in blocking.get(name).tags if tag.startswith("http:")}
    names = [*map(KEYS.entry, [mark, *mine]), *map(KEYS.tag, tags)]
    assert tags
    assert len({key_slot(name) for name in names}) == 1
    assert len({key_slot(KEYS.entry(name)) for name in answers}) == 2


def test_variants_are_kept_and_a_write_forgets_them_all(desk):
    """Of its own URL, and of one that it names, which lies elsewhere; other URLs are left alone."""
    answering(desk, location="/made")
    hits(desk, "/thing", "/made", "/other")
    assert hits(desk, "/thing", "/made", "/other") == [True] * 9
    send(desk, "PUT", "/thing")
    assert hits(desk, "/thing", "/made", "/other") == [False] * 6 + [True] * 3
    assert hits(desk, "/thing", "/made") == [True] * 6


def test_a_write_names_a_group_that_is_forgotten(desk):
    """Whatever lies where: a write's own URL, its origin's mark, and what is in the group."""
    answering(desk, **{"cache-group-invalidation": '"group"'})
    hits(desk, "/a", "/b")
    send(desk, "POST", "/elsewhere")
    assert hits(desk, "/a", "/b") == [False] * 6


def test_a_tag_is_forgotten_and_counted(desk, blocking, clock):
    """What functions keep has it too."""
    answering(desk)
    blocking.set("k", entry(clock, tags=("group",)))
    hits(desk, "/a", "/b")
    assert desk.do(partial(desk.client.invalidate, tag="group")) == 7
    assert blocking.get("k") is None
    assert hits(desk, "/a", "/b") == [False] * 6


@pytest.mark.parametrize(
    "what",
    [
        {"url": "https://api.test/thing"},
        {"prefix": "https://api.test/"},
        {"tag": "any"},
        {"partition": "ann"},
        "PUT",
        "POST",
    ],
    ids=str,
)
def test_an_answer_that_is_forgotten_while_it_comes_is_not_kept(family, desk, cluster_url, clock, what):
    """By another client of the cluster, whatever mark it leaves: of the resource, the origin or everywhere."""
    with Desk("blocking", family, cluster_url, clock=clock) as other:
        other.origin.answers(headers={"cache-group-invalidation": '"group"'})

        def forget():
            if isinstance(what, dict):
                other.client.invalidate(**what)
            else:
                send(other, what, "/thing" if what == "PUT" else "/elsewhere")

        def behave(request, *_):
            if desk.origin.sent == 1:
                forget()
            return Reply(headers={**fresh(600), "cache-groups": '"group"'})

        desk.origin.behaves(behave)
        found = [is_hit(desk.get("/thing", **PARTITION)) for _ in range(3)]
    assert (found, desk.origin.sent) == ([False, False, True], 2)


def test_a_hundred_who_miss_at_once_make_one_call(colour, family, cluster_url):
    """As in any other store. They wait for each other, so by a clock that goes on."""
    with Desk(colour, family, cluster_url, clock=SystemClock()) as desk:
        desk.origin.answers(headers=fresh(600))
        answers = desk.all_of([partial(desk.client.get, "/thing")] * 100, at_once=100)
        assert [answer.content for answer in answers] == [b"ok"] * 100
        assert desk.origin.sent == 1


def test_a_cache_with_middlewares_keeps_answers_there_too(colour, family, cluster_url, clock):
    """Under names that a middleware has changed; a write forgets them, and a tag."""
    cache = Cache(cluster_url, clock=clock)
    cache.add_middleware(KeyPrefix("v2:"))
    with Desk(colour, family, cache, clock=clock) as desk:
        answering(desk)
        hits(desk, "/thing")
        assert hits(desk, "/thing") == [True] * 3
        assert all(name.startswith("v2:") for name in cache._core.mounts.all()[0].pair.blocking.scan("v"))
        send(desk, "PUT", "/thing")
        assert hits(desk, "/thing") == [False] * 3
        desk.do(partial(desk.client.invalidate, prefix="https://api.test/"))
        assert hits(desk, "/thing") == [False] * 3
    cache.close()


# --- the moments between the steps --------------------------------------------------------------------------------


class Meddled(Lifted):
    """A store to which something happens before the command of one number."""

    def __init__(self, store, number, happens):
        super().__init__(store)
        self._left = number
        self._happens = happens

    def _count(self):
        self._left -= 1
        if self._left == 0:
            self._happens()

    async def get_many(self, keys):
        self._count()
        return await super().get_many(keys)

    async def commit(self, changes, **more):
        self._count()
        return await super().commit(changes, **more)


def entry(clock, body=b"", **more):
    now = clock.wall()
    return Entry(body=body, stored_at=now, fresh_until=now + 600, expires_at=now + 600, **more)


CHANGES, OWN, ELSEWHERE = ("http:{r}:everybody", "http:{r}:everybody:v"), "http-mark:{r}", "http-mark:everywhere"


@pytest.mark.parametrize("mark", [OWN, ELSEWHERE])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_whenever_a_mark_is_left_nothing_is_kept(blocking, clock, mark, number):
    """Before the first try, which is about two slots; before the look, the write, and the look after it."""
    before = entry(clock, b"before")
    blocking.set(ELSEWHERE, before)
    happened = []

    def happens():
        happened.append(blocking.set(mark, entry(clock, b"now")))

    def kept():
        return drive(
            changed(
                Meddled(blocking, number, happens),
                dict.fromkeys(CHANGES, entry(clock)),
                {CHANGES[0]: None},
                {OWN: None, ELSEWHERE: before},
            )
        )

    if mark == OWN and number == 4:
        # It is written by then, with the mark still as it was: whoever left that one removes it.
        assert kept()
    else:
        with pytest.raises(TransactionError) as caught:
            kept()
        assert not isinstance(caught.value, ScatteredError)
        assert blocking.get_many(CHANGES) == [None, None]
    assert happened == [True]


def test_what_cannot_be_looked_at_again_does_not_stay(blocking, clock):
    """The node of the other mark may fail just then."""

    def happens():
        raise StoreUnavailableError("it is away")

    with pytest.raises(StoreUnavailableError):
        drive(changed(Meddled(blocking, 4, happens), dict.fromkeys(CHANGES, entry(clock)), {}, {ELSEWHERE: None}))
    assert blocking.get_many(CHANGES) == [None, None]


def test_marks_are_left_before_anything_is_removed(blocking, clock):
    """Whoever asks in between finds what is there still, but keeps nothing that was asked for before."""
    changes = {"http-mark:{a}": entry(clock), "http-mark:{b}": entry(clock), "http:{a}:x": None, "http:{b}:x": None}
    for key in ("http:{a}:x", "http:{b}:x", "tagged"):
        blocking.set(key, entry(clock, tags=("t",) if key == "tagged" else ()))
    seen = []

    def happens():
        seen.extend(found is not None for found in blocking.get_many([*changes, "tagged"]))

    # After two tries and two marks comes the tag.
    store = Meddled(blocking, 6, happens)
    assert drive(forgotten(store, changes, ["t"], {})) == 3
    assert seen == [True] * 5
    assert [found is not None for found in blocking.get_many([*changes, "tagged"])] == [True, True, False, False, False]


@pytest.mark.parametrize("name", ["http-mark:{a}", "http-mark:everywhere"])
def test_other_marks_than_were_expected_leave_everything_there(blocking, clock, name):
    """Whether they are among those that are left, or lie elsewhere."""
    blocking.set(name, entry(clock, b"another"))
    blocking.set("http:{a}:x", entry(clock))
    changes = {"http-mark:{a}": entry(clock), "http:{a}:x": None}
    expected = {"http-mark:{a}": None, "http-mark:everywhere": None}
    with pytest.raises(TransactionError):
        drive(forgotten(Lifted(blocking), changes, ["http:{a}"], expected))
    assert blocking.get("http:{a}:x") is not None
