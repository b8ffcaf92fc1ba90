"""Header fields as ASGI has them."""

from __future__ import annotations

from collections.abc import Iterable


def lines_of(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """The values of all fields of that name, which is in lower case."""
    return [value.decode("latin-1") for field, value in fields if field.lower() == name]
