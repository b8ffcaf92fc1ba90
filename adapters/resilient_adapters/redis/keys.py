"""The names under which things lie in Redis.

::

    SPACE:e{:KEY}       an entry
    SPACE:l{:KEY}       the lease of that name
    SPACE:t{:TAG}       which entries have a tag
    SPACE:fence         the last fence that was given out; on a cluster leases keep their own
    SPACE:secret        the secret beside the entries
    SPACE:c{:ID}        written for a moment to see that a link tells of changes

What stands in braces decides where a Redis Cluster keeps a key, so all that belongs to one entry lies together. It is
never empty, for then the braces would mean nothing. A key or tag that has a part in braces itself, as in
``{user:1}:name``, is kept where that says, so that several can be kept together: its names are ``SPACE:e::KEY``,
``SPACE:l::KEY`` and ``SPACE:t::TAG``.
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

    def tag(self, tag: str) -> bytes:
        return self._of("t", tag)

    def canary(self, name: str) -> bytes:
        return self._of("c", name)

    @property
    def told(self) -> tuple[bytes, ...]:
        """How the names start of whose changes a link tells."""
        kinds = [f"{self.space}:{kind}{form}:".encode() for kind in "et" for form in "{:"]
        return (*kinds, f"{self.space}:c{{:".encode(), self.secret)

    @property
    def fence(self) -> bytes:
        return f"{self.space}:fence".encode()

    @property
    def secret(self) -> bytes:
        return f"{self.space}:secret".encode()

    def entries(self, prefix: str) -> bytes:
        """The pattern of all entries whose key starts with ``prefix``, taken literally."""
        start = prefix.encode(errors="replace")
        return f"{self.space}:e[{{:]:".encode() + _SPECIAL.sub(rb"\\\g<0>", start) + b"*"

    def everything(self) -> bytes:
        """The pattern of all entries and tags."""
        return f"{self.space}:[et][{{:]:*".encode()

    def key_of(self, entry: bytes) -> str:
        """The key of an entry's name; the tag of a group's."""
        start = len(self.space) + 2
        ends = len(entry) - entry[start : start + 1].count(b"{")
        return entry[start + 2 : ends].decode(errors="replace")

    def kind_of(self, name: bytes) -> str:
        """Of which kind a name is: ``e`` for an entry, ``t`` for a tag."""
        return chr(name[len(self.space) + 1])

    def _of(self, kind: str, name: str) -> bytes:
        if _chooses_its_place(name):
            return f"{self.space}:{kind}::{name}".encode()
        return f"{self.space}:{kind}{{:{name}}}".encode()


def _chooses_its_place(name: str) -> bool:
    """Whether it has a part in braces, by the rule of Redis: its first ``{`` and the ``}`` after that count."""
    starts = name.find("{")
    return starts >= 0 and name.find("}", starts + 1) > starts + 1
