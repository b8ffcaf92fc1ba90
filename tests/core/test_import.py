"""What importing the package costs, and what it needs."""

import importlib
import subprocess
import sys
from importlib.metadata import requires

import pytest

import resilient

EXTRAS = ["redis", "opentelemetry", "prometheus_client", "httpx2", "fastapi", "rich", "zstandard", "tomlkit"]

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def run(code, *options):
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_no_extra_is_needed():
    """With every optional package out of reach the package imports, and a client answers from memory."""
    print_hit = """
import httpx, resilient
transport = httpx.MockTransport(lambda request: httpx.Response(200, text="ok"))
policy = resilient.Policy(cache=resilient.ResponseCache(ttl="1m"))
with resilient.ResilientClient(transport=transport, policies=policy) as client:
    client.get("https://api.test/")
    print(client.get("https://api.test/").extensions["resilient"].cache.result)
"""
    assert run(BLOCKED.format(names=EXTRAS) + print_hit) == "hit\n"


def test_nothing_optional_is_imported():
    """Nor what only a disk store, a retry or a command line wants: that comes when it is asked for."""
    code = "import sys, httpx; before = set(sys.modules); import resilient; print(*(set(sys.modules) - before))"
    ours = set(run(code).split())
    late = {"aiosqlite", "sqlite3", "tenacity", "resilient_adapters", *EXTRAS}
    assert not late & {name.partition(".")[0] for name in ours}
    assert not {"resilient.cli", "resilient.testing"} & ours


def test_importing_starts_nothing():
    """No thread, no loop, no file, no word."""
    code = "import threading, resilient; print(threading.active_count())"
    assert run(code, "-X", "dev", "-W", "error") == "1\n"


@pytest.mark.slow
def test_importing_is_light():
    """Less than 0.15 s of processor time over ``import httpx``; the best of several runs, since machines are busy."""
    measure = "import resource, {name}; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"

    def best(name):
        return min(float(run(measure.format(name=name))) for _ in range(4))

    best("resilient")  # compiles what is not compiled yet
    assert best("resilient") - best("httpx") < 0.15


def test_every_public_name_is_there():
    """In ``__all__`` and in the package, each once."""
    assert len(set(resilient.__all__)) == len(resilient.__all__)
    for name in resilient.__all__:
        assert hasattr(resilient, name), name
    public = {name for name, value in vars(resilient).items() if not name.startswith("_")}
    modules = {name for name in public if type(getattr(resilient, name)) is type(sys)}
    assert public - modules == set(resilient.__all__)


def test_the_dependencies_are_those_that_are_imported():
    """Without extras: no more than these."""
    needed = {
        one.partition(">")[0].partition("<")[0].strip() for one in requires("resilient-client") if "extra ==" not in one
    }
    assert needed == {"httpx", "tenacity", "msgspec", "aiosqlite", "h11"}


@pytest.mark.parametrize("name", ["resilient", "resilient.testing", "resilient_adapters.sqlite"])
def test_every_module_says_what_it_is(name):
    """The first thing that ``help()`` shows."""
    assert importlib.import_module(name).__doc__
