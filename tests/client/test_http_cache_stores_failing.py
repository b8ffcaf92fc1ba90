"""A store that fails, is slow, or holds rubbish: the origin answers all the same, and it is told."""

import sqlite3
from contextlib import closing

import pytest

from resilient.errors import StoreError
from resilient.events import StoreFailed
from resilient.ports import StorePair

from .http_caching import CACHED, Desk, fresh, is_hit, validated
from .test_response_cache import Bad, BadForTasks


def with_bad(world, origin, act, *commands, policy=CACHED):
    store = StorePair(Bad(act, *commands), BadForTasks(act, *commands))
    return world.client(origin, policy, store=store)


def failures(answer):
    return [event.operation for event in answer.extensions["resilient"].events(StoreFailed)]


@pytest.mark.parametrize("command", ["secret", "get_many", "commit"])
@pytest.mark.parametrize("kind", ["full", "busy", "corrupt"])
def test_a_store_that_fails_is_no_problem_of_the_caller(world, origin, command, kind):
    """Whatever it cannot do: both calls are answered, and the failure is told."""

    def act(*_):
        raise StoreError("no", kind=kind)

    caller = with_bad(world, origin, act, command)
    origin.behaves(lambda request, *_: validated(request, '"1"', headers=fresh(0)))
    answers = [caller.get() for _ in range(2)]
    assert [answer.content for answer in answers] == [b"ok"] * 2
    assert all(failures(answer) for answer in answers)


@pytest.mark.parametrize("colour", ["async"])
@pytest.mark.parametrize("commands", [("get_many",), ("commit",), ("get_many", "commit")])
def test_a_store_that_hangs_costs_a_call_a_tenth_of_a_second_at_most(world, origin, commands):
    """Confirming an answer included."""

    async def act(*_):
        await world.clock.asleep(1000)

    caller = with_bad(world, origin, act, *commands)
    origin.answers(headers=fresh())
    for _ in range(3):
        before = world.now
        assert caller.get().status_code == 200
        assert world.now - before <= 0.1 + 1e-6


def test_a_bad_entry_is_a_miss_and_is_replaced(colour, family, tmp_path):
    """Bytes on a disk that somebody has changed: they are not served, and the next answer takes their place."""
    folder = tmp_path / "cache"
    with Desk(colour, family, f"disk://{folder}?write_wait=60s&busy_timeout=60s") as desk:
        desk.origin.answers(headers=fresh(), body=b"right")
        desk.get()
    (path,) = folder.glob("*.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        blobs = [
            (table, column[1])
            for table in tables
            for column in connection.execute(f"PRAGMA table_info({table})")
            if column[2].upper() == "BLOB" and table.startswith("entr")
        ]
        assert blobs
        for table, column in blobs:
            connection.execute(f"UPDATE {table} SET {column} = x'00ff00ff00ff'")
    with Desk(colour, family, f"disk://{folder}?write_wait=60s&busy_timeout=60s") as desk:
        desk.origin.answers(headers=fresh(), body=b"right")
        answers = [desk.get() for _ in range(2)]
        assert [answer.content for answer in answers] == [b"right"] * 2
        assert [is_hit(answer) for answer in answers] == [False, True]
