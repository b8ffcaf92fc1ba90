"""Looking into a running process: its latest events, by its own user, at no cost to it."""

import os
import socket
import stat
import threading
import time

import pytest

from resilient import ConfigurationError, Policy, ResilientClient
from resilient.events import CircuitOpened, Rejected, Retried
from resilient.live import Live
from resilient.live.attaching import attach, socket_of
from resilient.live.place import folder
from resilient.live.record import KINDS, Record, line_of, record_of
from resilient.live.ring import BEHIND, SIZE, Ring
from resilient.telemetry import Source
from resilient.testing import LocalServer

EVENT = Retried(attempt=1, reason="5xx", delay=0.1)


@pytest.fixture
def live(tmp_path):
    made = Live(tmp_path / "live.sock")
    yield made
    made.close()
    assert _ended("resilient-live")


def _ended(name):
    ends = time.monotonic() + 30
    while any(each.name.startswith(name) for each in threading.enumerate()):
        assert time.monotonic() < ends, f"{name} goes on"
        time.sleep(0.01)
    return True


def until(records, wanted):
    """What comes up to the first record of that kind of event."""
    seen = []
    for record in records:
        seen.append(record)
        if record is not None and isinstance(record.event, wanted):
            return seen
    raise AssertionError(seen)


def test_whoever_attaches_sees_what_was_and_what_comes(live, tmp_path):
    """In order, with a sign between the two."""
    with LocalServer() as server, ResilientClient(name="shop", telemetry=[live], policies=Policy()) as client:
        client.get(server.url)
        records = attach(tmp_path / "live.sock")
        names = []
        while (record := next(records)) is not None:
            names.append(record.event.name)
            assert record.source == Source("client", "shop", "*")
        assert names == ["resilient.attempt", "resilient.cache.stored", "resilient.cache.lookup", "resilient.call"]
        client.circuit(server.url).isolate()
        opened = until(records, CircuitOpened)[-1].event
        assert opened == CircuitOpened(circuit=server.url, open_for=float("inf"), cause="manual")


def test_every_event_travels_unchanged():
    """Numbers without an end too, which JSON does not know."""
    for event in (EVENT, Rejected(by="circuit", origin="https://a.test", retry_in=float("inf"))):
        record = Record(5.0, Source("client", "shop", "*"), event)
        assert record_of(line_of(record)) == record
    assert {CircuitOpened.name, Retried.name, Rejected.name} < KINDS.keys()


def test_an_event_of_another_version_is_no_record():
    """Whoever attaches passes it over."""
    with pytest.raises(ValueError, match=r"resilient\.new"):
        record_of(b'{"wall":1,"kind":"client","name":"","route":"","event":"resilient.new","fields":{}}')


def test_the_socket_is_its_users_alone(live, tmp_path):
    """And is gone with the process."""
    live.record(EVENT)
    path = tmp_path / "live.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    live.close()
    assert not path.exists()


def test_by_default_it_lies_in_a_folder_of_the_users_alone(tmp_path, monkeypatch):
    """Named after the process, found by its number or as the only one."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    live = Live()
    assert not folder().exists()
    live.record(EVENT)
    try:
        assert stat.S_IMODE(folder().stat().st_mode) == 0o700
        assert socket_of(None) == socket_of(str(os.getpid())) == folder() / f"{os.getpid()}.sock"
        with pytest.raises(ConfigurationError, match=f"those that do: {os.getpid()}"):
            socket_of("1")
    finally:
        live.close()
    with pytest.raises(ConfigurationError, match="none does now"):
        socket_of(None)


def test_a_process_that_cannot_listen_goes_on(tmp_path, caplog):
    """It is said in the log, once."""
    live = Live(tmp_path / "missing" / "live.sock")
    for _ in range(3):
        live.record(EVENT)
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == ["nobody can look into this process"]
    assert len(live.recent()) == 3


def test_two_thousand_events_are_remembered():
    """The oldest go."""
    ring = Ring()
    for number in range(SIZE + 10):
        ring.add(Record(float(number), Source(), EVENT))
    assert [ring.latest()[0].wall, len(ring.latest())] == [10.0, SIZE]


def test_a_reader_that_is_too_slow_misses_events_and_holds_nobody_up():
    """What waits for him is bounded."""
    ring = Ring()
    _, reader = ring.join()
    for number in range(BEHIND + 7):
        ring.add(Record(float(number), Source(), EVENT))
    assert (reader.queue.qsize(), reader.missed) == (BEHIND, 7)


def test_a_reader_that_goes_away_leaves_nothing_behind(live, tmp_path):
    """His thread ends with the next event."""
    live.record(EVENT)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(tmp_path / "live.sock"))
    connection.recv(1)
    connection.close()
    ends = time.monotonic() + 30
    while live._ring._readers:
        assert time.monotonic() < ends
        live.record(EVENT)
        time.sleep(0.01)
    assert _ended("resilient-live-reader")


def test_a_child_has_a_socket_of_its_own(tmp_path, monkeypatch):
    """And the parent's is still there when it ends."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    live = Live()
    live.record(EVENT)
    pid = os.fork()
    if pid == 0:
        try:
            live.record(EVENT)
            found = {path.stem for path in folder().glob("*.sock")}
            live.close()
            os._exit(0 if str(os.getpid()) in found and len(found) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [path.stem for path in folder().glob("*.sock")] == [str(os.getpid())]
    live.close()


@pytest.mark.parametrize("path", [5, "x" * 200], ids=["a number", "too long"])
def test_a_path_that_is_none_is_refused(path):
    """At construction."""
    with pytest.raises(ConfigurationError, match="path="):
        Live(path)


def test_a_folder_that_others_may_write_to_is_refused(tmp_path, monkeypatch, caplog):
    """They could put a socket of theirs in its place."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = folder()
    place.mkdir(parents=True)
    place.chmod(0o777)
    live = Live()
    live.record(EVENT)
    assert "is not this user's alone" in caplog.text
    live.close()
