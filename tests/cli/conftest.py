"""The command as a user runs it."""

import pytest

from resilient.cli import main
from resilient.testing import LocalServer


@pytest.fixture
def run(capsys):
    """Runs the command; its exit status, what it printed, and what it complained about."""

    def command(*arguments):
        capsys.readouterr()
        try:
            status = main([str(one) for one in arguments])
        except SystemExit as ended:  # argparse
            status = ended.code
        return (status, *capsys.readouterr())

    return command


@pytest.fixture
def server():
    with LocalServer() as server:
        yield server
