"""What goes wrong around a cached call is said, and never its caller's trouble."""

import logging
import threading
import time

import pytest

from resilient import Cache, ConfigurationError
from resilient.errors import StoreUnavailableError
from resilient.events import StoreFailed
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from resilient.testing import FakeClock


class Broken(MemoryStore):
    """A store that answers nothing but errors of a kind that it should not raise."""

    name = "broken"

    def get(self, key):
        raise OSError(key)

    def set(self, key, entry):
        raise OSError(key)


def messages(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "resilient.store"]


def test_a_store_that_fails_is_logged_at_once_and_then_now_and_then(caplog, monkeypatch):
    """Without anybody who listens to events too; the key, which may hold somebody's name, is not in the log."""
    clock = FakeClock(now=1e6)
    broken = Broken(clock=clock)
    cache = Cache(StorePair(blocking=broken, tasks=Lifted(broken)), clock=clock)
    calls = []

    @cache(ttl="1h", key="of:{name}")
    def fetch(name):
        calls.append(name)
        return name

    with caplog.at_level(logging.WARNING, "resilient.store"):
        assert [fetch("ann") for _ in range(5)] == ["ann"] * 5
        told = messages(caplog)
        now = time.monotonic() + 11
        monkeypatch.setattr("resilient.logs.logs.time.monotonic", lambda: now)
        clock.advance(11)
        fetch("ann")
        told_later = messages(caplog)[len(told) :]
    assert calls == ["ann"] * 6
    assert told == [
        "a store failed, and calls go on without it: broken to get (OSError)",
        "a store failed, and calls go on without it: broken to set (OSError)",
    ]
    assert told_later[0] == "a store failed, and calls go on without it: broken to get (OSError) (4 more of it since)"
    assert "ann" not in caplog.text


def test_a_store_that_does_not_let_us_in_is_an_error_said_once_in_an_hour(caplog, monkeypatch):
    """Nothing mends it but people: it is loud, says what to look at, and does not fill the log."""

    class Closed(MemoryStore):
        name = "closed"

        def get(self, *args):
            raise StoreUnavailableError("WRONGPASS", kind="auth")

        set = acquire = get

    clock, heard = FakeClock(now=1e6), []
    closed = Closed(clock=clock)
    cache = Cache(StorePair(blocking=closed, tasks=Lifted(closed)), clock=clock, telemetry=[heard.append])
    fetch = cache(ttl="1h", key="k")(lambda: "made")
    monkeypatch.setattr("resilient.logs.logs.time.monotonic", clock.now)
    with caplog.at_level(logging.ERROR, "resilient.store"):
        for _ in range(70):
            assert fetch() == "made"
            clock.advance(60)
    asked = [event for event in heard if isinstance(event, StoreFailed) and event.kind == "auth"]
    said = (
        "a store does not let us in, and nothing is kept;"
        " see to its user, password, permissions and certificates: closed"
    )
    first, second = [record for record in caplog.records if record.name == "resilient.store"]
    assert [first.levelno, second.levelno] == [logging.ERROR] * 2
    assert first.getMessage() == said
    assert second.getMessage() == f"{said} ({second.suppressed} more of it since)"
    assert 0 < second.suppressed < len(asked)


def test_without_a_home_the_memory_is_the_store(caplog, monkeypatch, tmp_path):
    """A container without a home must not fail every decorated call; a path that was asked for is another matter."""
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("HOME", str(file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(file / "cache"))
    cache = Cache()
    calls = []

    @cache(ttl="1h", key="k")
    def fetch():
        calls.append(1)
        return 1

    with caplog.at_level(logging.WARNING, "resilient.cache"):
        assert [fetch(), fetch()] == [1, 1]
    assert calls == [1]
    (record,) = [record for record in caplog.records if record.name == "resilient.cache"]
    assert record.getMessage().startswith("things are kept in memory only, until cache.setup(...) says otherwise: ")
    with pytest.raises(ConfigurationError):
        cache.setup(f"disk://{file}/cache")


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_iterator_wants_a_generator(kind):
    """Else what it yields would only be missed when somebody draws it."""
    cache = Cache("mem://")

    def plain():
        return [1]

    async def coroutine():
        return [1]

    with pytest.raises(ConfigurationError, match="is no generator function; give one that yields"):
        cache.iterator(ttl="1m")({"plain": plain, "coroutine": coroutine}[kind])


def test_what_a_failure_in_the_background_says_of_itself_is_in_no_log(caplog):
    """Its text may hold an address with a token; the class of the exception is told, at no level more."""
    clock = FakeClock()
    cache = Cache("mem://", clock=clock)
    calls = []

    @cache.soft(ttl="1h", soft_ttl="1m", key="k")
    def fetch():
        calls.append(1)
        if len(calls) > 1:
            raise ConnectionError("GET https://api.test/?token=planted")
        return 1

    with caplog.at_level(logging.DEBUG):
        fetch()
        clock.advance("2m")
        assert fetch() == 1
        for thread in threading.enumerate():
            if thread.name == "resilient-background":
                thread.join(30)
    cache.close()
    assert len(calls) == 2
    assert "ConnectionError" in caplog.text
    assert "planted" not in caplog.text
