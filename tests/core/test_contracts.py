"""Who may import whom: the contracts of pyproject.toml hold, and each breaks on a planted import."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
DRIVEN_ROOMS = ("pipeline", "caching", "http", "mechanics")

# A contract, and files whose imports it must refuse: {path: source}.
PLANTS = [
    ("adapters", {"resilient/planted.py": "import resilient_adapters"}),
    ("adapters", {"resilient/stores/planted.py": "import resilient_adapters"}),
    ("floors", {"resilient/http/planted.py": "import resilient.pipeline"}),
    ("floors", {"resilient/mechanics/planted.py": "def late():\n    from resilient import caching"}),
    ("floors", {"resilient/planted.py": "'''A module that was given no floor.'''"}),
    (
        "circles",
        {
            "resilient/runtime/planted_a.py": "import resilient.runtime.planted_b",
            "resilient/runtime/planted_b.py": "import resilient.runtime.planted_a",
        },
    ),
    ("core", {"resilient/stores/planted.py": "import redis.asyncio"}),
    ("core", {"resilient/pipeline/planted.py": "def late():\n    import prometheus_client"}),
    ("core", {"resilient/http/planted.py": "import opentelemetry.trace"}),
    ("core", {"resilient/runtime/planted.py": "import httpx2"}),
    ("core", {"resilient/caching/planted.py": "from rich.table import Table"}),
    ("core", {"resilient/middlewares/planted.py": "def late():\n    import prometheus_client"}),
    ("adapters", {"resilient/middlewares/planted.py": "def late():\n    import resilient_adapters.prometheus"}),
    ("httpx", {"resilient/pipeline/planted.py": "from httpx import Response"}),
    ("httpx", {"resilient/planted.py": "def late():\n    import httpx"}),
    (
        "middlewares",
        {
            "resilient/pipeline/planted_a.py": "import resilient.pipeline.planted_b",
            "resilient/pipeline/planted_b.py": "",
        },
    ),
    ("mechanics", {"resilient/mechanics/planted.py": "import resilient.stores"}),
    ("mechanics", {"resilient/http/planted.py": "import resilient.runtime"}),
    ("driven", {"resilient/pipeline/planted.py": "import asyncio"}),
    ("driven", {"resilient/caching/planted.py": "from time import monotonic"}),
    ("driven", {"resilient/http/planted.py": "import time"}),
    ("driven", {"resilient/mechanics/planted.py": "import concurrent.futures"}),
    ("driven", {"resilient/mechanics/planted.py": "import datetime"}),
]


def lint_imports(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the tree at ``root``, not over the installed one."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache", *options],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(root), str(root / "adapters")]),
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, to plant into."""
    only_code = shutil.ignore_patterns("__pycache__")
    for source in ("resilient", "adapters"):
        shutil.copytree(ROOT / source, tmp_path / source, ignore=only_code)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def misuses_threading(source: str) -> list[int]:
    """Lines that import more of ``threading`` than ``Lock``."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Import) and any(name.name.split(".")[0] == "threading" for name in node.names))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "threading"
            and any(name.name != "Lock" for name in node.names)
        )
    ]


def test_the_tree_keeps_every_contract(tree):
    """Nothing planted, nothing broken; so what breaks below breaks by what is planted."""
    linted = lint_imports(tree)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_every_contract_has_a_plant_that_breaks_it():
    """A contract added later has to be seen breaking too."""
    assert {contract for contract, _ in PLANTS} == set(CONTRACTS)


@pytest.mark.parametrize(
    ("contract", "planted"),
    PLANTS,
    ids=[f"{contract}-{number}" for number, (contract, _) in enumerate(PLANTS)],
)
def test_a_planted_import_breaks_its_contract(tree, contract, planted):
    """The linter refuses the import, and says which contract it breaks and where."""
    for path, source in planted.items():
        (tree / path).write_text(source + "\n")

    linted = lint_imports(tree, "--contract", contract)

    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert f"{CONTRACTS[contract]} BROKEN" in linted.stdout
    assert "planted" in linted.stdout


@pytest.mark.parametrize("room", DRIVEN_ROOMS)
def test_driven_rooms_take_only_the_lock_from_threading(room):
    """An Event, a Condition or a Thread would block the loop that drives the room."""
    misuses = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / "resilient" / room).rglob("*.py")
        for line in misuses_threading(path.read_text())
    }
    assert not misuses


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("from threading import Lock", []),
        ("import threading", [1]),
        ("x = 1\nfrom threading import Event, Lock", [2]),
        ("def late():\n    from threading import Condition as C", [2]),
    ],
)
def test_a_planted_use_of_threading_is_seen(source, lines):
    """The rule above is tested as the linter's are."""
    assert misuses_threading(source) == lines
