"""The README and every page of the documentation do what they say: their blocks run, and what they name exists."""

import doctest
import io
import logging
import re
import shlex
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

import resilient
from resilient import events
from resilient.cli import main
from resilient.config import load
from resilient.logs import set_levels
from resilient.logs.lines import LINES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = {"demo", "get", "check", "top", "tap", "explain", "doctor", "cache"}
POLICY_FILE = "resilient.toml"
LOGGERS = ("resilient", "httpx", "httpx2")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?(?: (?:ms|s|min|h)\b)?")
"""A number, with its unit of time; figures that are printed differ from run to run."""


@pytest.fixture(autouse=True)
def logs():
    """What a page does to the log ends with the page."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.level, logger.handlers[:], logger.filters[:]) for logger in loggers]
    yield
    set_levels({kind: line.level for kind, line in LINES.items()})
    for logger, level, logger.handlers[:], logger.filters[:] in before:
        logger.setLevel(level)


def run_python(example):
    """Run the block, and keep what it prints for the block of output that may follow."""
    with redirect_stdout(io.StringIO()) as printed:
        PythonEvaluator()(example)
    example.namespace["__printed__"] = printed.getvalue()


def check_output(example):
    """Compare with what the Python block before printed."""
    compare(example.parsed, example.namespace["__printed__"])


def read_toml(example):
    """A file of policies is left in the folder, as ``resilient.toml``, and is right unless a comment says "wrong".

    Any other TOML has to be TOML.
    """
    if tomllib.loads(example.parsed).keys() <= {"client", "policies"}:
        Path(POLICY_FILE).write_text(example.parsed)
        if "# wrong" not in example.parsed:
            load(POLICY_FILE)


def run_console(example):
    """Run each ``$ resilient check ...``, and compare what it prints with what is shown below it."""
    for part in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        words = shlex.split(command)
        if words[:2] == ["resilient", "check"]:
            with redirect_stdout(io.StringIO()) as printed, redirect_stderr(printed):
                main(words[1:])
            compare(shown, printed.getvalue())


def compare(shown, printed):
    """Up to blanks and the value of numbers; ``...`` stands for whatever is left out."""
    shown, printed = (NUMBER.sub("#", " ".join(text.split())) for text in (shown, printed))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(shown + "\n", printed + "\n", flags), printed


SYBIL = Sybil(
    [
        CodeBlockParser("python", run_python),
        CodeBlockParser("output", check_output),
        CodeBlockParser("toml", read_toml),
        CodeBlockParser("console", run_console),
    ]
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_every_block_of_a_document_does_what_it_says(document, monkeypatch, tmp_path):
    """From the first block to the last in one namespace, as a reader would type them, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for block in SYBIL.parse(document).examples():
        block.evaluate()


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_commands_and_extras_that_a_document_names_exist(document):
    """Targets of make, subcommands, options of pip: nothing is promised that cannot be typed."""
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    # As a word in backticks, or typed on a line of its own.
    typed = "\n".join(re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)).replace("$ ", "")
    quoted = "\n".join(re.findall(r"`([^`\n]+)`", text))
    assert set(re.findall(r"^make ([a-z-]+)", f"{typed}\n{quoted}", flags=re.MULTILINE)) <= targets
    assert set(re.findall(r"^resilient ([a-z-]+)", f"{typed}\n{quoted}", flags=re.MULTILINE)) <= COMMANDS
    for extras in re.findall(r"(?:resilient-client|\.)\[([a-z0-9, ]+)\]", text):
        assert {extra.strip() for extra in extras.split(",")} <= PROJECT["optional-dependencies"].keys()


def test_the_commands_are_those_of_the_program(capsys):
    """The list above, against the program's own help."""
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^    ([a-z]+)  ", capsys.readouterr().out, flags=re.MULTILINE)
    assert set(listed) == COMMANDS


def test_every_event_is_listed_by_name_and_fields():
    """The page of events knows each class, the name that telemetry sees, and all of its fields."""
    page = (ROOT / "docs/reference/events.md").read_text()
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
    for kind in kinds:
        if kind is not events.Event:
            row = next((line for line in page.splitlines() if line.startswith(f"| `{kind.__name__}`")), "")
            fields = list(kind.__struct_fields__)
            assert [name for name in (kind.name, *fields) if f"`{name}`" not in row] == [], kind.__name__


def test_every_module_has_its_floor_on_the_page_of_the_architecture():
    """A new room at the top of the package is not forgotten there."""
    page = (ROOT / "docs/architecture.md").read_text()
    package = Path(resilient.__file__).parent
    rooms = [path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert [room for room in rooms if not room.startswith("_") and not re.search(rf"\b{room}\b", page)] == []


def test_every_page_is_in_the_navigation():
    """A page that nobody finds is none."""
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in DOCUMENTS if path.name != "README.md"]
    assert [page for page in pages if f": {page}\n" not in navigation] == []


def test_a_block_that_fails_is_seen(tmp_path):
    """A document with a wrong block fails, at its own line."""
    document = tmp_path / "wrong.md"
    document.write_text("# Wrong\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    first, second = SYBIL.parse(document).examples()
    first.evaluate()
    with pytest.raises(AssertionError) as failure:
        second.evaluate()
    assert failure.traceback[-1].lineno + 1 == 8


@pytest.mark.parametrize(
    ("shown", "right"),
    [("2 attempts, 56.3 ms in all", True), ("...attempts...", True), ("3 tries", False)],
)
def test_shown_output_is_compared(tmp_path, shown, right):
    """Figures may differ; words may not, unless they are left out."""
    document = tmp_path / "output.md"
    document.write_text(f"```python\nprint('3 attempts, 1.25 s in all')\n```\n\n```output\n{shown}\n```\n")
    first, second = SYBIL.parse(document).examples()
    first.evaluate()
    if right:
        second.evaluate()
    else:
        with pytest.raises(AssertionError):
            second.evaluate()
