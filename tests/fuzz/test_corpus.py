"""What fuzzing found of use is put to the rules again, each time."""

from pathlib import Path

from tests.fuzz.judging import judge

CORPUS = Path(__file__).parent / "corpus"
LIMIT = 200_000


def test_everything_that_fuzzing_found_is_judged():
    """Never an error, and no rule contradicts itself; the corpus is there, and small."""
    found = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    assert len(found) > 50
    assert sum(map(len, found)) < LIMIT
    for data in found:
        judge(data)
