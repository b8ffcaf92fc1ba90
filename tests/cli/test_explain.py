"""``resilient explain``: what each stage decided, and when what happened."""

import pytest

from resilient.cli.explain import WIDTH, explained, waterfall
from resilient.events import AttemptEnded, Paused, Retried
from resilient.journey import Journey


@pytest.fixture
def journey():
    """Two requests and the wait between them, in a second."""
    made = Journey(100.0)
    made.timeline = [
        (100.25, AttemptEnded(number=1, origin="https://a.test", status=503, failure=None, seconds=0.25)),
        (100.25, Retried(attempt=1, reason="5xx", delay=0.5)),
        (101.0, AttemptEnded(number=2, origin="https://a.test", status=200, failure=None, seconds=0.25)),
    ]
    made.ended = 101.0
    return made


def bars(lines):
    return [line[11 : 11 + WIDTH].rstrip() for line in lines]


def test_bars_stand_where_and_as_long_as_what_they_show(journey):
    """A quarter, a half, a quarter."""
    assert bars(waterfall(journey)) == ["█" * 10, " " * 10 + "░" * 20, " " * 30 + "█" * 10, ""]


def test_a_call_that_took_no_time_has_bars_all_the_same():
    """In virtual time everything may happen at once."""
    made = Journey(5.0)
    made.timeline = [(5.0, Paused(seconds=0.0))]
    assert bars(waterfall(made)) == ["░", ""]
    assert bars(waterfall(Journey(5.0))) == [""]


def test_decisions_stand_below_their_stages(journey):
    """In the order of the pipeline."""
    told = list(explained("GET https://a.test/: policy '*'\n  retry  3 attempts\n  send", journey))
    assert told[:6] == [
        "GET https://a.test/: policy '*'",
        "  retry  3 attempts",
        "      → that is a failure (5xx); again in 500 ms",
        "  send",
        "      → attempt 1: answered 503 after 250 ms",
        "      → attempt 2: answered 200 after 250 ms",
    ]


def test_a_real_call_is_explained(run, server):
    """The status of the command is that of the answer; no secret is printed."""
    server.answers(503, times=1)
    status, printed, complaint = run("explain", f"{server.url}/items?key=hunter2", "-H", "X-Key: hunter2")
    assert (status, complaint) == (0, "")
    assert "hunter2" not in printed
    lines = printed.splitlines()
    assert lines[0] == f"GET {server.url}/items: policy '*'"
    assert any("→ that is a failure (5xx); again in" in line for line in lines)
    assert sum("█" in line for line in lines) == 2
    assert any(line.startswith("200 ") for line in lines)


def test_a_call_without_an_answer_is_explained_too(run):
    """And why there is none goes to standard error."""
    status, printed, complaint = run("explain", "http://127.0.0.1:9/")
    assert status == 1
    assert "nothing was sent" in printed
    assert complaint.startswith("no answer: ConnectError")
    status, printed, complaint = run("explain", "gopher://127.0.0.1/")
    assert status == 1
    assert complaint.startswith("no answer: ")
