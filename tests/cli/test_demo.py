"""``resilient demo``, scaled down, over real sockets."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from resilient.cli.demo import process
from resilient.cli.demo.lines import RATE
from resilient.cli.demo.script import AWAY, Script

pytestmark = pytest.mark.slow

SPEED = 4
CALLS_IN_OUTAGE = RATE * next(phase.seconds for phase in Script(SPEED).phases if phase.name == AWAY)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def demo(port):
    """Starts the demo in a process group of its own, as a terminal does; nothing of it is left after the test."""
    started = []

    def start(*options):
        command = [sys.executable, "-m", "resilient.cli", "demo", "--port", str(port), "--speed", str(SPEED), *options]
        one = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(one)
        return one

    yield start
    for one in started:
        if one.poll() is None:
            os.killpg(one.pid, signal.SIGKILL)
        one.communicate()


def read_until(one, phase):
    """What the demo printed until a second that began in ``phase``."""
    printed = ""
    for line in one.stdout:
        printed += line
        if re.match(rf" *\d+ s  {phase}", line):
            return printed
    raise AssertionError(f"{phase!r} never came: {printed}{one.stderr.read()}")


@pytest.mark.parametrize("colour", [[], ["--blocking"]], ids=["async", "blocking"])
def test_the_client_survives_the_outage(demo, colour):
    """The plain client fails, reads are answered from the store, and hardly anything is sent to a server in need."""
    one = demo("--store", "mem://", *colour)
    printed, complaint = one.communicate(timeout=60)
    assert complaint == ""
    failed, calls = map(int, re.search(r"httpx failed (\d+) of (\d+) calls", printed).groups())
    answered, reads = map(int, re.search(r"/rates answered (\d+) of (\d+) reads", printed).groups())
    assert (failed, answered) == (calls, reads)
    if calls >= 0.9 * CALLS_IN_OUTAGE:  # else this machine had no time for the demo, and its circuits saw little
        assert one.returncode == 0, printed
        assert printed.count("✓") == 7


def test_a_demo_that_is_killed_leaves_its_answers(demo, port, tmp_path):
    """Killed in the middle of the outage and started again, it answers from disk before any server is up.

    The port is free again too: the server went with the demo that started it.
    """
    store = f"disk://{tmp_path}/store"
    one = demo("--store", store)
    read_until(one, AWAY)
    one.kill()
    one.wait()
    text = " ".join(read_until(demo("--store", store), "").split())
    kept = int(re.search(r"From the run before, (\d+) answers are kept", text)[1])
    answered = int(re.search(r"refuses every connection: (\d+) of \d+ reads answered", text)[1])
    assert answered == kept > 0


def test_ctrl_c_ends_it_with_what_is_known(demo, port):
    """No traceback, a summary of what there was, the exit status of an interrupted command, and no process left."""
    one = demo("--store", "mem://")
    read_until(one, "")
    os.killpg(one.pid, signal.SIGINT)
    printed, complaint = one.communicate(timeout=60)
    assert (one.returncode, complaint) == (130, "")
    assert "the whole run" in printed
    assert "It ended early, so there is nothing to judge." in printed
    with pytest.raises(ProcessLookupError):
        os.killpg(one.pid, 0)


def test_a_port_that_is_taken_is_one_clear_line(run, monkeypatch):
    """Before anything is said or written."""
    monkeypatch.setattr(process, "BIND_WITHIN", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, printed, complaint = run("demo", "--port", port, "--store", "mem://")
    assert (status, printed) == (1, "")
    assert complaint.startswith(f"resilient: the demo's server cannot listen on port {port} (address already in use)")
    assert "--port " in complaint


@pytest.mark.parametrize("options", [["--port", "0"], ["--port", "http"], ["--speed", "0"]])
def test_a_wrong_option_is_refused(run, options):
    """With the exit status of a wrong command line."""
    assert run("demo", *options)[0] == 2


def test_a_store_that_does_not_exist_is_one_clear_line(run, port):
    """And names the nearest one."""
    status, _, complaint = run("demo", "--port", port, "--store", "dsk:///x")
    assert status == 1
    assert "did you mean 'disk'?" in complaint
