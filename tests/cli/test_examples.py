"""Every example runs, without a network, and says what it promises."""

import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

SAYS = {
    "survive_an_outage.py": [
        "The server works: 200",
        "It fails twice, and nobody sees it: 200",
        "It is back, and so is the client: 200",
    ],
    "survive_an_outage_async.py": ["It is back, and so is the client: 200"],
    "failover_to_stale.py": [
        "From the server: {'EUR': 1.08}",
        "From the store: {'EUR': 1.08}, 600 s old",
        "answered from the cache (stale, mem)",
    ],
    "per_request_options.py": [
        "No answer, and no time lost: the call did not end within its deadline of 0.5 s",
        "A POST is sent once: 503",
        "With a key it may be sent again: 200",
        "the server saw 2",
    ],
    "fastapi_service.py": [
        "The first answer: {'currency': 'EUR', 'rate': 1.08}",
        "Who has it already: 304, 0 bytes",
        "Loaded 1 time",
        "After no-cache: loaded 2 times",
    ],
    "fastapi_watched.py": [
        "The answer: {'currency': 'EUR', 'rate': 1.08}\n" * 2,
        'resilient_calls_total{client="exchange",method="GET",outcome="ok",route="/rates/{currency}"} 2.0',
        'resilient_calls_saved_total{by="retry",client="exchange",route="/rates/{currency}"} 1.0',
        'resilient_retries_total{client="exchange",reason="5xx",route="/rates/{currency}"} 1.0',
        "INTERNAL: resilient GET /rates/{currency}\n"
        "CLIENT: GET /rates/{currency} 503\n"
        "CLIENT: GET /rates/{currency} 200\n"
        "INTERNAL: resilient GET /rates/{currency}\n",
    ],
    "cache_first_steps.py": [
        "the database once: 1 question",
        "Forgotten, and asked for again: 2 questions",
        "An hour later it is gone by itself: 3 questions",
        "a call    returns it: it is fresh",
    ],
    "cache_stale_while_made_anew.py": [
        "At first: version 1, miss, after 4 s",
        "A minute later: version 1, stale, after 0 s",
        "Five seconds later: version 2, hit, after 0 s",
        "The source has been down for half an hour: version 2, stale, after 0 s",
    ],
    "cache_last_good_value.py": [
        "The source is down: 1.08",
        "That value is 10800 s old",
        "After twelve hours there is nothing left: the source is down",
    ],
    "cache_one_run_for_all.py": [
        "Twenty callers, 1 answer, 1 run",
        "By the decorator: report on sales (1 run)",
    ],
    "cache_many_at_once.py": [
        "asked for [1, 2, 3]\nThe database is asked for [4]\n",
        "asked for [3]\n",
    ],
    "cache_model_answers.py": [
        "The first time: To be, or not.",
        "The second time: To be, or not. (paid 1 time)",
        "asked for again (paid 3 times)",
        "forgotten: 2 answers",
    ],
    "your_own_middleware.py": [
        "Sign each attempt anew",
        "The server saw ['attempt-1', 'attempt-2']",
        "And of the other client ['attempt-1']",
    ],
}


@pytest.fixture
def no_network(monkeypatch):
    """Connecting to anything fails the test."""

    def refuse(*args):
        raise AssertionError(f"an example connects to {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", SAYS)
def test_an_example_does_what_it_says(name, capsys):
    """As ``python examples/...`` runs it."""
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    for words in SAYS[name]:
        assert words in printed


def test_the_example_of_tests_passes():
    """Its tests are collected and run as a user's would be."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLES / "test_your_code.py"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_every_example_is_run():
    """A new file without a line above would go unnoticed."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SAYS, "test_your_code.py"}
