"""The pictures of the documentation are those that their script draws."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/cache/pictures"


def test_the_pictures_are_in_step_with_their_script():
    """Nobody has changed one by hand, or the script without drawing anew."""
    command = [sys.executable, ROOT / "tools/pictures.py", "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_each_picture_is_shown_with_words_for_those_who_cannot_see_it():
    """On a page of the cache, with a description; and it is well-formed."""
    pages = "".join(page.read_text() for page in (ROOT / "docs/cache").glob("*.md"))
    described = {picture: words for words, picture in re.findall(r"!\[(.+?)\]\(pictures/(.+?)\)", pages)}
    for path in FOLDER.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert len(described[path.name]) > 30
