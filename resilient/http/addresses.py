"""Addresses that answers name, as far as they are of the same origin (RFC 9110 sections 8.7 and 10.2.2)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, quote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
_LEFT = "".join(map(chr, range(0x21, 0x7F)))
"""What an address may hold as it is; everything else is written in percents."""


def named_paths(origin: str, raw_path: bytes, values: Iterable[str]) -> tuple[bytes, ...]:
    """Path and query of each address in ``values`` that has ``origin``; others, and what is no address, are left out.

    Args:
        origin: scheme, host and port of the request.
        raw_path: path and query of the request, to which addresses may be relative.
        values: lines of Location or Content-Location.
    """
    paths = (_path(origin, raw_path, value) for value in values)
    return tuple([path for path in paths if path is not None])


def _path(origin: str, raw_path: bytes, value: str) -> bytes | None:
    base = origin + raw_path.decode("latin-1")
    try:
        target = urlsplit(urljoin(base, value.strip(" \t")))
        if _origin(target) != _origin(urlsplit(origin)):
            return None
        # Once more, without the origin: this takes out dots and double dots.
        found = urlsplit(urljoin(origin + "/", target._replace(scheme="", netloc="", fragment="").geturl() or "/"))
    except ValueError:  # a host or a port that can be none
        return None
    path = found.path or "/"
    return quote(f"{path}?{found.query}" if found.query else path, safe=_LEFT, encoding="latin-1").encode()


def _origin(address: SplitResult) -> tuple[str, str | None, int | None]:
    """RFC 9110 section 4.3.1."""
    return address.scheme, address.hostname, address.port or _PORTS.get(address.scheme)
