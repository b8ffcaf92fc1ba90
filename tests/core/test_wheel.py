"""The wheel: what it holds, and that it works where nothing else is installed."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(*command, cwd=None, **env):
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": "", **env},
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", folder, ROOT)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_it_holds_the_two_packages_and_nothing_else(names):
    """Neither tests, nor docs, nor a top-level ``adapters``, which would hide somebody else's."""
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"resilient", "resilient_adapters"}
    assert len(top) == 3


def test_it_says_that_it_is_typed(names):
    """Both packages; type checkers look for the marker."""
    assert {"resilient/py.typed", "resilient_adapters/py.typed"} <= set(names)


def test_it_holds_the_dashboard_and_the_rules(names):
    """They are no modules, and found beside those that export the metrics."""
    shipped = "resilient_adapters/prometheus/shipped"
    assert {f"{shipped}/{name}" for name in ("dashboard.json", "rules.yml", "rules_test.yml")} <= set(names)


def test_it_holds_every_module_of_the_tree(names):
    """And no compiled or left-over file."""
    here = {
        str(path.relative_to(source))
        for source, package in ((ROOT, "resilient"), (ROOT / "adapters", "resilient_adapters"))
        for path in (source / package).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == here
    others = {Path(name).suffix for name in names if ".dist-info/" not in name} - {".py", ".typed"}
    assert others <= {".json", ".yml", ".toml", ".html", ".css", ".js", ".lua", ".sql"}


def test_its_entry_points_lead_somewhere(wheel, names):
    """The stores and the command."""
    import importlib

    [path] = [name for name in names if name.endswith("entry_points.txt")]
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(path).decode()
    assert "[resilient.stores]" in text
    assert "[console_scripts]" in text
    for line in text.splitlines():
        if "=" in line:
            module, _, name = line.partition("=")[2].strip().partition(":")
            assert hasattr(importlib.import_module(module), name), line


CHECK = """
import asyncio, sys, tempfile
import httpx, resilient, resilient_adapters

assert "site-packages" in resilient.__file__, resilient.__file__
assert "site-packages" in resilient_adapters.__file__
policy = resilient.Policy(cache=resilient.ResponseCache(ttl="1m"))
options = {
    "transport": httpx.MockTransport(lambda request: httpx.Response(200, text="ok")),
    "policies": policy,
    "store": f"disk://{tempfile.mkdtemp()}/cache",
}
with resilient.ResilientClient(**options) as client:
    results = [client.get("https://api.test/").extensions["resilient"].cache.result for _ in range(2)]

async def main():
    async with resilient.AsyncResilientClient(**options) as client:
        return (await client.get("https://api.test/")).extensions["resilient"].cache.result

print(*results, asyncio.run(main()))
"""


def test_it_works_in_an_environment_of_its_own(wheel, tmp_path):
    """Installed with nothing but its dependencies: both colours answer from the disk store."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    installed = run(python, "-m", "pip", "list", "--format=freeze").lower()
    for extra in ("redis", "opentelemetry", "prometheus", "rich", "fastapi", "httpx2"):
        assert f"\n{extra}" not in installed
    assert run(python, "-W", "error", "-c", CHECK, cwd=tmp_path).split() == ["miss", "hit", "hit"]
