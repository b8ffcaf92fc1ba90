"""Events in the log: constant words, what belongs to them beside, never too often, and never a secret."""

import json
import logging

import pytest

import resilient.logs.logs
from resilient import CircuitBreaker, ConfigurationError, Policy, ResponseCache, Retry
from resilient.events import CallEnded, CircuitClosed, CircuitOpened, Event, StoreFailed
from resilient.logs import JsonFormatter, redact_httpx_logs, set_levels
from resilient.logs.limit import MOST, PAUSE, Limit
from resilient.logs.lines import LINES
from resilient.telemetry import Source


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    """Levels are as they are shipped."""
    monkeypatch.setattr(resilient.logs.logs, "_lines", dict(LINES))


def lines(caplog, name="resilient"):
    return [(each.name, each.levelname, each.getMessage()) for each in caplog.records if each.name.startswith(name)]


def test_what_goes_wrong_is_in_the_log_of_a_client_that_asked_for_nothing(world, origin, caplog):
    """A circuit that opens, and that closes again, with the origin's name."""
    caplog.set_level(logging.INFO)
    policy = Policy(retry=None, breaker=CircuitBreaker(failures=1, open_for=1))
    caller = world.client(origin, policy, name="shop")
    origin.answers(500, times=1)

    async def script():
        await caller.ask()
        await world.sleep(5)
        await caller.ask()

    world.do(script)
    assert lines(caplog) == [
        ("resilient.circuit", "WARNING", "a circuit opened: https://api.test"),
        ("resilient.circuit", "INFO", "a circuit lets a probe through: https://api.test"),
        ("resilient.circuit", "INFO", "a circuit closed: https://api.test"),
    ]


def test_what_belongs_to_a_line_stands_beside_it(world, origin, caplog):
    """The event's name, whose it is, and its fields: for whoever reads logs by machine."""
    caller = world.client(origin, Policy(retry=Retry(max_attempts=2)), name="shop")
    origin.answers(503, times=2)
    caller.get()
    (record,) = [each for each in caplog.records if each.name == "resilient.retry"]
    assert record.getMessage() == "a failed request is not sent again: shop *"
    assert (record.event, record.suppressed) == ("resilient.retry.exhausted", 0)
    assert record.resilient == {
        "kind": "client", "name": "shop", "route": "*",
        "attempts": 2, "reason": "5xx", "stop": "limit", "retry_after": None,
    }  # fmt: skip


def test_at_debug_each_call_is_a_line(world, origin, caplog):
    """And each request; nothing of it is written otherwise."""
    caller = world.client(origin, Policy(cache=None))
    caller.get()
    assert lines(caplog) == []
    with caplog.at_level(logging.DEBUG, logger="resilient"):
        caller.get()
    assert [text for _, _, text in lines(caplog, "resilient.call")] == [
        "a request ended: https://api.test", "a call ended: default *",
    ]  # fmt: skip


def test_what_comes_again_and_again_is_written_now_and_then(world, origin, caplog, monkeypatch):
    """A thousand failures are one line, and the next one says how many were left out."""
    now = [100.0]
    monkeypatch.setattr(resilient.logs.logs.time, "monotonic", lambda: now[0])
    caller = world.client(origin, Policy(retry=Retry(max_attempts=1), breaker=None))
    origin.answers(503)
    for _ in range(50):
        caller.get()
    now[0] += PAUSE
    caller.get()
    assert [text for _, _, text in lines(caplog)] == [
        "a failed request is not sent again: default *",
        "a failed request is not sent again: default * (49 more of it since)",
    ]
    assert caplog.records[-1].suppressed == 49


def test_a_client_and_its_own_cache_write_a_line_once(world, origin, caplog):
    """The cache tells the client, which writes it."""
    caplog.set_level(logging.DEBUG, logger="resilient")
    heard = []
    caller = world.client(origin, Policy(cache=ResponseCache(ttl=60)), telemetry=[heard.append])
    caller.get()
    written = [each.event for each in caplog.records if hasattr(each, "event")]
    assert written == [event.name for event in heard if type(event) in LINES]


