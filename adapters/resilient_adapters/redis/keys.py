"""The names under which things lie in Redis.

::

    SPACE:e{:KEY}       an entry
    SPACE:l{:KEY}       the lease of that name
    SPACE:n{:KEY}       where a counter is added up, for the length of one script
    SPACE:t{:TAG}       which entries have a tag
    SPACE:fence         the last fence that was given out
    SPACE:secret        the secret beside the entries
    SPACE:c{:ID}        written for a moment to see that a link tells of changes

What stands in braces decides where a Redis Cluster keeps a key, so all that belongs to one entry lies together. It is
never empty, for then the braces would mean nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPECIAL = re.compile(rb"[*?\[\]\\]")


@dataclass(frozen=True, slots=True)
class Keys:
    """The names in one space; they take keys as stores keep them.

    Attributes:
        space: how all of them start.
    """

    space: str

    def entry(self, key: str) -> bytes:
        return self._of("e", key)

    def lease(self, name: str) -> bytes:
        return self._of("l", name)

    def scratch(self, key: str) -> bytes:
        return self._of("n", key)

    def tag(self, tag: str) -> bytes:
        return self._of("t", tag)

    def canary(self, name: str) -> bytes:
        return self._of("c", name)

    @property
    def told(self) -> tuple[bytes, ...]:
        """How the names start of whose changes a link tells."""
        return (*(f"{self.space}:{kind}{{:".encode() for kind in "etc"), self.secret)

    @property
    def fence(self) -> bytes:
        return f"{self.space}:fence".encode()

    @property
    def secret(self) -> bytes:
        return f"{self.space}:secret".encode()

    def entries(self, prefix: str) -> bytes:
        """The pattern of all entries whose key starts with ``prefix``, taken literally."""
        start = prefix.encode(errors="replace")
        return f"{self.space}:e{{:".encode() + _SPECIAL.sub(rb"\\\g<0>", start) + b"*}"

    def everything(self) -> bytes:
        """The pattern of all entries and tags."""
        return f"{self.space}:[et]{{:*}}".encode()

    def key_of(self, entry: bytes) -> str:
        """The key of an entry's name; the tag of a group's."""
        return entry[len(self.space) + 4 : -1].decode(errors="replace")

    def kind_of(self, name: bytes) -> str:
        """Of which kind a name is: ``e`` for an entry, ``t`` for a tag."""
        return chr(name[len(self.space) + 1])

    def _of(self, kind: str, name: str) -> bytes:
        return f"{self.space}:{kind}{{:{name}}}".encode()
