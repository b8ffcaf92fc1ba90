"""The one text that scripts are run from, and how a server is asked to run it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

Word: TypeAlias = str | bytes | int | float
Command: TypeAlias = tuple[Word, ...]

TEXT = Path(__file__).with_name("store.lua").read_bytes()
DIGEST = hashlib.sha1(TEXT, usedforsecurity=False).hexdigest()


def run(keys: Sequence[bytes], arguments: Sequence[Word]) -> Command:
    """The command for a server that knows the text."""
    return ("EVALSHA", DIGEST, len(keys), *keys, *arguments)


def teach_and_run(keys: Sequence[bytes], arguments: Sequence[Word]) -> Command:
    """The command for one that has said that it does not."""
    return ("EVAL", TEXT, len(keys), *keys, *arguments)