def test_levels_can_be_changed(world, origin, caplog, monkeypatch):
    """By kind of event."""
    set_levels({CircuitOpened: logging.CRITICAL})
    caller = world.client(origin, Policy(retry=None, breaker=CircuitBreaker(failures=1)))
    origin.answers(500)
    caller.get()
    assert lines(caplog)[0][:2] == ("resilient.circuit", "CRITICAL")


def test_one_event_may_have_a_graver_line(caplog):
    """It is written also where the usual line is not, at its own level or at a higher one that is asked for."""
    caplog.set_level(logging.ERROR, "resilient.store")
    timeout, refused = (StoreFailed(store="redis", operation="get", kind=kind) for kind in ("timeout", "auth"))
    set_levels({StoreFailed: logging.INFO})
    assert resilient.logs.logs.is_written(StoreFailed)
    for event in (timeout, refused, refused):
        resilient.logs.logs.write(event, Source())
    set_levels({StoreFailed: logging.CRITICAL})
    for event in (timeout, StoreFailed(store="other", operation="get", kind="auth")):
        resilient.logs.logs.write(event, Source())
    assert [level for _, level, _ in lines(caplog)] == ["ERROR", "CRITICAL", "CRITICAL"]


@pytest.mark.parametrize("wrong", [{Event: logging.INFO}, {CircuitClosed: "INFO"}, {CallEnded: True}], ids=str)
def test_a_level_that_is_none_is_refused(wrong):
    """Nothing changes then."""
    with pytest.raises(ConfigurationError, match="levels="):
        set_levels({CircuitOpened: logging.CRITICAL, **wrong})
    assert resilient.logs.logs._lines == LINES


def test_what_is_remembered_is_bounded():
    """Any number of things may go wrong."""
    limit = Limit()
    for number in range(3 * MOST):
        assert limit.kept_back(number, 5.0) == 0
    assert len(limit._told) <= MOST


def test_json_holds_all_of_it_in_one_line(world, origin, caplog):
    """As log pipelines want it, and readable by anything that reads JSON."""
    caller = world.client(origin, Policy(retry=Retry(max_attempts=1)), name="shop")
    origin.answers(503)
    caller.get()
    line = JsonFormatter().format(caplog.records[-1])
    assert "\n" not in line
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "WARNING",
        "logger": "resilient.retry",
        "message": "a failed request is not sent again: shop *",
        "event": "resilient.retry.exhausted",
        "resilient": {
            "kind": "client", "name": "shop", "route": "*",
            "attempts": 1, "reason": "5xx", "stop": "limit", "retry_after": None,
        },
    }  # fmt: skip


def test_an_exception_is_written_without_its_text():
    """The text may hold an address with a token; its class and its place say enough."""
    try:
        raise RuntimeError("s3cret")
    except RuntimeError as error:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "https://u:s3cret@h/?k=s3cret", (), None)
        record.exc_info = (type(error), error, error.__traceback__)
    line = JsonFormatter().format(record)
    said = json.loads(line)
    assert "s3cret" not in line
    assert said["error"] == "RuntimeError"
    assert said["at"].startswith(__file__)


def test_httpx_no_longer_writes_what_may_be_a_secret(world, origin, caplog):
    """It logs each address at INFO, its query included."""
    caplog.set_level(logging.INFO)
    name = world.http.__name__
    redact_httpx_logs()
    redact_httpx_logs(safe_params=["page"])
    try:
        world.client(origin).get("/items?key=s3cret&page=3")
        (text,) = [each.getMessage() for each in caplog.records if each.name == name]
        assert "?key=REDACTED&page=3" in text
        assert len(logging.getLogger(name).filters) == 1
    finally:
        for each in ("httpx", "httpx2"):
            logging.getLogger(each).filters.clear()
