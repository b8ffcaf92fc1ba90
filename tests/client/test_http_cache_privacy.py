"""One client, many users: nobody gets what was said to somebody else, in any store, and no secret is in any."""

import logging
import random
from functools import partial

import pytest

from resilient import ResponseCache, options
from resilient.testing import Reply
from tests.soaking import sizes

from .http_caching import BARE, PATIENT, Desk, fresh, is_hit, validated

ANN, BOB = ({"authorization": f"Bearer {name}"} for name in ("ann", "bob"))
FAILOVER = BARE.replace(cache=ResponseCache.failover(ttl="1h", store_budget=None))


@pytest.fixture
def desk(colour, family, store):
    """Makes a desk at that store."""
    desks = []

    def desk(policy=PATIENT):
        desks.append(Desk(colour, family, store, policy))
        return desks[-1].__enter__()

    yield desk
    for one in desks:
        one.__exit__()


def who(request):
    return request.headers.get("authorization", "nobody")


def test_two_users_never_meet_in_a_hit(desk):
    """Each is answered by what was said to them, whatever the answer says but ``public``."""
    here = desk()
    here.origin.behaves(lambda request, *_: Reply(body=who(request).encode(), headers=fresh(60, "private")))
    texts = [here.get(headers=user).text for user in (ANN, BOB, ANN, BOB, {})]
    assert texts == ["Bearer ann", "Bearer bob", "Bearer ann", "Bearer bob", "nobody"]
    assert here.origin.sent == 3


def test_two_users_never_meet_in_a_304(desk):
    """Bob's request has no validator of Ann's, though the origin gives both the same; each 304 shows one's own."""
    here = desk()
    here.origin.behaves(lambda request, *_: validated(request, '"same"', body=who(request).encode(), headers=fresh(0)))
    for user in (ANN, BOB):
        here.get(headers=user)
    assert ["if-none-match" in request.headers for request in here.origin.requests] == [False, False]
    assert [here.get(headers=user).text for user in (BOB, ANN)] == ["Bearer bob", "Bearer ann"]
    assert here.origin.count(status=304) == 2


def test_two_users_never_meet_in_a_stale_answer(desk):
    """When the origin fails Bob gets the failure, rather than what Ann was told."""
    here = desk(FAILOVER)
    here.origin.behaves(lambda request, *_: Reply(body=who(request).encode(), headers=fresh(1)))
    here.get(headers=ANN)
    here.clock.advance(10)
    here.origin.answers(503)
    assert here.get(headers=BOB).status_code == 503
    assert here.get(headers=ANN).text == "Bearer ann"


def test_two_users_never_share_a_call(world, origin):
    """Fifty of each at once: two calls, and each gets their own."""
    caller = world.client(origin, PATIENT)
    origin.behaves(lambda request, *_: Reply(body=who(request).encode(), headers=fresh(), latency=1))

    async def script(user):
        return (await caller.ask(headers=user)).text

    texts = world.run([partial(script, user) for user in [ANN, BOB] * 50])
    assert texts == ["Bearer ann", "Bearer bob"] * 50
    assert origin.sent == 2


@pytest.mark.parametrize("said", ["public, max-age=60", "s-maxage=60, max-age=60"])
def test_what_is_public_is_one_for_all(desk, said):
    """The origin says that it does not depend on who asks."""
    here = desk()
    here.origin.answers(headers={"cache-control": said})
    assert [is_hit(here.get(headers=user)) for user in (ANN, BOB, {})] == [False, True, True]


def test_a_partition_that_is_named_is_a_users_own(desk):
    """Of two tenants with one key each gets their own; the same tenant is answered with another key too."""
    here = desk()
    here.origin.behaves(lambda request, number, _: Reply(body=b"%d" % number, headers=fresh()))
    asked = [("red", ANN), ("blue", ANN), ("red", BOB), ("blue", BOB)]
    texts = [here.get(headers=user, extensions=options(partition=tenant)).text for tenant, user in asked]
    assert texts == ["1", "2", "1", "2"]


