"""The README and every page of the documentation do what they say: their Python blocks run."""

from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SYBIL = Sybil([PythonCodeBlockParser()])


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_every_python_block_of_a_document_runs(document, monkeypatch, tmp_path):
    """From the first block to the last in one namespace, as a reader would type them, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for block in SYBIL.parse(document).examples():
        block.evaluate()


def test_a_block_that_fails_is_seen(tmp_path):
    """A document with a wrong block fails, at its own line."""
    document = tmp_path / "wrong.md"
    document.write_text("# Wrong\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    first, second = SYBIL.parse(document).examples()
    first.evaluate()
    with pytest.raises(AssertionError) as failure:
        second.evaluate()
    assert failure.traceback[-1].lineno + 1 == 8
