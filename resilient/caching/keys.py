"""The keys and tags of a function's calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from resilient.caching.arguments import Arguments
from resilient.caching.forms import is_secret
from resilient.caching.templates import Template
from resilient.errors import ConfigurationError

TagsOf: TypeAlias = Callable[[tuple[object, ...], Mapping[str, object]], tuple[str, ...]]
"""Gives the tags of a call from its arguments."""


def default_key(arguments: Arguments) -> str:
    """The template for a function without one: its name, and every parameter's name and value.

    ``app.rates.fetch:currency:{currency}``; what is named like a secret is shown as a digest.

    Raises:
        ConfigurationError: other functions may have the same name, or none, as this one.
    """
    if not arguments.is_named:
        raise ConfigurationError(f"{arguments.name} has no name of its own; give a key, as in key='rates:{{currency}}'")
    holes = [f":{name}:{{{name}{':hash' * is_secret(name)}}}" for name in arguments.names]
    return arguments.name.replace("{", "{{").replace("}", "}}") + "".join(holes)


def tags_of(tags: Sequence[str], arguments: Arguments) -> TagsOf:
    """What gives the tags of a call; each of them is a template.

    Raises:
        ConfigurationError: one of them is none, or names a parameter or a formatter that does not exist.
    """
    if isinstance(tags, str):
        raise ConfigurationError(f"tags={tags!r} is not right; give a list, as in [{tags!r}]")
    templates = [Template(tag, arguments, option="tag") for tag in tags]
    if all(template.is_constant for template in templates):
        constant = tuple(template.filled(()) for template in templates)
        return lambda _args, _kwargs: constant

    def tags_of_call(args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[str, ...]:
        values = arguments.values(args, kwargs)
        return tuple([template.filled(values) for template in templates])

    return tags_of_call
