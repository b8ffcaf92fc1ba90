"""To which requests a policy applies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from resilient.errors import ConfigurationError

_PATTERN = re.compile(
    r"(?:(?P<method>[A-Z]+)\ )?"
    r"(?P<host>\*|(?:\*\.)?[^\s/:*?#@\[\]]+|\[[0-9a-fA-F:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^\s?#]*)?",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """To which requests an entry applies: ``[METHOD ]host[:port][/path]``, such as ``GET *.shop.com/v1/*``."""

    text: str
    method: str | None
    host: str
    port: int | None
    path: re.Pattern[str] | None
    rank: tuple[int, int, int, int, int]

    @classmethod
    def read(cls, text: str) -> Self:
        """The pattern that ``text`` writes.

        Raises:
            ConfigurationError: it is none.
        """
        found = _PATTERN.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ConfigurationError(
                f"policies={{{text!r}: ...}} is no pattern; write 'api.example.com', '*.example.com/v1/*', "
                "'GET api.example.com:8443' or '*', without scheme and query"
            )
        host = found["host"].lower().strip("[]")
        path = found["path"]
        exact, suffix = (0, 0) if host == "*" else (0, len(host)) if host.startswith("*.") else (1, 0)
        return cls(
            text=text,
            method=found["method"],
            host=host,
            port=int(found["port"]) if found["port"] else None,
            path=None if path is None else re.compile(".*".join(map(re.escape, path.split("*"))), re.DOTALL),
            rank=(exact, suffix, len(path or ""), found["port"] is not None, found["method"] is not None),
        )

    def is_for(self, host: str, port: int | None) -> bool:
        """Whether it may apply to requests for ``host`` and ``port``."""
        if self.port is not None and self.port != port:
            return False
        if self.host.startswith("*"):
            return host.endswith(self.host[1:])
        return host == self.host

    def matches(self, method: str, path: str) -> bool:
        """Whether it applies to a request for such a host."""
        if self.method is not None and self.method != method:
            return False
        return self.path is None or self.path.fullmatch(path) is not None
