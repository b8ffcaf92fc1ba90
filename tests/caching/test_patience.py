"""A thread waits for a disk that hangs no longer than it was told to."""

import sqlite3
import threading
import time

import pytest

from resilient import Cache, StoreUnavailableError
from resilient.events import StoreFailed


@pytest.fixture
def hung(tmp_path):
    """A cache on disk whose database is held by somebody else; gives a way to make one, and to let go."""
    made = []

    def make(**options):
        made.append(Cache(telemetry=[]))
        made[-1].setup(f"disk://{tmp_path}", **options)
        made[-1].blocking.set("there", 1)
        return made[-1]

    first = make()
    holder = sqlite3.connect(tmp_path / "resilient.db", isolation_level=None, check_same_thread=False)
    yield make, holder
    if holder.in_transaction:
        holder.execute("ROLLBACK")
    holder.close()
    for cache in made:
        cache.close()
    assert first


KINDS = {
    "simple": lambda cache: cache(ttl="1h", key="k"),
    "locked": lambda cache: cache.locked(ttl="1h", key="k"),
    "hit": lambda cache: cache.hit(ttl="1h", cache_hits=3, key="k"),
    "soft": lambda cache: cache.soft(ttl="2h", soft_ttl="1h", key="k"),
    "failover": lambda cache: cache.failover(ttl="1h", key="k"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_decorated_call_gives_up_its_store_after_the_budget(hung, kind):
    """The commands of one call are given twice the budget in all: far from the five seconds of a command by itself."""
    make, holder = hung
    cache = make(store_budget="20ms")
    heard = []
    cache.setup(cache._core.mounts.of("").pair, store_budget="20ms", telemetry=[heard.append])
    function = KINDS[kind](cache)(lambda: "made")
    holder.execute("BEGIN IMMEDIATE")
    waits = []
    real = threading.Event.wait

    def wait(event, timeout=None):
        waits.append(timeout)
        return real(event, timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Event, "wait", wait)
        assert function() == "made"
    asked = [one for one in waits if one is not None]
    assert asked
    assert all(one <= 0.02 for one in asked), "told to wait longer than the budget of a command"
    assert any(isinstance(event, StoreFailed) and event.kind == "timeout" for event in heard)


def test_a_command_given_directly_waits_as_long_as_its_timeout_says(hung):
    """Longer than a call would; and what comes in that time is not given up."""
    make, holder = hung
    cache = make(timeout="60s")
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, holder.execute, ["ROLLBACK"]).start()
    began = time.monotonic()
    assert cache.blocking.set("k", 1)
    assert time.monotonic() - began >= 0.2
    assert cache.blocking.get("k") == 1


def test_it_waits_no_longer_either(hung):
    """A timeout shorter than the store's own patience is the one that holds."""
    make, holder = hung
    cache = make(timeout="30ms")
    holder.execute("BEGIN IMMEDIATE")
    for command in (lambda: cache.blocking.set("k", 1), lambda: cache.blocking.delete("there")):
        with pytest.raises(StoreUnavailableError, match=r"within 0\.0[0-3]"):
            command()


def test_without_a_budget_a_call_waits_as_long_as_the_store_takes(hung):
    """``store_budget=None``: what was made is kept, however late."""
    make, holder = hung
    cache = make(store_budget=None)
    function = cache(ttl="1h", key="k")(lambda: "made")
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, holder.execute, ["ROLLBACK"]).start()
    assert function() == "made"
    assert cache.blocking.get("k") == "made"
