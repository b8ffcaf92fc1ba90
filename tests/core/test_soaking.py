"""The sizes of soak tests, and the table of what they found."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

PROOFS = """
import pytest
from tests.soaking import sizes

@sizes(calls=(1, 3))
def test_some_are_lost(calls, found):
    found.update(calls=calls, lost=calls // 3)
    assert not found["lost"]

@sizes(forks=(1, 2))
def test_not_on_this_system(forks):
    if forks > 1:
        pytest.skip()

@pytest.fixture
def leaky(request):
    yield
    assert "2 files" not in request.node.name

@sizes(files=(1, 2))
def test_all_is_closed_again(files, leaky, found):
    found["left_open"] += files

@sizes(rounds=(1, 2000), writers=(1, 4))
@pytest.mark.parametrize("place", ["here", "over there"])
def test_killed_writers_lose_nothing(rounds, writers, place, found):
    for _ in range(2):
        found.update(kills=rounds * writers, lost=0)

def test_another_one():
    pass
"""

TABLE = """
| what | where | size | found | took | outcome |
| --- | --- | --- | --- | --- | --- |
| All is closed again |  | 2 files | 2 left open | 0 s | failed |
| Killed writers lose nothing | here | 2,000 rounds, 4 writers | 16,000 kills, 0 lost | 0 s | passed |
| Killed writers lose nothing | over there | 2,000 rounds, 4 writers | 16,000 kills, 0 lost | 0 s | passed |
| Not on this system |  | 2 forks |  | 0 s | skipped |
| Some are lost |  | 3 calls | 3 calls, 1 lost | 0 s | failed |
"""


@pytest.fixture
def project(tmp_path):
    """A folder with soak tests of all sorts."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "proofs").mkdir()
    (tmp_path / "proofs" / "test_proofs.py").write_text(PROOFS)
    (tmp_path / "conftest.py").write_text("from tests.conftest import found\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = proofs\nmarkers =\n  slow\n  soak\n")
    return tmp_path


def run(project, *options):
    """What pytest says."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.soaking", *options]
    return subprocess.run(command, cwd=project, check=False, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.slow
def test_the_table_has_a_row_for_each_soak_test(project):
    """Whatever its outcome, with its figures, by name; and when, where and of which commit it was made."""
    assert "soak.md is written" in run(project, "-m", "soak")
    page = (project / "docs" / "soak.md").read_text()
    assert page.endswith(TABLE)
    assert re.search(r"Made by `make soak`: \d{4}-\d\d-\d\d, commit .+, CPython 3\..+, httpx \d.+ processors\.", page)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ("-k lose", "passed"),
        ("proofs", "passed"),
        ("-m 'soak and not slow'", "passed"),
        ("--deselect proofs/test_proofs.py::test_some_are_lost", "passed"),
        ("--ignore proofs/test_others.py", "passed"),
        ("-x", "not run"),
    ],
)
def test_some_of_the_soak_tests_leave_the_table_as_it_was(project, options, outcome):
    """A part would take the place of all the rest; it is shown all the same."""
    page = project / "docs" / "soak.md"
    page.write_text("all of them")
    said = run(project, "-m", "soak", *shlex.split(options))
    assert "soak.md is left as it was" in said
    assert re.search(rf"^\| Killed writers lose nothing \| here .* {outcome} \|$", said, re.MULTILINE)
    assert page.read_text() == "all of them"


@pytest.mark.slow
def test_soak_tests_run_scaled_down_with_all_the_others(project):
    """Each once, in its small size."""
    said = run(project, "-m", "not soak", "-v")
    assert "6 passed" in said
    assert "test_killed_writers_lose_nothing[here-1 rounds, 1 writers]" in said
    assert not (project / "docs" / "soak.md").exists()


def test_every_soak_test_has_its_sizes():
    """None marks itself: it would not run scaled down."""
    rooms = [path for path in TESTS.rglob("*.py") if path != TESTS / "soaking.py"]
    assert [str(path) for path in rooms if "mark." + "soak" in path.read_text()] == []
