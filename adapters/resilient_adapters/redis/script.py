"""The texts that scripts are run from, and how a server is asked to run one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from resilient_adapters.redis.values import VERSION

Word: TypeAlias = str | bytes | int | float
Command: TypeAlias = tuple[Word, ...]


class Script:
    """One text of Lua that does many things, after what all texts have in common.

    Args:
        path: where its own part is.
        version: of the entries that it knows.
    """

    def __init__(self, path: Path, version: int) -> None:
        common = Path(__file__).with_name("common.lua")
        self._text = b"local VERSION = '\\%d'\n" % version + common.read_bytes() + path.read_bytes()
        self._digest = hashlib.sha1(self._text, usedforsecurity=False).hexdigest()

    def run(self, keys: Sequence[bytes], arguments: Sequence[Word]) -> Command:
        """The command for a server that knows the text."""
        return ("EVALSHA", self._digest, len(keys), *keys, *arguments)

    def teach_and_run(self, keys: Sequence[bytes], arguments: Sequence[Word]) -> Command:
        """The command for one that has said that it does not."""
        return ("EVAL", self._text, len(keys), *keys, *arguments)


FOR_A_SERVER = Script(Path(__file__).with_name("store.lua"), VERSION)
