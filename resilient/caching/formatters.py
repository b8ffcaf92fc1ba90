"""What a template may do to a value first: ``{prompt:hash}``, ``{name:lower}``, ``{token:jwt(sub)}``."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable
from typing import Any, TypeAlias

from resilient.caching.arguments import nearest_first
from resilient.caching.forms import digest_of, text_of
from resilient.errors import ConfigurationError

Formatter: TypeAlias = Callable[..., object]
"""Takes a value, and the text between its own parentheses in the template if there are any."""


def register_formatter(name: str, function: Formatter) -> None:
    """Let templates use ``function`` by ``name``: ``{param:name}``, ``{name(param)}`` or ``{param:name(text)}``.

    What it returns is written as any other value is. Templates that exist keep the function that they began with.

    Args:
        name: a Python identifier, and none of ``hash``, ``len``, ``lower``, ``upper``, ``jwt``.
        function: takes the value, and the text in parentheses if it is to have any. For two values between which
            the cached function makes a difference it returns different ones.

    Raises:
        ConfigurationError: the name is wrong or taken, or the function is none, or is async.
    """
    if not (isinstance(name, str) and name.isidentifier()):
        raise ConfigurationError(f"name={name!r} of a formatter is not right; give a Python identifier")
    if name in _WRITERS:
        raise ConfigurationError(f"name={name!r} is that of a formatter which is always there; give another one")
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"the formatter {name!r} is not right; give a plain function of one value")
    _registered[name] = function


def writer_of(name: str, text: str | None) -> Callable[[Any], str]:
    """What writes a value into a key by the formatter of that name.

    Args:
        name: of the formatter.
        text: what stands in its parentheses, None without any.

    Raises:
        ConfigurationError: there is no such formatter, or it does not take that text.
    """
    write = _WRITERS.get(name)
    function = _registered.get(name) if write is None else write
    if function is None:
        known = {*_WRITERS, *_registered}
        raise ConfigurationError(f"there is no formatter {name!r}; {nearest_first(name, known)}")
    texts = () if text is None else (text,)
    if not _takes(function, 1 + len(texts)):
        wrong = "needs text in parentheses, as in {token:jwt(sub)}" if text is None else "takes no text in parentheses"
        raise ConfigurationError(f"the formatter {name!r} {wrong}")
    if write is not None:
        return lambda value: write(value, *texts)
    return lambda value: text_of(function(value, *texts))


def _takes(function: Formatter, count: int) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return True  # written in C, and does not say
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _len(value: Any) -> str:
    return text_of(len(value))


def _lower(value: object) -> str:
    return text_of(value.lower() if isinstance(value, str) else value)


def _upper(value: object) -> str:
    return text_of(value.upper() if isinstance(value, str) else value)


def _jwt(value: object, claim: str) -> str:
    """A claim of a JSON web token, whose signature is not looked at; text only, other values are written as they are.

    A token that does not say the claim stands for itself, so that its calls share nothing with those of others.
    """
    if not isinstance(value, str):
        return text_of(value)
    try:
        part = value.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return text_of(claims[claim])
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"jwt({digest_of(value)})"


_WRITERS: dict[str, Callable[..., str]] = {
    "hash": digest_of,
    "len": _len,
    "lower": _lower,
    "upper": _upper,
    "jwt": _jwt,
}
_registered: dict[str, Formatter] = {}
