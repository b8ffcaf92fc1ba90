"""To which requests a policy applies."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

from resilient.errors import ConfigurationError
from resilient.redaction import without_secrets

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
        port = int(found["port"]) if found is not None and found["port"] else None
        if found is None or not _exists(found["host"]) or (port is not None and not 0 < port < 65536):
            given = without_secrets(text) if isinstance(text, str) else text
            raise ConfigurationError(
                f"policies={{{given!r}: ...}} is no pattern; write 'api.example.com', '*.example.com/v1/*', "
                "'GET api.example.com:8443' or '*', without scheme and query"
            )
        host = canonical(found["host"].strip("[]"))
        path = found["path"]
        exact, suffix = (0, 0) if host == "*" else (0, len(host)) if host.startswith("*.") else (1, 0)
        return cls(
            text=text,
            method=found["method"],
            host=host,
            port=port,
            path=None if path is None else _compiled(path),
            rank=(exact, suffix, len(path or ""), port is not None, found["method"] is not None),
        )

    @property
    def is_for_all(self) -> bool:
        """Whether it applies to every request for its hosts."""
        return self.method is None and self.path is None

    @property
    def requests(self) -> object:
        """A value that two patterns for the same requests have in common, however they are written."""
        return self.method, self.host, self.port, self.path

    def is_for(self, host: str, port: int | None) -> bool:
        """Whether it may apply to requests for ``host``, in its canonical spelling, and ``port``."""
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


def canonical(host: str) -> str:
    """The one spelling of a host's name or address that patterns are compared in.

    Lower case, without the dot of the root, international labels decoded (HTTP libraries show some of them so,
    some not), IPv6 in its short form.
    """
    host = host.lower().removesuffix(".")
    if ":" in host:
        with suppress(ValueError):
            return str(IPv6Address(host))
    return ".".join(_decoded(label) if label.startswith("xn--") else label for label in host.split("."))


def _exists(host: str) -> bool:
    """Whether ``host`` is more than the likeness of an address."""
    try:
        if host.startswith("["):
            IPv6Address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _decoded(label: str) -> str:
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode").lower()
    except UnicodeError:
        return label


def _compiled(path: str) -> re.Pattern[str]:
    """``*`` stands for any characters.

    What is between two of them is taken where it comes first, for good: going back for another place would find
    nothing more, and take for ever.
    """
    first, *others = map(re.escape, path.split("*"))
    if not others:
        return re.compile(first)
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    return re.compile(f"{first}{between}.*{others[-1]}", re.DOTALL)