@sizes(users=(20, 200), pages=(5, 50))
@pytest.mark.parametrize("family", ["httpx"], indirect=True)
def test_nobody_gets_what_was_said_to_somebody_else(desk, found, users, pages):
    """Everybody asks for every page twice, in any order and many at once; some answers are fresh, some have to
    be confirmed, by validators that are the same for all, and some stand in for failures."""
    here = desk(FAILOVER)
    dice = random.Random(7)

    def behave(request, number, now):
        page = int(request.url.path.rpartition("/")[2])
        body = f"{who(request)} {page}".encode()
        if page % 5 == 1:
            return validated(request, f'"{page}"', body=body, headers=fresh(0))
        if page % 5 == 2:
            return Reply(status=503) if dice.random() < 0.5 else Reply(body=body, headers=fresh(0))
        if page % 5 == 3:
            return Reply(body=body, headers={**fresh(60, "private"), "vary": "authorization"})
        return Reply(body=body, headers=fresh(60))

    here.origin.behaves(behave)
    asked = [(f"Bearer {user}", page) for user in range(users) for page in range(pages)] * 2
    dice.shuffle(asked)
    calls = [partial(here.client.get, f"/{page}", headers={"authorization": user}) for user, page in asked]
    answers = here.all_of(calls, at_once=16)
    found["answers"] += len(answers)
    found["sent"] += here.origin.sent
    found["confirmed"] += here.origin.count(status=304)
    found["failed"] += here.origin.count(status=503)
    shown = [answer.text for answer in answers if answer.status_code == 200]
    right = [f"{user} {page}" for (user, page), answer in zip(asked, answers, strict=True) if answer.status_code == 200]
    found["foreign"] += sum(one != other for one, other in zip(shown, right, strict=True))
    assert found["foreign"] == 0
    assert found["sent"] < found["answers"]
    assert found["confirmed"]
    assert found["failed"]


TOKEN = "t0ken-that-nobody-may-read"


@pytest.mark.parametrize("store", ["disk", "redis"], indirect=True)
def test_no_secret_is_in_a_store_or_in_a_log(desk, store, tmp_path, caplog, request):
    """Neither credentials, nor a query, nor the user of an address, nor a cookie; of a hit, a 304, and a variant."""
    here = desk()
    secret = {"authorization": f"Bearer {TOKEN}", "cookie": f"id={TOKEN}", "x-api-key": TOKEN, "x-tenant": TOKEN}
    said = {**fresh(10), "set-cookie": f"id={TOKEN}", "vary": "Authorization, Cookie, X-Tenant"}
    here.origin.behaves(lambda asked, *_: validated(asked, '"1"', body=b"the public part", headers=said))
    with caplog.at_level(logging.DEBUG, logger="resilient"):
        for pause in (0, 5, 10):
            here.clock.advance(pause)
            last = here.get(f"https://ann:{TOKEN}@api.test/path?key={TOKEN}", headers=secret)
    assert last.text == "the public part"
    assert (here.origin.sent, here.origin.count(status=304)) == (2, 1)
    if store.startswith("disk"):
        kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    else:
        server = request.getfixturevalue("redis_server")
        keys = server.ask("KEYS", "*")
        kept = b"".join([*keys, *(server.ask("DUMP", key) for key in keys)])
    assert b"the public part" in kept
    assert TOKEN.encode() not in kept
    assert not [record for record in caplog.records if record.name.startswith("resilient") and TOKEN in str(record)]


def test_files_of_a_store_are_their_owners_only(colour, family, tmp_path):
    """Whatever else the system lets people read."""
    with Desk(colour, family, f"disk://{tmp_path}/cache?write_wait=60s&busy_timeout=60s") as here:
        here.origin.answers(headers=fresh())
        here.get()
        files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
