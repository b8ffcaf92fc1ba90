"""``resilient check``: is a policy file right, and what does it mean?"""

import subprocess
import sys

import pytest

FILE = """
[client]
store = "disk:///var/cache/app"

[policies."api.test"]
deadline = "2s"
cache = { strategy = "failover", ttl = "6h" }
retry = { max_attempts = 2, methods = ["POST"], statuses = [503] }
breaker = false
fallback = "https://user:hunter2@spare.test/rates?key=hunter2"
"""

MEANING = """\
store disk:///var/cache/app

api.test
  deadline         2 s for the whole call
  fallback         to https://REDACTED:REDACTED@spare.test/rates?key=REDACTED
  response cache   failover: the last good answer of the past 6 h stands in for a failure
  retry            at most 2 attempts of POST, after 503, 50 ms to 20 s apart
  budget           100 tokens; a retry costs 10, a throttled one 5, a success earns 1, a second 0.5  (default)
  attempt timeout  10 s for each attempt  (default)
  off: breaker
  send

*    (not in the file: the standard policy)
  deadline         30 s for the whole call  (default)
  response cache   as RFC 9111 says  (default)
  retry            at most 3 attempts of DELETE GET HEAD OPTIONS PUT, 50 ms to 20 s apart  (default)
  budget           100 tokens; a retry costs 10, a throttled one 5, a success earns 1, a second 0.5  (default)
  circuit breaker  10 failures in a row, or 50 % of at least 20 calls in 10 s; opens for 1 s, doubling to 30 s  (default)
  attempt timeout  10 s for each attempt  (default)
  send
"""  # noqa: E501 - as it is printed


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "resilient.toml"
        path.write_text(text)
        return path

    return write


def test_it_prints_the_pipeline_of_each_entry(run, file):
    """The most specific first, the outermost stage first; defaults are marked, and no secret of an address is shown."""
    status, printed, complaint = run("check", file(FILE))
    assert (status, complaint) == (0, "")
    assert printed == MEANING


def test_a_mistake_is_one_clear_line(run, file):
    """It names the file, the table, the key, the value and what would be right; the exit status says so too."""
    path = file('[policies."*"]\nretry = { max_attempts = 0 }')
    status, printed, complaint = run("check", path)
    assert (status, printed) == (1, "")
    right = "give a whole number of at least 1"
    assert complaint == f'resilient: {path}: [policies."*"]: retry: max_attempts=0 is not right; {right}\n'


def test_a_file_that_is_not_there_is_one_clear_line(run, tmp_path):
    """No traceback."""
    status, _, complaint = run("check", tmp_path / "no.toml")
    assert status == 1
    assert complaint == f"resilient: {tmp_path}/no.toml: cannot be read: No such file or directory\n"


def test_without_a_command_there_is_help(run):
    """And the exit status of a wrong command line."""
    status, _, complaint = run()
    assert status == 2
    assert "usage: resilient" in complaint


def test_it_does_without_rich(file):
    """The table of the demo needs it, and nothing else; the demo says how to get it."""
    hidden = "import sys; sys.modules['rich'] = None; from resilient.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", hidden]
    done = subprocess.run([*command, "check", file(FILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, MEANING)
    done = subprocess.run([*command, "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "resilient demo needs rich: pip install 'resilient-client[cli]'\n"


def test_a_reader_that_has_seen_enough_is_no_error(file):
    """``resilient check FILE | head -1`` ends quietly."""
    command = f"{sys.executable} -m resilient.cli check {file(FILE)} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("s", "")
