"""``resilient tap`` and ``resilient top``: a real process, seen from another."""

import subprocess
import sys
import textwrap

import pytest

PROCESS = textwrap.dedent("""
    import sys
    import httpx
    from resilient import CircuitBreaker, Policy, ResilientClient, Retry
    from resilient.live import Live

    answers = iter([200, 503, 200, 503, 503])
    policy = Policy(retry=Retry(max_attempts=2, base="1ms", cap="1ms"), breaker=CircuitBreaker(failures=2))
    client = ResilientClient(
        name="shop",
        telemetry=[Live()],
        transport=httpx.MockTransport(lambda request: httpx.Response(next(answers))),
        policies={"api.test": policy},
    )
    for _ in range(3):
        client.get("https://api.test/items?key=s3cret")
    print("ready", flush=True)
    sys.stdin.read()
""")


@pytest.fixture
def process(tmp_path, monkeypatch):
    """A process that made three calls, and waits."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    running = subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "ready\n"
    yield running
    running.communicate()
    assert running.returncode == 0


def test_tap_prints_the_events(run, process):
    """One a line: when, whose, and what; no secret."""
    status, printed, complaint = run("tap", str(process.pid), "--no-follow")
    assert (status, complaint) == (0, "")
    lines = [line[13:].strip() for line in printed.splitlines()]
    assert lines[0].startswith("shop api.test            attempt 1: answered 200 after")
    assert any("the circuit of https://api.test opens" in line for line in lines)
    assert "s3cret" not in printed


def test_tap_prints_what_was_asked_for(run, process):
    """Kinds of events, and routes."""
    _, printed, _ = run("tap", "--no-follow", "--event", "circuit.*")
    assert len(printed.splitlines()) == 1
    _, printed, _ = run("tap", "--no-follow", "--route", "other")
    assert printed == ""
    status, printed, _ = run("tap", "--no-follow", "--event", "circus.*")
    assert status == 1
    assert "circuit.opened" in printed


def test_top_shows_the_routes(run, process, monkeypatch):
    """What callers got beside what the wire saw, and the circuit."""
    monkeypatch.setenv("COLUMNS", "160")
    status, printed, complaint = run("top", "--once")
    assert (status, complaint) == (0, "")
    (row,) = [line for line in printed.splitlines() if "api.test" in line and "│" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:2] == ["shop", "api.test"]
    assert cells[3:5] == ["66.7%", "40.0%"]
    assert cells[9:] == ["2", "● open"]


@pytest.mark.parametrize("command", ["tap", "top"])
def test_nobody_there_is_said(run, tmp_path, monkeypatch, command):
    """And how to change that."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    status, _, complaint = run(command)
    assert status == 1
    assert "telemetry=[Live()]" in complaint
    status, _, complaint = run(command, str(tmp_path / "gone.sock"))
    assert status == 1
    assert "nobody can be looked into" in complaint
