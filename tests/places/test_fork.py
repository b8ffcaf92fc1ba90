"""A client that is used before a fork: parent and children never read each other's answers, nor wait for each other.

Servers that load an application and then fork its workers do so, and so does ``multiprocessing``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import serving
from tests.soaking import sizes

FORKING = Path(__file__).with_name("forking.py")
CHILDREN = 4

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture
def forking(family, colour):
    """Plays a scenario of ``forking.py``."""

    def play(scenario, url, times, whose="ours"):
        command = [sys.executable, str(FORKING), scenario, family.http.__name__, colour, whose, url, str(times)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)
        if whose == "plain" and done.returncode != 0:
            return {"warm": "right", "parent": {"broken": 1}, "children": []}  # by what another process read of its
        assert done.stderr == ""
        return json.loads(done.stdout)

    return play


def is_right(found, times):
    """Whether all answers were right, and those that were kept too."""
    return found == {"right": 2 * times}


def is_astray(found):
    """Whether any process got anything but its answers."""
    return found["warm"] == "right" and any(set(one) != {"right"} for one in [found["parent"], *found["children"]])


@sizes(runs=(3, 20))
def test_no_process_gets_the_answer_of_another_one(forking, runs, found):
    """Four children with 300 questions each, and their parent, at once; what was kept is theirs, too.

    Through a plain client answers go astray, or never come.
    """
    with serving(slow=0.001) as url:
        assert any(is_astray(forking("answers", url, 100, whose="plain")) for _ in range(5))
        for _ in range(runs):
            told = forking("answers", url, 300)
            processes = [told["parent"], *told["children"]]
            right = sum(one.get("right", 0) for one in processes)
            found.update(processes=len(processes), right=right, astray=2 * 300 * len(processes) - right)
            assert told["warm"] == "right"
            assert is_right(told["parent"], 300)
            assert [is_right(one, 300) for one in told["children"]] == [True] * CHILDREN, told


@pytest.mark.slow
def test_children_may_have_children(forking):
    """Each generation has connections of its own, before and after it has children."""
    with serving() as url:
        found = forking("families", url, 50)
    assert is_right(found["before"], 50)
    assert is_right(found["after"], 50)
    assert [is_right(one, 50) for one in found["below"]] == [True] * 2


@pytest.mark.slow
def test_a_child_that_closes_the_client_does_not_hurt_its_parent(forking):
    """The parent's connection stays open, and serves it on."""
    with serving() as url:
        found = forking("closing", url, 20)
    assert is_right(found["children"][0], 20)
    assert found["children"][1] == {}
    assert found["same"]
    assert is_right(found["parent"], 20)


@pytest.mark.slow
def test_no_lock_is_held_in_a_child(forking):
    """A thread of the parent is writing to the memory store when it forks: the child gets in nevertheless.

    The fork waits for the thread. A lock of Python's own is held in the child for ever.
    """
    with serving() as url:
        found = forking("locked", url, 1)
        assert found["waited"] > 0.3
        assert is_right(found["child"], 5)
        found = forking("locked", url, 0)
        assert found["waited"] < 0.3
        assert found["child"] == {"hangs": 1}
