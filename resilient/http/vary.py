"""Which answer stands for which request: Vary (RFC 9110 section 12.5.5, RFC 9111 section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from resilient.http.fields import Fields, members

Selecting: TypeAlias = tuple[tuple[str, str | None], ...]
"""The selecting fields of a request, by name: their values in one spelling, None for those that it has not."""

STAR = ("*",)
"""The names of an answer that stands for no other request."""

_ANY_ORDER = frozenset({"accept-encoding", "accept-language"})
"""Lists whose members rank by their weights alone (RFC 9110 sections 12.5.3 and 12.5.4)."""


def vary_names(fields: Fields) -> tuple[str, ...]:
    """The names in an answer's Vary, in lower case and order; only a star if there is one among them."""
    text = fields.get("vary")
    if text is None:
        return ()
    names = {name.strip(" \t").lower() for name in text.split(",")} - {""}
    return STAR if "*" in names else tuple(sorted(names))


def selecting(names: Iterable[str], request: Fields) -> Selecting:
    """What ``request`` says in the fields that select (RFC 9111 section 4.1: lines joined, white space dropped)."""
    return tuple([(name, _spelled(name, request.get(name))) for name in names])


def _spelled(name: str, value: str | None) -> str | None:
    """A value as it is compared: two spellings of the same are equal."""
    if value is None:
        return None
    if name not in _ANY_ORDER:
        return ",".join(members(value))
    return (_in_order if len(value) > _REMEMBERED else _known_in_order)(value)


_REMEMBERED = 256
"""Characters; what clients accept is no secret and little varied, so it is read once, but no longer text is kept."""


def _in_order(value: str) -> str:
    return ",".join(sorted({_lean(member) for member in members(value)}))


_known_in_order = lru_cache(maxsize=1024)(_in_order)


def _lean(member: str) -> str:
    """A member of a weighted list, without what makes no difference."""
    name, _, weight = member.lower().replace(" ", "").replace("\t", "").partition(";")
    weight = weight.removeprefix("q=")
    number = weight.rstrip("0").rstrip(".") if "." in weight else weight
    return name if number in {"", "1"} else f"{name};q={number}"


def matches(stored: Selecting, asked: Selecting, content_language: str | None = None) -> bool:
    """Whether an answer stands for a request too.

    Args:
        stored: of the request that was answered.
        asked: the same fields of the other request.
        content_language: the answer's; if it is what the other request wants most, Accept-Language fits (RFC 9111
            section 4.1: a cache may rank preferences itself).
    """
    for (name, old), (_, new) in zip(stored, asked, strict=True):
        if name == "*" or not (old == new or (name == "accept-language" and _prefers(new, content_language))):
            return False
    return True


def _prefers(accept_language: str | None, content_language: str | None) -> bool:
    """Whether one language is wanted above all others, and is the answer's."""
    if not accept_language or content_language is None:
        return False
    ranked: list[tuple[float, str]] = []
    for member in accept_language.split(","):
        language, _, weight = member.partition(";q=")
        ranked.append((_weight(weight), language))
    ranked.sort(reverse=True)
    alone = len(ranked) == 1 or ranked[0][0] > ranked[1][0]
    return alone and ranked[0][0] > 0 and ranked[0][1] == content_language.strip(" \t").lower()


def _weight(text: str) -> float:
    """A weight of RFC 9110 section 12.4.2; what is none weighs nothing."""
    if not text:
        return 1.0
    whole, _, places = text.partition(".")
    digits = (whole + places).isascii() and (whole + (places or "0")).isdigit()
    return float(text) if digits and len(text) <= _LONGEST_WEIGHT and float(text) <= 1 else 0.0


_LONGEST_WEIGHT = 5
